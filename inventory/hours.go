package inventory

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Always is what hours are called that never stop anything.
const Always = "always"

// Hours say when in the week a container runs, by the clock on the wall of a time zone. Their only
// effect is at boundaries: the instants at which they open and close. A boundary comes once a day it is named for,
// whatever the clock does: a time that daylight saving leaves out is the instant of the change, one
// that comes twice is the first of the two.
type Hours struct {
	spans []span
	zone  *time.Location // nil: always
}

// A span is the same minutes of each of some days; to <= from lies on the next day.
type span struct {
	first, last time.Weekday // inclusive; may go over the end of the week
	from, to    int          // minutes since midnight, to 24*60
}

var dayNames = []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}

// ParseHours reads "mon-fri 08:00-18:00, sat 10:00-14:00 Europe/Berlin"; without a zone UTC is
// meant. "always" has no boundary.
func ParseHours(text string) (h Hours, err error) {
	if text = strings.TrimSpace(text); text == Always || text == "" {
		return h, nil
	}
	parts := strings.Split(text, ",")
	last := strings.Fields(parts[len(parts)-1])
	h.zone = time.UTC
	if len(last) == 3 {
		if h.zone, err = time.LoadLocation(last[2]); err != nil || last[2] == "Local" {
			return h, Errorf(ErrInvalid, "there is no time zone %q; they are named like Europe/Berlin", last[2])
		}
		parts[len(parts)-1] = last[0] + " " + last[1]
	}
	for _, part := range parts {
		s, err := parseSpan(part)
		if err != nil {
			return h, err
		}
		h.spans = append(h.spans, s)
	}
	return h, nil
}

func parseSpan(text string) (s span, err error) {
	wrong := Errorf(ErrInvalid, "%q are no hours; write them like mon-fri 08:00-18:00 Europe/Berlin", strings.TrimSpace(text))
	field := strings.Fields(text)
	if len(field) != 2 {
		return s, wrong
	}
	first, last, ok := strings.Cut(strings.ToLower(field[0]), "-")
	if !ok {
		last = first
	}
	s.first, s.last = time.Weekday(slices.Index(dayNames, first)), time.Weekday(slices.Index(dayNames, last))
	from, to, _ := strings.Cut(field[1], "-")
	var good, well bool
	s.from, good = parseClock(from)
	s.to, well = parseClock(to)
	if s.first < 0 || s.last < 0 || !good || !well || s.from == s.to || s.from == 24*60 {
		return s, wrong
	}
	return s, nil
}

// parseClock reads a time of day as minutes since midnight; 24:00 is the end of the day.
func parseClock(text string) (minutes int, ok bool) {
	if text == "24:00" {
		return 24 * 60, true
	}
	t, err := time.Parse("15:04", text)
	return t.Hour()*60 + t.Minute(), err == nil && len(text) == 5
}

// String writes h as ParseHours reads it, always in the same way.
func (h Hours) String() string {
	if h.IsAlways() {
		return Always
	}
	var parts []string
	for _, s := range h.spans {
		days := dayNames[s.first]
		if s.last != s.first {
			days += "-" + dayNames[s.last]
		}
		parts = append(parts, fmt.Sprintf("%s %02d:%02d-%02d:%02d", days, s.from/60, s.from%60, s.to/60, s.to%60))
	}
	return strings.Join(parts, ", ") + " " + h.zone.String()
}

// IsAlways reports whether h has no boundary because nobody asked for one.
func (h Hours) IsAlways() bool { return h.zone == nil }

// In returns t as the clock of h's zone shows it.
func (h Hours) In(t time.Time) time.Time {
	if h.IsAlways() {
		return t.UTC()
	}
	return t.In(h.zone)
}

// Next returns the first boundary after t, and whether it opens; the zero time when there is none.
func (h Hours) Next(t time.Time) (at time.Time, open bool) {
	for _, r := range h.runs(t) {
		if r.from.After(t) {
			return r.from, true
		}
		if r.to.After(t) {
			return h.unlessEdge(r.to, t), false
		}
	}
	return time.Time{}, false
}

