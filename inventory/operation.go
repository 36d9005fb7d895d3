package inventory

import (
	"encoding/json"
	"strings"
	"time"
)

// OperationState is what a piece of durable work is doing.
type OperationState string

const (
	OperationRunning   OperationState = "running"
	OperationUndoing   OperationState = "undoing" // a step failed or it was cancelled; undo runs in reverse
	OperationDone      OperationState = "done"
	OperationFailed    OperationState = "failed"
	OperationCancelled OperationState = "cancelled"
)

// IsEnded reports whether nothing more will happen.
func (s OperationState) IsEnded() bool {
	return s == OperationDone || s == OperationFailed || s == OperationCancelled
}

// An Operation is one admitted mutation: durable, resumable, kept after it ended.
type Operation struct {
	ID        OperationID
	HostID    HostID
	Verb      string
	Subject   string // what it works on and is exclusive over: "container:ID", "image:debian/12"
	Container ContainerID
	Name      string // the subject as a person knows it, for lists
	Project   string
	Principal Principal
	Reason    string
	Ticket    string
	Change    ChangeID // the change that was released, if one was held
	Key       string   // idempotency key

	State    OperationState
	Steps    []string
	Step     int             // index of the step that is running or runs next
	Progress string          // a line for a person: "unpacking 64MiB"
	Percent  int             // 0..100, -1 unknown
	Args     json.RawMessage // the verb's parameters, canonical
	Data     json.RawMessage // what finished steps left for later ones
	Before   *Container      // desired state before; nil for a create
	After    *Container      // desired state after; nil for a purge
	Plan     string          // digest of the plan that was admitted
	Error    string          // shown to people
	Kind     string          // name of the error kind, "" for an internal error
	Result   json.RawMessage // what the verb returns, if anything

	CancelAsked bool
	StartedAt   time.Time
	UpdatedAt   time.Time
	EndedAt     time.Time
}

// Outcome says how an ended operation ended, as the audit journal has it.
func (o Operation) Outcome() string {
	switch o.State {
	case OperationFailed:
		return "failed: " + o.Error
	case OperationCancelled:
		return "cancelled"
	}
	return "done"
}

// An EffectLine is one row of a plan: a field that changes and what it takes.
type EffectLine struct {
	Field  string `json:"field"`
	Before string `json:"before,omitempty"`
	After  string `json:"after,omitempty"`
	Effect Effect `json:"effect,omitempty"`
	Risk   Risk   `json:"risk,omitempty"`
	Note   string `json:"note,omitempty"` // "stops the container for about a second"
}

// A Plan is a mutation before it happens: what changes, what it interrupts, who has to agree.
type Plan struct {
	Verb      string          `json:"verb"`
	Container ContainerID     `json:"container,omitempty"`
	Subject   string          `json:"subject"`
	Base      int64           `json:"base_revision"`
	Args      json.RawMessage `json:"parameters"`
	Effects   []EffectLine    `json:"effects"`
	HostID    HostID          `json:"host_id"`
	Policy    string          `json:"policy_revision"`
	Expiry    time.Time       `json:"expiry"`
	Nonce     string          `json:"nonce"`

	// What follows is not part of the digest.
	Digest     string   `json:"digest,omitempty"`
	Risk       Risk     `json:"risk,omitempty"`
	Interrupts string   `json:"interrupts,omitempty"` // "the container stops", "" for nothing
	Steps      []string `json:"steps,omitempty"`
	Verdict    string   `json:"verdict,omitempty"` // allow, deny, hold
	Reasons    []string `json:"reasons,omitempty"` // of the verdict
	// Foresees is what follows of it elsewhere, like the decisions that new policies change.
	Foresees []EffectLine `json:"foresees,omitempty"`
}

// A Deadline is anything due later. It passes the gate when it is due, as its principal.
type Deadline struct {
	ID        DeadlineID
	Due       time.Time
	Verb      string
	Container ContainerID
	Args      json.RawMessage
	Principal Principal
	Missed    MissedRule
	Reason    string
	Done      time.Time // zero while it waits
	Outcome   string    // "done: operation ...", "skipped: ...", "failed: ..."
}

// DeadlineBegan is how the outcome of a deadline begins that began an operation; its id follows.
const DeadlineBegan = "done: operation "

// Began is the operation that came of the deadline; "" if none did, or not yet.
func (d Deadline) Began() OperationID {
	id, _ := strings.CutPrefix(d.Outcome, DeadlineBegan)
	if len(id) == len(d.Outcome) {
		return ""
	}
	return OperationID(id)
}

// MissedRule says what to do with a deadline that passed while no agent ran.
type MissedRule string

const (
	MissedRun  MissedRule = "run"  // once, as soon as possible
	MissedSkip MissedRule = "skip" // note it and let it go
)

// An Event is a row of the outbox: written in the transaction that made it true, numbered without
// gaps per host.
type Event struct {
	Seq       int64           `json:"seq"`
	At        time.Time       `json:"at"`
	Type      string          `json:"type"` // "operation.started", "container.state", "container.updated"
	Container ContainerID     `json:"container,omitempty"`
	Name      string          `json:"name,omitempty"`
	Project   string          `json:"project,omitempty"`
	Operation OperationID     `json:"operation,omitempty"`
	Data      json.RawMessage `json:"data,omitempty"`
}

// A Revision is one entry of a container's history: the container as desired from then on.
type Revision struct {
	Container *Container
	At        time.Time
	Verb      string
	Principal Principal
	Reason    string
	Ticket    string
	Operation OperationID
}
