package wire

import (
	"encoding/json"
	"errors"
	"time"

	"lodge/inventory"
)

// An Operation is one admitted mutation.
type Operation struct {
	ID        inventory.OperationID `json:"id"`
	HostID    inventory.HostID      `json:"host_id"`
	Verb      string                `json:"verb"`
	Subject   string                `json:"subject" doc:"What it works on: container:ID, image:debian/12."`
	Container inventory.ContainerID `json:"container,omitempty"`
	Name      string                `json:"name,omitempty" doc:"The subject as a person knows it."`
	Project   string                `json:"project,omitempty"`
	Principal inventory.Principal   `json:"principal"`
	Reason    string                `json:"reason,omitempty"`
	Ticket    string                `json:"ticket,omitempty"`
	Change    inventory.ChangeID    `json:"change,omitempty" doc:"The change that was released, if one was held."`

	State      inventory.OperationState `json:"state" enum:"running,undoing,done,failed,cancelled"`
	Steps      []string                 `json:"steps" nullable:"false"`
	Step       int                      `json:"step" doc:"Index of the step that runs, or runs next."`
	Progress   string                   `json:"progress,omitempty" doc:"A line for a person."`
	Percent    int                      `json:"percent" doc:"0 to 100; -1 when it can't be known."`
	Parameters json.RawMessage          `json:"parameters,omitempty"`
	Result     json.RawMessage          `json:"result,omitempty"`
	Error      string                   `json:"error,omitempty"`
	ErrorKind  string                   `json:"error_kind,omitempty" doc:"Last segment of the problem type; empty for an internal error."`

	CancelAsked bool      `json:"cancel_asked,omitempty"`
	StartedAt   time.Time `json:"started_at"`
	UpdatedAt   time.Time `json:"updated_at"`
	EndedAt     time.Time `json:"ended_at,omitzero"`
}

// Err returns why the operation ended badly, with its kind; nil while it runs and when it is done.
func (o *Operation) Err() error {
	switch o.State {
	case inventory.OperationFailed, inventory.OperationCancelled:
	default:
		return nil
	}
	text := o.Error
	if text == "" {
		text = o.Verb + " was " + string(o.State)
	}
	if kind, ok := inventory.KindNamed(o.ErrorKind); ok {
		return inventory.Errorf(kind.Err, "%s", text)
	}
	return errors.New(text)
}

// A Plan is a mutation before it happens. It is the noun itself: its digest is over these fields,
// so a caller can recompute it.
type Plan = inventory.Plan

// A Deadline is anything due later.
type Deadline struct {
	ID         inventory.DeadlineID  `json:"id"`
	Due        time.Time             `json:"due"`
	Verb       string                `json:"verb"`
	Container  inventory.ContainerID `json:"container,omitempty"`
	Parameters json.RawMessage       `json:"parameters,omitempty"`
	Principal  inventory.Principal   `json:"principal"`
	Missed     inventory.MissedRule  `json:"missed" doc:"What happens if no agent runs when it is due: run or skip."`
	Reason     string                `json:"reason,omitempty"`
	Done       time.Time             `json:"done,omitzero"`
	Outcome    string                `json:"outcome,omitempty"`
}

// FromOperation writes an operation.
func FromOperation(o inventory.Operation) Operation {
	return Operation{
		ID: o.ID, HostID: o.HostID, Verb: o.Verb, Subject: o.Subject, Container: o.Container, Name: o.Name,
		Project: o.Project, Principal: o.Principal, Reason: o.Reason, Ticket: o.Ticket, Change: o.Change,
		State: o.State, Steps: list(o.Steps), Step: o.Step, Progress: o.Progress, Percent: o.Percent,
		Parameters: inventory.WithoutUserData(o.Args), Result: o.Result, Error: o.Error, ErrorKind: o.Kind,
		CancelAsked: o.CancelAsked, StartedAt: o.StartedAt.UTC(), UpdatedAt: o.UpdatedAt.UTC(),
		EndedAt: utc(o.EndedAt),
	}
}

// FromPlan writes a plan: lists are never null.
func FromPlan(p inventory.Plan) Plan {
	p.Effects = list(p.Effects)
	return p
}

// FromDeadline writes a deadline.
func FromDeadline(d inventory.Deadline) Deadline {
	return Deadline{ID: d.ID, Due: d.Due.UTC(), Verb: d.Verb, Container: d.Container,
		Parameters: inventory.WithoutUserData(d.Args), Principal: d.Principal, Missed: d.Missed, Reason: d.Reason,
		Done: utc(d.Done), Outcome: d.Outcome}
}

// list makes nil an empty list, so that it is [] on the wire.
func list[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}
