package inventory

import (
	"errors"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"
)

// nightly are points at 02:00 UTC on so many days up to last, the newest first.
func nightly(last time.Time, days int) (all []Point) {
	for n := range days {
		at := last.AddDate(0, 0, -n)
		all = append(all, Point{ID: at.Format("0102"), At: at, Whole: true})
	}
	return all
}

func keep(t *testing.T, text string) Keep {
	t.Helper()
	k, err := ParseKeep(text)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestKeepJudge(t *testing.T) {
	last := utcTime(t, "2026-02-28T02:00:00Z")
	now := last.Add(time.Hour)
	for name, c := range map[string]struct {
		keep   string
		points []Point
		want   string // "ID reason" of those kept, the newest first
	}{
		"a week and two": {"3d 2w", nightly(last, 40), `
			0228 daily 1 of 3: 2026-02-28
			0227 daily 2 of 3: 2026-02-27
			0226 daily 3 of 3: 2026-02-26
			0222 weekly 1 of 2: 2026-W08
			0215 weekly 2 of 2: 2026-W07`},
		"the last": {"2 1m", nightly(last, 40), `
			0228 last 1 of 2
			0227 last 2 of 2
			0131 monthly 1 of 1: 2026-01`},
		"fewer than wanted": {"7d", nightly(last, 2), `
			0228 daily 1 of 7: 2026-02-28
			0227 daily 2 of 7: 2026-02-27`},
		"a gap is not counted": {"2d", []Point{nightly(last, 1)[0], nightly(last, 30)[29]}, `
			0228 daily 1 of 2: 2026-02-28
			0130 daily 2 of 2: 2026-01-30`},
		"all": {"all", nightly(last, 2), `
			0228 everything is kept
			0227 everything is kept`},
		"several a day": {"1d", []Point{{ID: "a", At: last, Whole: true}, {ID: "b", At: last.Add(-time.Hour), Whole: true}}, `
			a daily 1 of 1: 2026-02-28`},
		"pinned": {"1", []Point{{ID: "a", At: last, Whole: true}, {ID: "b", At: last.Add(-time.Hour), Whole: true, Pinned: true}}, `
			a last 1 of 1
			b pinned`},
		"something is missing": {"1", []Point{{ID: "a", At: last}, {ID: "b", At: last.Add(-time.Hour), Whole: true},
			{ID: "c", At: last.Add(-2 * time.Hour)}}, `
			a something is missing in it, but no later one is whole
			b last 1 of 1`},
		"nothing is whole": {"1", []Point{{ID: "a", At: last}}, `
			a something is missing in it, but no later one is whole`},
		"tomorrow's": {"1", []Point{{ID: "a", At: last.AddDate(10, 0, 0), Whole: true}, {ID: "b", At: last, Whole: true},
			{ID: "c", At: last.Add(-time.Hour)}}, `
			a taken later than now; a clock was wrong
			b last 1 of 1`},
		"none": {"1", nil, ``},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, f := range keep(t, c.keep).Judge(c.points, now, time.UTC) {
				if f.Reason == "" {
					t.Errorf("%s has no reason", f.ID)
				}
				if f.Kept {
					got = append(got, f.ID+" "+f.Reason)
				}
			}
			want := strings.ReplaceAll(strings.TrimSpace(c.want), "\t", "")
			if strings.Join(got, "\n") != want {
				t.Errorf("it keeps\n%s\nnot\n%s", strings.Join(got, "\n"), want)
			}
		})
	}
}

// Proxmox Backup Server's way over 120 nights: seven days, four weeks before them, and July to
// September; November and October have points that finer rules keep (prune.rs, mark_selections).
func TestKeepAsProxmox(t *testing.T) {
	last := utcTime(t, "2026-11-20T02:00:00Z")
	kept := 0
	for _, f := range keep(t, "7d 4w 6m").Judge(nightly(last, 120), last, time.UTC) {
		if f.Kept {
			kept++
		}
	}
	if kept != 7+4+3 {
		t.Errorf("it keeps %d", kept)
	}
}

// Night after night with the rule applied each time: what is kept is what the rule would keep of all
// the nights, so nothing is removed too early.
func TestKeepNightByNight(t *testing.T) {
	k, begin := keep(t, "7d 4w 12m 2y"), utcTime(t, "2023-01-01T02:00:00Z")
	var have []Point
	for night := range 1200 {
		at := begin.AddDate(0, 0, night)
		have = append(have, Point{ID: strconv.Itoa(night), At: at, Whole: true})
		var left []Point
		for _, f := range k.Judge(have, at, time.UTC) {
			if f.Kept {
				left = append(left, f.Point)
			}
		}
		have = left
	}
	if want := 7 + 4 + 12 + 2; len(have) < want-2 || len(have) > want {
		t.Errorf("after 1200 nights there are %d: %+v", len(have), have)
	}
}

// Of any points, by any numbers: each is judged once and with a reason, pinned ones stay, and so does
// the newest whole one that is not of the future; no more than the numbers allow stay besides.
func TestKeepAlways(t *testing.T) {
	now := utcTime(t, "2026-06-01T00:00:00Z")
	r := rand.New(rand.NewPCG(7, 7))
	for range 2000 {
		k := Keep{Last: r.IntN(3), Hourly: r.IntN(3), Daily: r.IntN(4), Weekly: r.IntN(3), Monthly: r.IntN(3), Yearly: 1 + r.IntN(2)}
		var points []Point
		for i := range r.IntN(60) {
			points = append(points, Point{ID: strconv.Itoa(i), At: now.Add(-time.Duration(r.IntN(3000)-10) * time.Hour),
				Whole: r.IntN(5) > 0, Pinned: r.IntN(15) == 0})
		}
		fates := k.Judge(points, now, time.UTC)
		room, newest := k.Last+k.Hourly+k.Daily+k.Weekly+k.Monthly+k.Yearly, false
		for _, f := range fates {
			counted := f.Whole && !f.Pinned && !f.At.After(now)
			if f.Reason == "" || !f.Kept && (f.Pinned || counted && !newest) {
				t.Fatalf("%s: %+v", k, f)
			}
			if counted {
				newest = true
				if f.Kept {
					room--
				}
			}
		}
		if room < 0 || len(fates) != len(points) {
			t.Fatalf("%s keeps %d more than it may of %d", k, -room, len(points))
		}
	}
}

func TestKeepText(t *testing.T) {
	for text, want := range map[string]string{"": "all", "all": "all", "7d 4w 12m": "7d 4w 12m", "2y 3 24h 1D": "3 24h 1d 2y"} {
		if k, err := ParseKeep(text); err != nil || k.String() != want || k.IsAll() != (want == "all") {
			t.Errorf("%q is %q, %v", text, k, err)
		}
	}
	for _, text := range []string{"7", "0d", "-1d", "d", "7d 3d", "7x", "7dd", "99999d", "keep 7d", "all 7d", "7 d"} {
		if k, err := ParseKeep(text); text != "7" && (!errors.Is(err, ErrInvalid) || k != Keep{}) {
			t.Errorf("%q is %q, %v", text, k, err)
		}
	}
}
