package inventory

import (
	"errors"
	"slices"
	"testing"
	"time"
)

func TestScheduleNext(t *testing.T) {
	for name, c := range map[string]struct {
		text, after string
		want        []string
	}{
		"daily":            {"daily 02:00", "2026-06-01T02:00:00Z", []string{"2026-06-02T02:00:00Z", "2026-06-03T02:00:00Z"}},
		"daily in summer":  {"daily 02:00 Europe/Berlin", "2026-06-01T00:00:00Z", []string{"2026-06-02T00:00:00Z"}},
		"left out":         {"daily 02:30 Europe/Berlin", "2026-03-28T12:00:00Z", []string{"2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"}},
		"twice":            {"daily 02:30 Europe/Berlin", "2026-10-24T12:00:00Z", []string{"2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"}},
		"hourly, put back": {"hourly Europe/Berlin", "2026-10-24T23:30:00Z", []string{"2026-10-25T00:00:00Z", "2026-10-25T01:00:00Z", "2026-10-25T02:00:00Z"}},
		"hourly, put on":   {"hourly Europe/Berlin", "2026-03-29T00:30:00Z", []string{"2026-03-29T01:00:00Z", "2026-03-29T02:00:00Z"}},
		"every":            {"every 6h", "2026-06-01T00:00:00Z", []string{"2026-06-01T06:00:00Z", "2026-06-01T12:00:00Z"}},
		"every, between":   {"every 90m", "2026-06-01T00:00:00.5Z", []string{"2026-06-01T01:30:00Z"}},
		"weekly":           {"weekly sun 03:00", "2026-06-01T00:00:00Z", []string{"2026-06-07T03:00:00Z", "2026-06-14T03:00:00Z"}},
		"monthly":          {"monthly 31 04:00", "2026-01-31T04:00:00Z", []string{"2026-03-31T04:00:00Z"}},
		"cron":             {"*/20 8-9 * * mon-fri", "2026-06-05T09:30:00Z", []string{"2026-06-05T09:40:00Z", "2026-06-08T08:00:00Z"}},
		"steps from":       {"5/25 12 * * *", "2026-06-05T12:00:00Z", []string{"2026-06-05T12:05:00Z", "2026-06-05T12:30:00Z", "2026-06-05T12:55:00Z", "2026-06-06T12:05:00Z"}},
		"either day":       {"0 0 13 * fri", "2026-06-11T00:00:00Z", []string{"2026-06-12T00:00:00Z", "2026-06-13T00:00:00Z", "2026-06-19T00:00:00Z"}},
		"sunday is seven":  {"0 0 * * 7", "2026-06-01T00:00:00Z", []string{"2026-06-07T00:00:00Z"}},
		"leap day":         {"0 0 29 2 *", "2096-03-01T00:00:00Z", []string{"2104-02-29T00:00:00Z"}},
		"months by name":   {"0 12 1 jan,jul *", "2026-02-01T00:00:00Z", []string{"2026-07-01T12:00:00Z", "2027-01-01T12:00:00Z"}},
		"never":            {"never", "2026-06-01T00:00:00Z", []string{""}},
		"nothing":          {"", "2026-06-01T00:00:00Z", []string{""}},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := ParseSchedule(c.text)
			if err != nil {
				t.Fatal(err)
			}
			at := utcTime(t, c.after)
			for _, want := range c.want {
				at = s.Next(at)
				if got := at; want == "" && !got.IsZero() || want != "" && !got.Equal(utcTime(t, want)) {
					t.Fatalf("%s is due at %s, not %s", s, got, want)
				}
			}
			again, err := ParseSchedule(s.String())
			if err != nil || again.String() != s.String() || !again.Next(at).Equal(s.Next(at)) {
				t.Errorf("written as %q it is %q: %v", s, again, err)
			}
		})
	}
}

// Whatever the schedule, times only go on, and each is the first after the one before.
func TestScheduleGoesOn(t *testing.T) {
	for _, text := range []string{"hourly Europe/Berlin", "*/7 * * * * America/New_York", "daily 02:30 Europe/Berlin", "0,30 1-3 * * * Australia/Lord_Howe",
		"every 17m", "15 0 * * * America/Sao_Paulo"} {
		s, err := ParseSchedule(text)
		if err != nil {
			t.Fatal(err)
		}
		var all []time.Time
		for at := utcTime(t, "2026-01-01T00:00:00Z"); at.Year() == 2026; {
			next := s.Next(at)
			if !next.After(at) || !s.Next(next.Add(-time.Second)).Equal(next) {
				t.Fatalf("%s: after %s comes %s, and before it %s", text, at, next, s.Next(next.Add(-time.Second)))
			}
			all, at = append(all, next), next
		}
		if !slices.IsSortedFunc(all, time.Time.Compare) || len(all) < 365 {
			t.Errorf("%s is due %d times in a year", text, len(all))
		}
	}
}

func TestScheduleWrong(t *testing.T) {
	for _, text := range []string{"sometimes", "daily", "daily 25:00", "daily 24:00", "weekly someday 03:00", "monthly 32 04:00", "monthly 0 04:00",
		"every", "every 10s", "every 6h Europe/Berlin", "every -1h", "daily 02:00 Europe/Nowhere", "daily 02:00 spread 25h", "daily 02:00 spread",
		"60 * * * *", "* 24 * * *", "* * * 13 *", "* * * * 8", "*/0 * * * *", "5-1 * * * *", "a * * * *", "* * * *", "* * * * * *", "0 0 30 2 *",
		",1 * * * *", "1-2-3 * * * *", "Europe/Berlin", "spread 1h", "never mind"} {
		if s, err := ParseSchedule(text); !errors.Is(err, ErrInvalid) || !s.IsNever() {
			t.Errorf("%q is %v, %v", text, s, err)
		}
	}
}

func TestScheduleSpread(t *testing.T) {
	s, err := ParseSchedule("daily 02:00 Europe/Berlin spread 30m")
	if err != nil || s.Spread != 30*time.Minute || s.String() != "daily 02:00 Europe/Berlin spread 30m0s" {
		t.Fatalf("%q over %s: %v", s, s.Spread, err)
	}
	seen := map[time.Duration]bool{}
	for _, name := range []string{"web1", "web2", "web3", "db1", "db2", "cache"} {
		d := s.Delay(name)
		if d < 0 || d >= s.Spread || d != s.Delay(name) {
			t.Errorf("%s is delayed by %s", name, d)
		}
		seen[d] = true
	}
	if len(seen) < 4 {
		t.Errorf("six containers have %d delays", len(seen))
	}
}

func FuzzSchedule(f *testing.F) {
	f.Add("daily 02:00 Europe/Berlin spread 30m")
	f.Add("*/5 1-3,7 * jan mon-fri")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := ParseSchedule(text)
		if err != nil || s.IsNever() {
			return
		}
		at := time.Unix(1780000000, 0)
		if next := s.Next(at); !next.After(at) {
			t.Errorf("%q is due at %s after %s", text, next, at)
		}
	})
}
