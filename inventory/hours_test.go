package inventory

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

func TestParseHours(t *testing.T) {
	for text, want := range map[string]string{
		"mon-fri 08:00-18:00 Europe/Berlin":                      "",
		"mon-fri 08:00-18:00":                                    "mon-fri 08:00-18:00 UTC",
		"MON-FRI 08:00-18:00 ,sat 10:00-14:00  America/New_York": "mon-fri 08:00-18:00, sat 10:00-14:00 America/New_York",
		"sat-mon 22:00-06:00 UTC":                                "",
		"mon-sun 00:00-24:00 UTC":                                "",
		"always":                                                 "",
		"":                                                       "always",
	} {
		h, err := ParseHours(text)
		if want == "" {
			want = text
		}
		if err != nil || h.String() != want {
			t.Errorf("%q is %q, %v", text, h, err)
		}
	}
	for _, text := range []string{"mon", "mon-fri", "mon 8-18", "mon 08:00", "mon 08:00-08:00", "mon 24:00-08:00", "mon 08:00-24:01",
		"mon 8:00-18:00", "mo 08:00-18:00", "mon- 08:00-18:00", "mon 08:00-18:00 Mars/Olympus", "mon 08:00-18:00 Local",
		"mon 08:00-18:00 Europe/Berlin, tue 08:00-18:00 Europe/Berlin", "mon 08:00-18:00,", "always UTC", "mon 08:00-18:00 ../etc/passwd"} {
		if h, err := ParseHours(text); !errors.Is(err, ErrInvalid) {
			t.Errorf("%q is read as %q, %v", text, h, err)
		}
	}
}

// at reads a time for tables.
func at(t *testing.T, text string) time.Time {
	t.Helper()
	when, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return when
}

// TestHoursNext has the changes of daylight saving both ways: on 2026-03-29 the clock of Berlin goes
// from 02:00 to 03:00, on 2026-10-25 from 03:00 back to 02:00.
func TestHoursNext(t *testing.T) {
	for _, c := range []struct{ hours, now, next, opens string }{
		{"mon-fri 08:00-18:00 Europe/Berlin", "2026-01-05T06:59:59Z", "2026-01-05T07:00:00Z", "open"},
		{"mon-fri 08:00-18:00 Europe/Berlin", "2026-01-05T07:00:00Z", "2026-01-05T17:00:00Z", "close"},
		{"mon-fri 08:00-18:00 Europe/Berlin", "2026-01-09T17:00:00Z", "2026-01-12T07:00:00Z", "open"},
		{"mon-fri 08:00-18:00 Europe/Berlin", "2026-07-06T05:00:00Z", "2026-07-06T06:00:00Z", "open"},
		{"mon-fri 08:00-18:00 Europe/Berlin", "2026-03-27T20:00:00Z", "2026-03-30T06:00:00Z", "open"},
		{"mon-fri 22:00-06:00 UTC", "2026-01-09T23:00:00Z", "2026-01-10T06:00:00Z", "close"},
		{"mon-sun 08:00-24:00 UTC", "2026-01-09T23:00:00Z", "2026-01-10T00:00:00Z", "close"},
		{"mon 00:00-24:00, tue 00:00-12:00 UTC", "2026-01-05T12:00:00Z", "2026-01-06T12:00:00Z", "close"},
		// A time that is left out is the instant of the change.
		{"sun 02:30-06:00 Europe/Berlin", "2026-03-28T12:00:00Z", "2026-03-29T01:00:00Z", "open"},
		{"sun 00:30-02:30 Europe/Berlin", "2026-03-29T00:00:00Z", "2026-03-29T01:00:00Z", "close"},
		{"sun 02:10-02:40 Europe/Berlin", "2026-03-28T12:00:00Z", "2026-04-05T00:10:00Z", "open"},
		// One that comes twice is the first.
		{"sun 02:30-06:00 Europe/Berlin", "2026-10-24T12:00:00Z", "2026-10-25T00:30:00Z", "open"},
		{"sun 00:30-02:30 Europe/Berlin", "2026-10-25T00:00:00Z", "2026-10-25T00:30:00Z", "close"},
		{"sun 00:30-02:30 Europe/Berlin", "2026-10-25T00:30:00Z", "2026-10-31T23:30:00Z", "open"},
		// Midnight itself is left out in Beirut on 2026-03-29; Lord Howe's clock goes by half an hour.
		{"sun 00:00-12:00 Asia/Beirut", "2026-03-28T12:00:00Z", "2026-03-28T22:00:00Z", "open"},
		{"sun 02:15-09:00 Australia/Lord_Howe", "2026-10-03T12:00:00Z", "2026-10-03T15:30:00Z", "open"},
		{"mon-sun 00:00-24:00 UTC", "2026-01-05T12:00:00Z", "", "close"},
		{"always", "2026-01-05T12:00:00Z", "", "close"},
	} {
		h, err := ParseHours(c.hours)
		if err != nil {
			t.Fatal(err)
		}
		next, open := h.Next(at(t, c.now))
		got := ""
		if !next.IsZero() {
			got = next.UTC().Format(time.RFC3339)
		}
		if got != c.next || open != (c.opens == "open") {
			t.Errorf("%s after %s: %s, opens %v; want %s %s", c.hours, c.now, got, open, c.next, c.opens)
		}
	}
}

