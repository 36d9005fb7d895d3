package wire

import (
	"time"

	"lodge/inventory"
)

// A Lease is how long a container may run and is kept, and what bounds that.
type Lease struct {
	Container inventory.ContainerID `json:"container"`
	Name      string                `json:"name"`
	Project   string                `json:"project"`
	RunUntil  time.Time             `json:"run_until,omitzero" doc:"Then it is stopped; absent: never."`
	KeepUntil time.Time             `json:"keep_until,omitzero" doc:"Then it goes to the trash; absent: never."`
	Ends      time.Time             `json:"ends,omitzero" doc:"The earlier of those that are still to act."`
	Latest    time.Time             `json:"latest,omitzero" doc:"The latest keep_until there may be now; absent: no bound."`
	LatestBy  string                `json:"latest_by,omitempty" doc:"The setting that says so."`
	Default   string                `json:"default,omitempty" doc:"How long a container of the project is kept that asks for nothing."`
	Grace     string                `json:"grace" doc:"How long it is kept when it comes back from the trash after its end."`
	Warn      string                `json:"warn" doc:"How long before an end a warning is given."`
	Warnings  []LeaseWarning        `json:"warnings" nullable:"false" doc:"Given for these ends, the newest first."`
}

// A LeaseWarning is one that was given.
type LeaseWarning struct {
	Clock inventory.Clock `json:"clock" doc:"run or keep."`
	Until time.Time       `json:"until"`
	At    time.Time       `json:"at"`
}

// FromLease writes the lease of c by its rules.
func FromLease(c *inventory.Container, rules inventory.LeaseRules, warnings []inventory.LeaseWarning, now time.Time) Lease {
	w := Lease{Container: c.ID, Name: c.Name, Project: c.Project, RunUntil: utc(c.RunUntil), KeepUntil: utc(c.ExpiresAt),
		Ends: utc(c.LeaseEnd()), Grace: inventory.DurationText(rules.Grace), Warn: inventory.DurationsText(rules.Warn),
		Warnings: make([]LeaseWarning, len(warnings))}
	latest, by := rules.Latest(c.CreatedAt, now)
	w.Latest, w.LatestBy = utc(latest.Truncate(time.Second)), by
	if length := rules.Length(); length > 0 {
		w.Default = inventory.DurationText(length)
	}
	for i, g := range warnings {
		w.Warnings[i] = LeaseWarning{Clock: g.Clock, Until: g.Until.UTC(), At: g.At.UTC()}
	}
	return w
}