// Last returns the last boundary at t or before it, and whether it opened; the zero time when there
// is none.
func (h Hours) Last(t time.Time) (at time.Time, open bool) {
	for _, r := range slices.Backward(h.runs(t)) {
		if !r.to.After(t) {
			return r.to, false
		}
		if !r.from.After(t) {
			return h.unlessEdge(r.from, t), true
		}
	}
	return time.Time{}, false
}

// Open reports whether t lies within the hours.
func (h Hours) Open(t time.Time) bool {
	if h.IsAlways() {
		return true
	}
	_, closes := h.Next(t)
	return !closes
}

// Switch says when a container is to be started (run) or stopped next, if nothing has been done for
// the boundaries after since: at now, when the last of these left it other than it runs, else at the
// first boundary to come. The zero time is never.
func (h Hours) Switch(since, now time.Time, runs bool) (at time.Time, run bool) {
	if b, open := h.Last(now); b.After(since) && open != runs {
		return now, open
	}
	return h.Next(now)
}

// hoursReach is how many days around an instant are looked at: more than a week, so that every
// boundary of the week is among them.
const hoursReach = 9

// A run is one stretch of time without a boundary inside.
type run struct{ from, to time.Time }

// runs returns the stretches of the days around t, in order, those that touch as one.
func (h Hours) runs(t time.Time) (merged []run) {
	var all []run
	year, month, today := h.In(t).Date()
	for n := -hoursReach; n <= hoursReach && !h.IsAlways(); n++ {
		day := time.Date(year, month, today+n, 0, 0, 0, 0, time.UTC)
		for _, s := range h.spans {
			if !s.covers(day.Weekday()) {
				continue
			}
			end := s.to
			if end <= s.from {
				end += 24 * 60
			}
			r := run{h.instant(day, s.from), h.instant(day, end)}
			if r.from.Before(r.to) {
				all = append(all, r)
			}
		}
	}
	slices.SortFunc(all, func(a, b run) int { return cmp.Or(a.from.Compare(b.from), a.to.Compare(b.to)) })
	for _, r := range all {
		if last := len(merged) - 1; last >= 0 && !r.from.After(merged[last].to) {
			if r.to.After(merged[last].to) {
				merged[last].to = r.to
			}
			continue
		}
		merged = append(merged, r)
	}
	return merged
}

// unlessEdge returns a boundary, or the zero time when it is only where we stopped looking: more
// than a week away there is none.
func (h Hours) unlessEdge(b, t time.Time) time.Time {
	if b.Sub(t).Abs() > (hoursReach-1)*24*time.Hour {
		return time.Time{}
	}
	return b
}

func (s span) covers(day time.Weekday) bool {
	if s.first <= s.last {
		return s.first <= day && day <= s.last
	}
	return day >= s.first || day <= s.last
}

// instant is when the clock of h's zone first shows so many minutes after midnight of a day.
func (h Hours) instant(day time.Time, minutes int) time.Time {
	return wallInstant(day, minutes, h.zone)
}

// wallInstant is when the clock of the zone first shows so many minutes after midnight of a day (given
// in UTC), or the change that leaves that time out.
func wallInstant(day time.Time, minutes int, zone *time.Location) time.Time {
	wall := day.Add(time.Duration(minutes) * time.Minute)
	near := time.Date(wall.Year(), wall.Month(), wall.Day(), wall.Hour(), wall.Minute(), 0, 0, zone)
	var shown, hidden time.Time
	for _, probe := range []time.Time{near.Add(-25 * time.Hour), near, near.Add(25 * time.Hour)} {
		_, offset := probe.Zone()
		t := wall.Add(-time.Duration(offset) * time.Second).In(zone)
		_, at := t.Zone()
		switch {
		case at == offset && (shown.IsZero() || t.Before(shown)):
			shown = t
		case at != offset && t.After(hidden):
			hidden = t
		}
	}
	if shown.IsZero() {
		shown, _ = hidden.ZoneBounds()
	}
	return shown.UTC()
}
