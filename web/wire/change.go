package wire

import (
	"time"

	"lodge/inventory"
)

// A Change is a plan that waits, or waited, for others.
type Change struct {
	ID          inventory.ChangeID    `json:"id"`
	Number      int64                 `json:"number" doc:"What people say; taken wherever an id is."`
	State       inventory.ChangeState `json:"state" enum:"draft,submitted,approved,scheduled,running,done,failed,rolled-back,closed,rejected,cancelled,expired,void"`
	Class       inventory.ChangeClass `json:"class" enum:"standard,normal,emergency"`
	Plan        Plan                  `json:"plan"`
	Name        string                `json:"name,omitempty" doc:"What it works on, as a person knows it."`
	Project     string                `json:"project,omitempty"`
	Environment inventory.Environment `json:"environment,omitempty"`
	Requester   inventory.Principal   `json:"requester"`
	Reason      string                `json:"reason,omitempty"`
	Ticket      string                `json:"ticket,omitempty"`
	Needs       []string              `json:"needs" nullable:"false" doc:"What the policies asked for: 1 approval by owner."`
	Missing     []string              `json:"missing" nullable:"false" doc:"What of that is not met, as last looked at."`
	Approvals   []Approval            `json:"approvals" nullable:"false"`
	Release     time.Time             `json:"release,omitzero" doc:"When it begins by itself."`
	Operation   inventory.OperationID `json:"operation,omitempty" doc:"Once released."`
	Note        string                `json:"note,omitempty" doc:"Why it was rejected or is void, how it failed."`
	Review      *Review               `json:"review,omitempty" doc:"Of an emergency change."`
	CreatedAt   time.Time             `json:"created_at"`
	SubmittedAt time.Time             `json:"submitted_at,omitzero"`
	DecidedAt   time.Time             `json:"decided_at,omitzero"`
}

// A ChangeDiff is what a change was planned as beside what it would be now.
type ChangeDiff struct {
	Planned Plan   `json:"planned"`
	Now     *Plan  `json:"now,omitempty" doc:"Absent if there would be none."`
	Moved   bool   `json:"moved" doc:"It would be another: at release the change would be void."`
	Why     string `json:"why,omitempty" doc:"Why there would be no plan."`
}

// A Review is somebody's look at an emergency change afterwards.
type Review struct {
	Due  time.Time `json:"due"`
	At   time.Time `json:"at,omitzero" doc:"Absent while it is open."`
	By   string    `json:"by,omitempty"`
	Note string    `json:"note,omitempty"`
}

// An Approval is one person's agreement to one exact plan.
type Approval struct {
	Principal inventory.Principal `json:"principal"`
	Digest    string              `json:"digest"`
	At        time.Time           `json:"at"`
	Expires   time.Time           `json:"expires,omitzero" doc:"It counts until then."`
	Note      string              `json:"note,omitempty"`
	Withdrawn time.Time           `json:"withdrawn,omitzero"`
	Signature *Signature          `json:"signature,omitempty" doc:"What the approver's SSH key says."`
}

// A Signature is one that 'ssh-keygen -Y verify' accepts for the message.
type Signature struct {
	Message     string `json:"message"`
	Armored     string `json:"armored"`
	Key         string `json:"key" doc:"The public key as a line of a .pub file."`
	Fingerprint string `json:"fingerprint"`
}

// Note is the body of a decision about a change.
type Note struct {
	Note string `json:"note,omitempty" maxLength:"1000" doc:"Shown to the requester and kept."`
}

// FromChange writes a change.
func FromChange(c inventory.Change) Change {
	w := Change{ID: c.ID, Number: c.Number, State: c.State, Class: c.Class, Plan: FromPlan(c.Plan), Name: c.Name,
		Project: c.Project, Environment: c.Environment, Requester: c.Requester, Reason: c.Reason, Ticket: c.Ticket,
		Needs: inventory.NeedTexts(c.Needs, c.Environment), Missing: inventory.NeedTexts(c.Missing, c.Environment),
		Approvals: make([]Approval, len(c.Approvals)), Release: utc(c.Release), Operation: c.Operation, Note: c.Note,
		CreatedAt: c.CreatedAt.UTC(), SubmittedAt: utc(c.SubmittedAt), DecidedAt: utc(c.DecidedAt)}
	if r := c.Review; !r.Due.IsZero() {
		w.Review = &Review{Due: r.Due.UTC(), At: utc(r.At), By: r.By, Note: r.Note}
	}
	for i, a := range c.Approvals {
		w.Approvals[i] = Approval{Principal: a.Principal, Digest: a.Digest, At: a.At.UTC(), Expires: utc(a.Expires),
			Note: a.Note, Withdrawn: utc(a.Withdrawn)}
		if s := a.Signature; s != nil {
			w.Approvals[i].Signature = &Signature{s.Message, s.Armored, s.Key, s.Fingerprint}
		}
	}
	return w
}
