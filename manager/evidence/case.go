package evidence

import (
	"cmp"
	"encoding/json"
	"slices"
	"time"

	"lodge/inventory"
)

// A Case is what chapters read about one container.
type Case struct {
	ID       inventory.ContainerID
	From, To time.Time            // zero: no bound
	Records  []Record             // about it until To, the oldest first, those before From too
	Standing []Record             // of roles and groups, the same
	Changes  []inventory.Change   // that were ever asked for
	Present  *inventory.Container // nil once it was purged
	Journal  Signer
}

// An Act is what somebody asked for: an intent and how it ended.
type Act struct {
	Intent  Record
	Outcome *Record // nil: nothing was told of it yet
}

// Result says how the act ended.
func (a Act) Result() string {
	if a.Outcome == nil {
		return "no outcome"
	}
	if a.Outcome.Outcome == inventory.OutcomeSuccess {
		return "done"
	}
	return cmp.Or(a.Outcome.Result, string(a.Outcome.Outcome))
}

// Succeeded reports whether it was done.
func (a Act) Succeeded() bool {
	return a.Outcome != nil && a.Outcome.Outcome == inventory.OutcomeSuccess
}

// At is when it counted: the time of the outcome.
func (a Act) At() time.Time {
	if a.Outcome != nil {
		return a.Outcome.At
	}
	return a.Intent.At
}

// Seqs are the numbers of its records.
func (a Act) Seqs() []int64 {
	if a.Outcome == nil {
		return []int64{a.Intent.Seq}
	}
	return []int64{a.Intent.Seq, a.Outcome.Seq}
}

// acts joins intents with their outcomes; a crash may have left two outcomes, of which the last counts.
func acts(records []Record) (out []Act) {
	open := map[string]int{}
	for _, r := range records {
		key := string(r.Operation) + "/" + string(r.Session)
		if key == "/" {
			continue
		}
		switch i, known := open[key]; {
		case r.Kind == inventory.RecordIntent:
			open[key] = len(out)
			out = append(out, Act{Intent: r})
		case r.Kind == inventory.RecordOutcome && known:
			outcome := r
			out[i].Outcome = &outcome
		}
	}
	return out
}

// within keeps the records of the period.
func (c *Case) within(records []Record) []Record {
	return slices.DeleteFunc(slices.Clone(records), func(r Record) bool { return !c.covers(r.At) })
}

func (c *Case) covers(at time.Time) bool {
	return !at.Before(c.From) && (c.To.IsZero() || at.Before(c.To))
}

// done are the operations and sessions that began in the period.
func (c *Case) done() []Act {
	return slices.DeleteFunc(acts(c.Records), func(a Act) bool { return !c.covers(a.Intent.At) })
}

// A form is what a container was from some time on.
type form struct {
	since, until time.Time // until is zero for the last one
	named
	owner, purpose, environment, image string
	condition                          string // "", "in the trash", purged
	by, why                            string
	records                            []int64
}

const purged = "purged"

type named struct{ name, project string }

// forms are what it was over time, from what successful acts made of it.
func (c *Case) forms() (out []form) {
	for _, a := range acts(c.Records) {
		if !a.Succeeded() || a.Intent.Operation == "" {
			continue
		}
		next, ok := formOf(a)
		if n := len(out); n > 0 {
			if !ok && next.condition == "" {
				continue
			}
			if !ok {
				was := out[n-1]
				was.condition, was.since, was.by, was.why, was.records = next.condition, next.since, next.by, next.why, next.records
				next = was
			}
			if next.is() == out[n-1].is() {
				continue
			}
			out[n-1].until = next.since
		} else if !ok {
			continue
		}
		out = append(out, next)
	}
	if len(out) == 0 && c.Present != nil { // its records were archived
		p := c.Present
		out = []form{{since: p.CreatedAt, named: named{p.Name, p.Project}, owner: p.Owner, purpose: p.Purpose,
			environment: string(p.Environment), image: p.ImageDigest}}
	}
	return out
}

// is what makes two forms the same.
func (f form) is() [7]string {
	return [7]string{f.name, f.project, f.owner, f.purpose, f.environment, f.image, f.condition}
}

// formOf reads what an act made of the container; ok is false if its record does not say.
func formOf(a Act) (f form, ok bool) {
	f = form{since: a.At(), by: a.Intent.Principal.Name, why: a.Intent.Reason, records: a.Seqs()}
	switch a.Intent.Verb {
	case "container.delete":
		f.condition = "in the trash"
	case "container.purge":
		f.condition = purged
	}
	var after struct {
		Name, Project, Owner, Purpose, Environment string
		Image                                      string `json:"image_digest"`
	}
	if json.Unmarshal(a.Intent.After, &after) != nil || after.Name == "" {
		return f, false
	}
	f.named = named{after.Name, cmp.Or(after.Project, inventory.DefaultProject)}
	f.owner, f.purpose, f.environment, f.image = after.Owner, after.Purpose, after.Environment, after.Image
	return f, true
}

// during are the forms it had in the period, the one it began with included.
func (c *Case) during() (out []form) {
	for _, f := range c.forms() {
		ended := !f.until.IsZero() && !f.until.After(c.From) || f.condition == purged && f.since.Before(c.From)
		if !ended && (c.To.IsZero() || f.since.Before(c.To)) {
			out = append(out, f)
		}
	}
	return out
}

// wasCalled reports whether it had that name at some time of the period.
func (c *Case) wasCalled(ref inventory.Ref) bool {
	is := named{ref.Name, cmp.Or(ref.Project, inventory.DefaultProject)}
	return slices.ContainsFunc(c.during(), func(f form) bool { return f.named == is })
}

// last is the last name it had.
func (c *Case) last() inventory.Ref {
	all := c.during()
	if len(all) == 0 {
		return inventory.Ref{Name: string(c.ID)}
	}
	return inventory.Ref{Project: all[len(all)-1].project, Name: all[len(all)-1].name}
}
