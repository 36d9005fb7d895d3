package inventory

import (
	"slices"
	"strings"
	"time"
)

// A Window says when containers may be changed, or, as a freeze, when they may not. It is about the
// containers its filter selects, and opens by the hours of its schedule between From and Until.
type Window struct {
	Name     string
	Schedule Hours     `json:"-"` // always: all the time between From and Until
	From     time.Time // zero: no bound
	Until    time.Time // exclusive; zero: no bound
	Filter   string    // "": every container
	Verbs    []string  // empty: whatever changes a container
	Freeze   bool
	Reason   string

	CreatedAt time.Time

	extent Extent // of Filter
}

// WindowArgs are the parameters of window.create.
type WindowArgs struct {
	Name     string    `json:"name" maxLength:"63"`
	Schedule string    `json:"schedule,omitempty" maxLength:"500" doc:"Hours of the week, like sat 02:00-06:00; empty for all the time." example:"sat 02:00-06:00"`
	Zone     string    `json:"zone,omitempty" maxLength:"64" doc:"The schedule's time zone; UTC without one." example:"Europe/Berlin"`
	From     time.Time `json:"from,omitzero" doc:"Not before this instant."`
	Until    time.Time `json:"until,omitzero" doc:"Not from this instant on."`
	Filter   string    `json:"filter,omitempty" maxLength:"1000" doc:"The containers it is about: label.KEY, env, class, project, name. Empty for all." example:"env=prod"`
	Verbs    []string  `json:"verbs,omitempty" doc:"The verbs it is about, sessions among them; empty for whatever changes a container."`
	Freeze   bool      `json:"freeze,omitempty" doc:"Containers may not be changed while it is open."`
}

// WindowNameArgs are the parameters of window.remove.
type WindowNameArgs struct {
	Name string `json:"name"`
}

// Window is the window of the parameters, checked.
func (a WindowArgs) Window() (w Window, err error) {
	if err := CheckName("the window", a.Name); err != nil {
		return w, err
	}
	if a.Schedule == "" && a.From.IsZero() && a.Until.IsZero() {
		return w, Errorf(ErrInvalid, "window %s needs a time: a schedule like 'sat 02:00-06:00', or from and until", a.Name)
	}
	if !a.From.IsZero() && !a.Until.IsZero() && !a.From.Before(a.Until) {
		return w, Errorf(ErrInvalid, "window %s would end before it begins", a.Name)
	}
	w = Window{Name: a.Name, From: a.From.UTC(), Until: a.Until.UTC(), Filter: a.Filter, Verbs: slices.Sorted(slices.Values(a.Verbs)),
		Freeze: a.Freeze}
	if w.Schedule, err = ParseHours(strings.TrimSpace(a.Schedule + " " + a.Zone)); err != nil {
		return w, err
	}
	return w, w.Select(a.Filter)
}

// Select sets the containers the window is about.
func (w *Window) Select(filter string) (err error) {
	if w.Filter, w.extent = filter, (Extent{Kind: OnHost}); filter == "" {
		return nil
	}
	w.extent, err = ParseExtent(string(OnSelector) + ":" + filter)
	w.Filter = w.extent.Value
	return err
}

// String writes the window in a line: "sat 02:00-06:00 Europe/Berlin for env=prod".
func (w Window) String() string {
	parts := []string{w.Schedule.String()}
	if !w.From.IsZero() {
		parts = append(parts, "from "+w.From.Format(time.RFC3339))
	}
	if !w.Until.IsZero() {
		parts = append(parts, "until "+w.Until.Format(time.RFC3339))
	}
	if w.Filter != "" {
		parts = append(parts, "for "+w.Filter)
	}
	if len(w.Verbs) > 0 {
		parts = append(parts, "on "+strings.Join(w.Verbs, " "))
	}
	if w.Freeze {
		parts = append(parts, "frozen")
	}
	return strings.Join(parts, " ")
}

// Covers reports whether the window is about what a verb does to c. mutates says that the verb
// changes things; others have to be named.
func (w Window) Covers(verb string, mutates bool, c *Container) bool {
	if !w.About(c) {
		return false
	}
	return len(w.Verbs) == 0 && mutates || slices.Contains(w.Verbs, verb)
}

// About reports whether the window is about c.
func (w Window) About(c *Container) bool { return c != nil && w.extent.Holds(c) }

// IsOpen reports whether t lies in the window.
func (w Window) IsOpen(t time.Time) bool {
	return !t.Before(w.From) && (w.Until.IsZero() || t.Before(w.Until)) && w.Schedule.Open(t)
}

// NextOpen is the first instant from t on that lies in the window; zero if there is none within a
// week of its bounds.
func (w Window) NextOpen(t time.Time) time.Time {
	if t.Before(w.From) {
		t = w.From
	}
	if !w.Schedule.Open(t) {
		t, _ = w.Schedule.Next(t)
	}
	if t.IsZero() || !w.IsOpen(t) {
		return time.Time{}
	}
	return t
}

// NextClosed is the first instant from t on that does not lie in the window; zero if there is none.
func (w Window) NextClosed(t time.Time) time.Time {
	if !w.IsOpen(t) {
		return t
	}
	end, _ := w.Schedule.Next(t) // it is open: the next boundary closes it
	if end.IsZero() || !w.Until.IsZero() && w.Until.Before(end) {
		return w.Until
	}
	return end
}

// A Calendar says when something may begin: within one window of each group, and within no freeze.
type Calendar struct {
	Groups  [][]Window
	Freezes []Window
}

// mostSteps bounds the search for a time that fits: windows and freezes may take turns for ever.
const mostSteps = 500

// Next is the first instant from t on at which the calendar has everything open; zero if none is
// found.
func (c Calendar) Next(t time.Time) time.Time {
	for range mostSteps {
		next := c.step(t)
		if next.IsZero() || next.Equal(t) {
			return next
		}
		t = next
	}
	return time.Time{}
}

// step goes on to where the first thing that is in the way at t is not any more.
func (c Calendar) step(t time.Time) time.Time {
	for _, f := range c.Freezes {
		if f.IsOpen(t) {
			return f.NextClosed(t)
		}
	}
	for _, group := range c.Groups {
		var first time.Time
		for _, w := range group {
			if next := w.NextOpen(t); !next.IsZero() && (first.IsZero() || next.Before(first)) {
				first = next
			}
		}
		if !first.Equal(t) {
			return first
		}
	}
	return t
}
