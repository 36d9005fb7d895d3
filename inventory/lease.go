package inventory

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// LeasePrincipal names who stops and deletes what a lease has ended for.
const LeasePrincipal = "lease"

// Names of the settings that bound leases.
const (
	LeaseDefault = "lease.default"
	LeaseMax     = "lease.max"
	LeaseTotal   = "lease.total"
	LeaseWarn    = "lease.warn"
	LeaseGrace   = "lease.grace"
)

// A Clock is one of the two of a lease.
type Clock string

const (
	ClockRun  Clock = "run"  // until then it may run; then it is stopped, and does not start again
	ClockKeep Clock = "keep" // until then it is kept; then it goes to the trash
)

// LeaseEnd is the earlier of the ends of a container's lease that are still to act; zero without one.
func (c *Container) LeaseEnd() time.Time {
	keep, run := c.ExpiresAt, c.RunUntil
	switch {
	case c.IsTrashed():
		return time.Time{}
	case run.IsZero() || c.Intent != IntentRun:
		return keep
	case keep.IsZero() || run.Before(keep):
		return run
	}
	return keep
}

// LeaseRules are what a project, or the host above it, says about leases. Zero durations say nothing.
type LeaseRules struct {
	Default time.Duration   // how long a new container is kept that asks for nothing
	Max     time.Duration   // the furthest ahead that the end of a lease may be
	Total   time.Duration   // the longest a container may be kept since it was created
	Warn    []time.Duration // how long before an end a warning is given, the longest first
	Grace   time.Duration   // how long what comes back from the trash after its lease is kept
}

// LeaseRulesOf reads the rules from settings that have been checked.
func LeaseRulesOf(values map[string]string) (r LeaseRules, err error) {
	for name, into := range map[string]*time.Duration{LeaseDefault: &r.Default, LeaseMax: &r.Max,
		LeaseTotal: &r.Total, LeaseGrace: &r.Grace} {
		if *into, err = ParseDuration(orZero(values[name])); err != nil {
			return r, err
		}
	}
	r.Warn, err = ParseDurations(values[LeaseWarn])
	return r, err
}

func orZero(text string) string {
	if text == "" {
		return "0s"
	}
	return text
}

// IsRequired reports whether a container may not be kept without an end.
func (r LeaseRules) IsRequired() bool { return r.Max > 0 || r.Total > 0 }

// Length is how long a container is kept that was made without a word about it; zero for ever.
func (r LeaseRules) Length() time.Duration {
	length := r.Default
	for _, bound := range []time.Duration{r.Max, r.Total} {
		if bound > 0 && (length == 0 || bound < length) {
			length = bound
		}
	}
	return length
}

// Latest is until when a container made at created may be kept, seen from now; zero for no bound.
func (r LeaseRules) Latest(created, now time.Time) (latest time.Time, setting string) {
	if r.Max > 0 {
		latest, setting = now.Add(r.Max), LeaseMax
	}
	if end := created.Add(r.Total); r.Total > 0 && (latest.IsZero() || end.Before(latest)) {
		latest, setting = end, LeaseTotal
	}
	return latest, setting
}

// CheckKeep refuses with ErrDenied a lease that ends later than the rules allow. What does not grow is
// never refused: a rule may have been tightened since.
func (r LeaseRules) CheckKeep(c *Container, until, now time.Time) error {
	latest, setting := r.Latest(c.CreatedAt, now)
	// A few seconds are nobody's concern: a plan that waited for an approval is judged again.
	if latest.IsZero() || !until.After(latest.Add(time.Minute)) || !c.ExpiresAt.IsZero() && !until.After(c.ExpiresAt) {
		return nil
	}
	return Errorf(ErrDenied, "%s may be kept until %s at most, not until %s; %s of its project or the host says so",
		c.Ref(), latest.UTC().Format(time.RFC3339), until.UTC().Format(time.RFC3339), setting)
}

// Warned is the shortest of the warnings that is due so long before the end; ok is false while none is.
func (r LeaseRules) Warned(left time.Duration) (before time.Duration, ok bool) {
	for _, w := range r.Warn {
		if left <= w {
			before, ok = w, true
		}
	}
	return before, ok
}

// ParseDurations reads durations with commas between, and returns them with the longest first.
func ParseDurations(text string) (all []time.Duration, err error) {
	for _, part := range strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' }) {
		d, err := ParseDuration(part)
		if err != nil {
			return nil, err
		}
		all = append(all, d)
	}
	slices.SortFunc(all, func(a, b time.Duration) int { return int(max(-1, min(1, b-a))) })
	return slices.Compact(all), nil
}

// DurationsText writes durations as ParseDurations reads them.
func DurationsText(all []time.Duration) string {
	var out []string
	for _, d := range all {
		out = append(out, DurationText(d))
	}
	return strings.Join(out, ",")
}

// DurationText writes a duration with days, and without what is nothing: 7d, 1d12h, 30m.
func DurationText(d time.Duration) string {
	if d == 0 {
		return "0s"
	}
	text := ""
	if days := d / (24 * time.Hour); days > 0 {
		text, d = fmt.Sprintf("%dd", days), d%(24*time.Hour)
	}
	for _, u := range []struct {
		size time.Duration
		name string
	}{{time.Hour, "h"}, {time.Minute, "m"}} {
		if n := d / u.size; n > 0 {
			text, d = text+fmt.Sprintf("%d%s", n, u.name), d%u.size
		}
	}
	if d > 0 {
		text += d.String()
	}
	return text
}

// ParseUntil reads when something ends: a time, or a duration from some instant. ErrInvalid for one
// that is not after now.
func ParseUntil(text string, from, now time.Time) (time.Time, error) {
	until, err := ParseTime(text, now)
	if d, derr := ParseDuration(text); derr == nil {
		until, err = from.Add(d), nil
	}
	switch {
	case err != nil:
		return until, Errorf(ErrInvalid, "%q is neither a time nor a duration; write it like 2026-05-03T14:00:00Z or 30d", text)
	case !until.After(now):
		return until, Errorf(ErrInvalid, "%q is over already; a lease ends in the future", text)
	}
	return until.UTC().Truncate(time.Second), nil
}

// A LeaseWarning is what a container's lease has said before its end.
type LeaseWarning struct {
	Container ContainerID
	Clock     Clock
	Until     time.Time     // the end it is about
	Before    time.Duration // which of the rules' warnings
	At        time.Time
}
