package gate

import (
	"cmp"
	"context"
	"encoding/json"
	"strings"
	"time"

	"lodge/inventory"
)

// Mode says how a verb passes the gate.
type Mode string

const (
	ModeOperation Mode = "operation" // a mutation: plan, intent, durable operation, outcome
	ModeSession   Mode = "session"   // exec, shell, console, files: intent and outcome, no revision check
	ModeRead      Mode = "read"      // visibility and right only
	ModeDecision  Mode = "decision"  // about what somebody has begun; a method of the gate, one record
)

// Recovery says what the next agent does with an operation it finds half done.
type Recovery string

const (
	RecoverUndo   Recovery = "undo"   // the default: as if it had never been asked for
	RecoverFinish Recovery = "finish" // going back would lose more than going on
)

// A Verb is one thing a principal can do: a row of the verb table, and the functions behind it.
// The same string names it in the API, the audit journal and events.
type Verb struct {
	Name       string // "container.stop"
	Right      inventory.Right
	Mode       Mode
	From       []inventory.State // observed states it may start from; nil for any
	Risk       inventory.Risk
	Interrupts string // what it interrupts or loses, "" for nothing
	Command    string // the command that reaches it: "stop", "image build"
	Recovery   Recovery

	// Place is where the right is asked for by a request that is on no container: what would lie there, in
	// a project, say; nil, or nil from it: the host.
	Place func(r *Request) *inventory.Container
	// Subject names what a verb that is not on an existing container works on and is exclusive
	// over, like "image:debian/12". Nil: the container of the request.
	Subject func(r *Request) (subject, name string, err error)
	// Prepare checks the parameters and says what would change. It changes nothing itself and may
	// be called many times. Nil: the verb has no parameters and changes no desired state.
	Prepare func(ctx context.Context, r *Request) (*Draft, error)
	// Steps do the work, in order.
	Steps []Step
}

// A Step is one durable unit of an operation. Its number is saved before Do runs, so after a crash
// the step that was running is known: Do has to be able to run again over its own half-done work,
// and Undo over work that was never done.
type Step struct {
	Name string
	Do   func(ctx context.Context, r *Run) error
	Undo func(ctx context.Context, r *Run) error // nil: there is nothing to take back
}

// A Request is what a door asks of the gate.
type Request struct {
	Verb     string
	Ref      inventory.Ref   // the container; its Name is empty for verbs that are not on one
	Args     json.RawMessage // the verb's parameters
	Reason   string
	Ticket   string
	Key      string // idempotency key: the same key and verb gives the same operation for 24 h
	Revision int64  // the revision the caller saw (If-Match); 0: whichever is current
	PlanOnly bool   // show the plan and stop
	Draft    bool   // keep the plan as a draft and stop
	// Emergency runs what is held at once, for who has the right to: what is due to be looked at later.
	Emergency bool
	Session   inventory.SessionID // what a ModeSession is about; empty: what it opens, and the gate makes its id

	// The gate fills in the rest before Prepare sees it.
	Principal inventory.Principal  `json:"-"`
	Change    inventory.ChangeID   `json:"-"` // the change that is being released
	Approvals []inventory.Approval `json:"-"` // of that, those that count
	Submitted time.Time            `json:"-"` // when that was asked for; zero for what never was held
	Container *inventory.Container `json:"-"`
	After     *inventory.Container `json:"-"` // as it would be, once Prepare has said so; see Draft.After
	Observed  inventory.Observed   `json:"-"`
}

// Decode reads the parameters into args; unknown fields are refused.
func (r *Request) Decode(args any) error { return inventory.DecodeArgs(r.Args, args) }

// A Draft is what Prepare found out.
type Draft struct {
	// After is the container as desired once the operation is admitted; nil leaves it as it is.
	After *inventory.Container
	// Remove says that the container's row goes away when the operation is done (purge).
	Remove  bool
	Effects []inventory.EffectLine
	// Foresees is what follows of it elsewhere, as far as it can be told: an estimate, outside the digest.
	Foresees []inventory.EffectLine
	// Args replaces the request's parameters when not nil: defaults filled in, names resolved.
	Args any
	// Reserve is what the container counts against quotas once admitted; nil: unchanged.
	Reserve *Reservation
	// Interrupts replaces the verb's own when it depends on the parameters.
	Interrupts string
	// Deadlines are made in the transaction that ends the operation well, and those of the container
	// that still wait for one of the verbs in Supersedes are over: what was decided last holds.
	Deadlines  []inventory.Deadline
	Supersedes []string
}

// A Reservation is inventory's, by the name its users know.
type Reservation = inventory.Reservation

// Verdict is a policy's answer.
type Verdict string

const (
	Allow Verdict = "allow"
	Deny  Verdict = "deny"
	Hold  Verdict = "hold"
)

// A Decision is a verdict with what led to it.
type Decision struct {
	Verdict  Verdict
	Reasons  []string              // shown to the caller
	Needs    []inventory.Condition // for Hold: what it waits for and has not got
	Policies []string              // names of those that decided
}

func (d Decision) why() string { return cmp.Or(strings.Join(d.Reasons, "; "), "a policy says so") }

// An Answer is what came of a request: exactly one field is set.
type Answer struct {
	Operation *inventory.Operation
	Plan      *inventory.Plan   // the request asked for the plan only
	Change    *inventory.Change // it is held
}