// TestHoursProperties: over a year with both changes, in zones of many kinds, boundaries alternate,
// Next and Last agree, and away from the changes the clock on the wall shows what was asked for.
func TestHoursProperties(t *testing.T) {
	zones := []string{"UTC", "Europe/Berlin", "America/New_York", "America/Sao_Paulo", "Asia/Kolkata", "Australia/Lord_Howe",
		"Africa/Casablanca", "Asia/Beirut", "Pacific/Apia", "Pacific/Chatham", "America/Scoresbysund"}
	random := rand.New(rand.NewPCG(11, 3))
	for n := range 300 {
		from, to := random.IntN(24*60), random.IntN(24*60)
		if from == to {
			continue
		}
		zone := zones[n%len(zones)]
		text := fmt.Sprintf("%s-%s %02d:%02d-%02d:%02d %s", dayNames[random.IntN(7)], dayNames[random.IntN(7)],
			from/60, from%60, to/60, to%60, zone)
		h, err := ParseHours(text)
		if err != nil {
			t.Fatal(err)
		}
		now := time.Date(2026, time.Month(1+random.IntN(12)), 1+random.IntN(28), random.IntN(24), 0, 0, 0, time.UTC)
		checkBoundaries(t, h, text, now)
	}
}

func checkBoundaries(t *testing.T, h Hours, text string, now time.Time) {
	t.Helper()
	first := true
	for before, was := now, false; before.Before(now.Add(40 * 24 * time.Hour)); first = false {
		at, open := h.Next(before)
		if !at.After(before) {
			t.Fatalf("%s: after %s comes %s", text, before, at)
		}
		if !first && open == was {
			t.Fatalf("%s: two boundaries in a row that open: %v, at %s and %s", text, open, before, at)
		}
		if b, o := h.Last(at); !b.Equal(at) || o != open {
			t.Fatalf("%s: the last boundary at %s is %s %v", text, at, b, o)
		}
		if h.Open(at) != open || h.Open(at.Add(-time.Nanosecond)) == open {
			t.Fatalf("%s: it does not change at %s", text, at)
		}
		s := h.spans[0]
		want := s.to
		if open {
			want = s.from
		}
		local := at.In(h.zone)
		_, now := local.Zone()
		_, ago := local.Add(-3 * time.Hour).Zone()
		if got := local.Hour()*60 + local.Minute(); now == ago && got != want {
			t.Fatalf("%s: at %s the clock shows %s", text, at, local.Format("15:04"))
		}
		before, was = at, open
	}
}

// TestHoursSwitch: every boundary is acted on once, also after the agent was down or the clock was
// set, and what people do in between holds until the next one.
func TestHoursSwitch(t *testing.T) {
	const hours = "mon-fri 08:00-18:00 UTC" // 2026-01-05 is a Monday
	for _, c := range []struct {
		what, since, now string
		runs             bool
		at               string
		run              bool
	}{
		{"nothing passed", "2026-01-05T12:00:00Z", "2026-01-05T12:00:00Z", true, "2026-01-05T18:00:00Z", false},
		{"the boundary itself was acted on", "2026-01-05T18:00:00Z", "2026-01-05T18:00:01Z", false, "2026-01-06T08:00:00Z", true},
		{"it failed and is not tried again", "2026-01-05T18:00:00Z", "2026-01-05T18:30:00Z", true, "2026-01-06T08:00:00Z", true},
		{"a stop was missed", "2026-01-05T08:00:00Z", "2026-01-05T23:00:00Z", true, "2026-01-05T23:00:00Z", false},
		{"a stop and a start were missed, and it runs", "2026-01-05T08:00:00Z", "2026-01-06T09:00:00Z", true, "2026-01-06T18:00:00Z", false},
		{"a start was missed", "2026-01-05T18:00:00Z", "2026-01-06T09:00:00Z", false, "2026-01-06T09:00:00Z", true},
		{"started by hand outside", "2026-01-05T18:00:00Z", "2026-01-05T20:00:00Z", true, "2026-01-06T08:00:00Z", true},
		{"stopped by hand inside", "2026-01-05T08:00:00Z", "2026-01-05T12:00:00Z", false, "2026-01-05T18:00:00Z", false},
		{"the clock was set back", "2026-01-06T18:00:00Z", "2026-01-05T12:00:00Z", false, "2026-01-05T18:00:00Z", false},
	} {
		h, _ := ParseHours(hours)
		when, run := h.Switch(at(t, c.since), at(t, c.now), c.runs)
		if !when.Equal(at(t, c.at)) || run != c.run {
			t.Errorf("%s: %s, run %v; want %s, %v", c.what, when, run, c.at, c.run)
		}
	}
}
