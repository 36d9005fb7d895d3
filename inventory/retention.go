package inventory

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Keep says how many points in time are kept: the last so many, and of each of so many hours, days,
// weeks, months and years the newest. A period counts when it has a point, so that those of a machine
// that was off for a month are not eaten up by the month; and only when no finer rule keeps one of
// it already, as Proxmox Backup Server counts (its prune.rs): 7d 4w is eleven points, not ten.
type Keep struct {
	Last, Hourly, Daily, Weekly, Monthly, Yearly int
}

// mostKept bounds each number of a Keep.
const mostKept = 9999

// A keepRule is one number of a Keep: what it is written with and which period a time is in.
type keepRule struct {
	letter, name string
	count        func(*Keep) *int
	period       func(time.Time) string
}

var keepRules = []keepRule{
	{"", "last", func(k *Keep) *int { return &k.Last }, nil},
	{"h", "hourly", func(k *Keep) *int { return &k.Hourly }, func(t time.Time) string { return t.Format("2006-01-02 15h MST") }},
	{"d", "daily", func(k *Keep) *int { return &k.Daily }, func(t time.Time) string { return t.Format(time.DateOnly) }},
	{"w", "weekly", func(k *Keep) *int { return &k.Weekly }, func(t time.Time) string {
		year, week := t.ISOWeek()
		return fmt.Sprintf("%d-W%02d", year, week)
	}},
	{"m", "monthly", func(k *Keep) *int { return &k.Monthly }, func(t time.Time) string { return t.Format("2006-01") }},
	{"y", "yearly", func(k *Keep) *int { return &k.Yearly }, func(t time.Time) string { return t.Format("2006") }},
}

// ParseKeep reads "3 24h 7d 4w 12m 2y": the last 3, 24 hourly, 7 daily, 4 weekly, 12 monthly, 2
// yearly. "all", or nothing, keeps everything.
func ParseKeep(text string) (k Keep, err error) {
	words := strings.Fields(strings.ToLower(text))
	if len(words) == 1 && words[0] == "all" {
		return k, nil
	}
	for _, word := range words {
		number := strings.TrimRight(word, "hdwmy")
		n, err := strconv.Atoi(number)
		i := slices.IndexFunc(keepRules, func(r keepRule) bool { return r.letter == word[len(number):] })
		if err != nil || n < 1 || n > mostKept || i < 0 {
			return Keep{}, Errorf(ErrInvalid, "%q is nothing to keep; write it like 3 24h 7d 4w 12m 2y, or all", word)
		}
		into := keepRules[i].count(&k)
		if *into != 0 {
			return Keep{}, Errorf(ErrInvalid, "%q says twice how many %s ones to keep", text, keepRules[i].name)
		}
		*into = n
	}
	return k, nil
}

// String writes k as ParseKeep reads it.
func (k Keep) String() string {
	var words []string
	for _, r := range keepRules {
		if n := *r.count(&k); n > 0 {
			words = append(words, strconv.Itoa(n)+r.letter)
		}
	}
	return cmp.Or(strings.Join(words, " "), "all")
}

// IsAll reports whether nothing is ever removed.
func (k Keep) IsAll() bool { return k == Keep{} }

// A Point is something that holds the state of one instant: a snapshot or a backup.
type Point struct {
	ID     string
	At     time.Time
	Whole  bool // false: something is missing in it
	Pinned bool
}

// A Fate is what becomes of a point, and why.
type Fate struct {
	Point
	Kept   bool
	Reason string
}

// Judge says what becomes of each point, the newest first. Periods are those of the clock on the
// wall of zone. Pinned points are kept besides what the numbers keep; the newest whole one is always
// kept, since each number is of the newest; a point with something missing stands for no period and goes as soon as a later one is
// whole. One that was taken after now is left alone: a clock was wrong, and which one is not for a
// rule to decide.
func (k Keep) Judge(points []Point, now time.Time, zone *time.Location) []Fate {
	fates := make([]Fate, len(points))
	for i, p := range points {
		fates[i].Point = p
	}
	slices.SortStableFunc(fates, func(a, b Fate) int { return cmp.Or(b.At.Compare(a.At), strings.Compare(b.ID, a.ID)) })
	left := setAside(fates, now)
	if k.IsAll() {
		for _, f := range left {
			f.keep("everything is kept")
		}
		return fates
	}
	for _, r := range keepRules {
		r.apply(left, *r.count(&k), zone)
	}
	for _, f := range left {
		if f.Reason == "" {
			f.Reason = "older than what is kept"
		}
	}
	return fates
}

func (f *Fate) keep(reason string) { f.Kept, f.Reason = true, reason }

// setAside judges those the numbers are not about, and returns the others, the newest first.
func setAside(fates []Fate, now time.Time) (left []*Fate) {
	whole := false
	for i := range fates {
		f := &fates[i]
		switch {
		case f.Pinned:
			f.keep("pinned")
		case f.At.After(now):
			f.keep("taken later than now; a clock was wrong")
		case !f.Whole && whole:
			f.Reason = "something is missing in it, and a later one is whole"
		case !f.Whole:
			f.keep("something is missing in it, but no later one is whole")
		default:
			left = append(left, f)
		}
		whole = whole || f.Whole && !f.At.After(now)
	}
	return left
}

// apply keeps the newest of up to count periods that have none yet; what else is in one of these is
// not for coarser rules either.
func (r keepRule) apply(left []*Fate, count int, zone *time.Location) {
	if r.period == nil {
		for i, f := range left[:min(count, len(left))] {
			f.keep(fmt.Sprintf("last %d of %d", i+1, count))
		}
		return
	}
	kept := map[string]bool{} // periods with a point that a finer rule keeps
	for _, f := range left {
		if f.Kept {
			kept[r.period(f.At.In(zone))] = true
		}
	}
	mine := map[string]bool{}
	for _, f := range left {
		if f.Reason != "" {
			continue
		}
		switch period := r.period(f.At.In(zone)); {
		case mine[period]:
			f.Reason = "a later one is kept for " + period
		case kept[period]:
		case len(mine) < count:
			mine[period] = true
			f.keep(fmt.Sprintf("%s %d of %d: %s", r.name, len(mine), count, period))
		}
	}
}

// A Run is one time that a schedule was due, and what came of it.
type Run struct {
	Due, Began, Ended time.Time // Began and Ended are zero until it did
	Outcome           string    // "waits", "running", "done", "failed: ...", "skipped: ..."
	Operation         OperationID
	Schedule          string // as it was then
}
