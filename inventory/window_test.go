package inventory

import (
	"errors"
	"testing"
	"time"
)

func window(t *testing.T, a WindowArgs) Window {
	t.Helper()
	a.Name = "w"
	w, err := a.Window()
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func utcTime(t *testing.T, text string) time.Time {
	t.Helper()
	if text == "" {
		return time.Time{}
	}
	v, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// In Berlin 02:00-03:00 is left out on 2026-03-29 and comes twice on 2026-10-25.
func TestWindowOpensAndCloses(t *testing.T) {
	saturdays := WindowArgs{Schedule: "sat 02:00-06:00", Zone: "Europe/Berlin"}
	sundays := WindowArgs{Schedule: "sun 02:00-06:00", Zone: "Europe/Berlin"}
	gap := WindowArgs{Schedule: "sun 02:15-02:45", Zone: "Europe/Berlin"}
	twice := WindowArgs{Schedule: "sun 02:30-03:30", Zone: "Europe/Berlin"}
	holidays := WindowArgs{From: utcTime(t, "2026-12-20T00:00:00Z"), Until: utcTime(t, "2027-01-03T00:00:00Z")}
	late := WindowArgs{Schedule: "sat 02:00-06:00", From: utcTime(t, "2026-06-06T03:00:00Z"), Until: utcTime(t, "2026-06-13T04:00:00Z")}
	for name, c := range map[string]struct {
		args               WindowArgs
		t, opens, isClosed string
		open               bool
	}{
		"summer time":                  {saturdays, "2026-07-01T00:00:00Z", "2026-07-04T00:00:00Z", "2026-07-01T00:00:00Z", false},
		"winter time":                  {saturdays, "2026-01-01T00:00:00Z", "2026-01-03T01:00:00Z", "2026-01-01T00:00:00Z", false},
		"within":                       {saturdays, "2026-07-04T03:59:59Z", "2026-07-04T03:59:59Z", "2026-07-04T04:00:00Z", true},
		"its end is outside":           {saturdays, "2026-07-04T04:00:00Z", "2026-07-11T00:00:00Z", "2026-07-04T04:00:00Z", false},
		"begins in the gap":            {sundays, "2026-03-28T12:00:00Z", "2026-03-29T01:00:00Z", "2026-03-28T12:00:00Z", false},
		"lies in the gap: a week on":   {gap, "2026-03-28T12:00:00Z", "2026-04-05T00:15:00Z", "2026-03-28T12:00:00Z", false},
		"first of the hour twice":      {twice, "2026-10-25T00:00:00Z", "2026-10-25T00:30:00Z", "2026-10-25T00:00:00Z", false},
		"open over the hour twice":     {twice, "2026-10-25T01:30:00Z", "2026-10-25T01:30:00Z", "2026-10-25T02:30:00Z", true},
		"before its dates":             {holidays, "2026-12-01T00:00:00Z", "2026-12-20T00:00:00Z", "2026-12-01T00:00:00Z", false},
		"within its dates":             {holidays, "2026-12-24T00:00:00Z", "2026-12-24T00:00:00Z", "2027-01-03T00:00:00Z", true},
		"after its dates":              {holidays, "2027-01-03T00:00:00Z", "", "2027-01-03T00:00:00Z", false},
		"dates begin within the hours": {late, "2026-06-01T00:00:00Z", "2026-06-06T03:00:00Z", "2026-06-01T00:00:00Z", false},
		"dates end within the hours":   {late, "2026-06-13T03:00:00Z", "2026-06-13T03:00:00Z", "2026-06-13T04:00:00Z", true},
		"dates end before the hours":   {late, "2026-06-13T05:00:00Z", "", "2026-06-13T05:00:00Z", false},
		"all week":                     {WindowArgs{Schedule: "mon-sun 00:00-24:00"}, "2026-06-13T05:00:00Z", "2026-06-13T05:00:00Z", "", true},
	} {
		t.Run(name, func(t *testing.T) {
			w := window(t, c.args)
			if now := utcTime(t, c.t); w.IsOpen(now) != c.open || !w.NextOpen(now).Equal(utcTime(t, c.opens)) || !w.NextClosed(now).Equal(utcTime(t, c.isClosed)) {
				t.Errorf("%s: open %v, opens %s, is closed %s", w, w.IsOpen(now), w.NextOpen(now), w.NextClosed(now))
			}
		})
	}
}

func TestCalendar(t *testing.T) {
	nights, noons := window(t, WindowArgs{Schedule: "mon-fri 22:00-02:00"}), window(t, WindowArgs{Schedule: "wed 12:00-13:00"})
	mondays := window(t, WindowArgs{Schedule: "mon 00:00-24:00"})
	freeze := window(t, WindowArgs{From: utcTime(t, "2026-06-01T00:00:00Z"), Until: utcTime(t, "2026-06-03T12:30:00Z"), Freeze: true})
	never := window(t, WindowArgs{Until: utcTime(t, "2026-01-01T00:00:00Z")})
	for name, c := range map[string]struct {
		Calendar
		want string
	}{
		"nothing asked for":            {Calendar{}, "2026-06-01T03:00:00Z"}, // a Monday
		"one window":                   {Calendar{Groups: [][]Window{{nights}}}, "2026-06-01T22:00:00Z"},
		"either":                       {Calendar{Groups: [][]Window{{noons, nights}}}, "2026-06-01T22:00:00Z"},
		"both":                         {Calendar{Groups: [][]Window{{mondays}, {nights}}}, "2026-06-01T22:00:00Z"},
		"both, never together":         {Calendar{Groups: [][]Window{{mondays}, {noons}}}, ""},
		"after a freeze":               {Calendar{Freezes: []Window{freeze}}, "2026-06-03T12:30:00Z"},
		"a window open at its end":     {Calendar{Groups: [][]Window{{noons}}, Freezes: []Window{freeze}}, "2026-06-03T12:30:00Z"},
		"a window after it":            {Calendar{Groups: [][]Window{{mondays}}, Freezes: []Window{freeze}}, "2026-06-08T00:00:00Z"},
		"a window that is over":        {Calendar{Groups: [][]Window{{never}}}, ""},
		"a window that does not exist": {Calendar{Groups: [][]Window{{}}}, ""},
	} {
		if got := c.Next(utcTime(t, "2026-06-01T03:00:00Z")); !got.Equal(utcTime(t, c.want)) {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

func TestWindowCovers(t *testing.T) {
	prod, dev := &Container{Name: "db1", Environment: "prod", Labels: map[string]string{"tier": "db"}}, &Container{Name: "db1", Environment: "dev"}
	always := WindowArgs{Schedule: "always", Filter: "env=prod & label.tier=db"}
	named := WindowArgs{Schedule: "always", Verbs: []string{"container.exec", "container.stop"}}
	for _, c := range []struct {
		args    WindowArgs
		verb    string
		mutates bool
		on      *Container
		want    bool
	}{
		{always, "container.stop", true, prod, true},
		{always, "container.stop", true, dev, false},
		{always, "container.exec", false, prod, false},
		{always, "pool.create", true, nil, false},
		{named, "container.exec", false, dev, true},
		{named, "container.start", true, dev, false},
	} {
		if got := window(t, c.args).Covers(c.verb, c.mutates, c.on); got != c.want {
			t.Errorf("%+v covers %s: %v", c.args, c.verb, got)
		}
	}
}

func TestWindowArgsAreChecked(t *testing.T) {
	for name, a := range map[string]WindowArgs{
		"no time":            {Name: "w"},
		"no name":            {Schedule: "sat 02:00-06:00"},
		"no hours":           {Name: "w", Schedule: "Saturday night"},
		"no zone":            {Name: "w", Schedule: "sat 02:00-06:00", Zone: "Berlin"},
		"backwards":          {Name: "w", From: utcTime(t, "2026-06-02T00:00:00Z"), Until: utcTime(t, "2026-06-01T00:00:00Z")},
		"filter":             {Name: "w", Schedule: "sat 02:00-06:00", Filter: "env=="},
		"filter by a state":  {Name: "w", Schedule: "sat 02:00-06:00", Filter: "state=running"},
		"zone without hours": {Name: "w", Zone: "Europe/Berlin", Until: utcTime(t, "2026-06-01T00:00:00Z")},
	} {
		if w, err := a.Window(); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %s, %v", name, w, err)
		}
	}
}
