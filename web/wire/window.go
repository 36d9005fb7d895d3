package wire

import (
	"time"

	"lodge/inventory"
)

// A Window says when containers may be changed, or, as a freeze, when they may not.
type Window struct {
	Name      string    `json:"name"`
	Schedule  string    `json:"schedule" doc:"Hours of the week with their time zone, or always."`
	From      time.Time `json:"from,omitzero"`
	Until     time.Time `json:"until,omitzero"`
	Filter    string    `json:"filter,omitempty" doc:"The containers it is about; empty for all."`
	Verbs     []string  `json:"verbs" nullable:"false" doc:"The verbs it is about; none for whatever changes a container."`
	Freeze    bool      `json:"freeze,omitempty" doc:"Containers may not be changed while it is open."`
	Reason    string    `json:"reason,omitempty"`
	Open      bool      `json:"open"`
	Opens     time.Time `json:"opens,omitzero" doc:"When it opens next, if it is not open; absent if it never does."`
	Closes    time.Time `json:"closes,omitzero" doc:"When it closes, if it is open; absent if it never does."`
	CreatedAt time.Time `json:"created_at"`
}

// FromWindow writes a window as it is at an instant.
func FromWindow(w inventory.Window, now time.Time) Window {
	out := Window{Name: w.Name, Schedule: w.Schedule.String(), From: utc(w.From), Until: utc(w.Until), Filter: w.Filter,
		Verbs: list(w.Verbs), Freeze: w.Freeze, Reason: w.Reason, Open: w.IsOpen(now), CreatedAt: w.CreatedAt.UTC()}
	if out.Open {
		out.Closes = utc(w.NextClosed(now))
	} else {
		out.Opens = utc(w.NextOpen(now))
	}
	return out
}
