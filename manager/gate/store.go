package gate

import (
	"context"
	"encoding/json"
	"time"

	"lodge/inventory"
)

// What the gate needs of the store. Every method is one transaction, durable when it returns.

type ledger interface {
	// Admit makes an operation exist, or returns the one its idempotency key already made
	// (again = true). In one transaction it
	//   - refuses with ErrBusy if the operation's subject has an unfinished exclusive operation;
	//   - refuses with ErrStale if the container's revision is not Before.Revision;
	//   - refuses with ErrExists if the name, an address or the id range of After is taken;
	//   - refuses with ErrQuota if Reserve would exceed a quota, naming both numbers;
	//   - writes After as the desired state with revision Before.Revision+1, its addresses, a row
	//     of its history, the operation, and the event "operation.started".
	Admit(ctx context.Context, a Admission) (op inventory.Operation, again bool, err error)
	// Repeated returns the operation that a principal's idempotency key made; ok is false when there
	// is none, or it is too long ago for the key to stand for it.
	Repeated(ctx context.Context, principal, verb, key string) (op inventory.Operation, ok bool, err error)
	// SaveStep records where the operation stands before the step runs.
	SaveStep(ctx context.Context, id inventory.OperationID, state inventory.OperationState, step int, data json.RawMessage) error
	// End records how it ended; see Ending.
	End(ctx context.Context, e Ending) error
	// Unfinished returns the host's operations that have not ended, oldest first.
	Unfinished(ctx context.Context, host inventory.HostID) ([]inventory.Operation, error)
}

// notes are writes without an fsync. A process that dies loses none of them; a power cut may take
// back the newest.
type notes interface {
	// NoteStep is SaveStep for a step that may be forgotten: see Gate.saveStep.
	NoteStep(ctx context.Context, id inventory.OperationID, step int) error
}

type operations interface {
	Operation(ctx context.Context, id inventory.OperationID) (inventory.Operation, error)
	// AskCancel marks a running operation; ErrState if it has ended.
	AskCancel(ctx context.Context, id inventory.OperationID) error
	// SaveProgress is for readers in other processes and after a crash; it may lag.
	SaveProgress(ctx context.Context, id inventory.OperationID, percent int, text string) error
}

type containers interface {
	// Container finds one by name within its project or by id; ErrNotFound if there is none.
	Container(ctx context.Context, ref inventory.Ref) (*inventory.Container, error)
	// Overdraws says whether after with r (nil for either: as before) would exceed a quota of its
	// project, its owner, its environment or the host: the error Admit would give. For plans.
	Overdraws(ctx context.Context, before, after *inventory.Container, r *Reservation) error
}

type deadlines interface {
	AddDeadline(ctx context.Context, d inventory.Deadline) error
	// Due returns waiting deadlines with Due <= t, oldest first, and when the next one after is
	// due (zero: none waits).
	Due(ctx context.Context, t time.Time) (due []inventory.Deadline, next time.Time, err error)
	// EndDeadline notes the outcome; ErrStale if it has one already.
	EndDeadline(ctx context.Context, id inventory.DeadlineID, at time.Time, outcome string) error
}

// An Admission is an operation about to exist.
type Admission struct {
	Operation inventory.Operation
	Exclusive bool // no other unfinished operation on the same subject
	Before    *inventory.Container
	After     *inventory.Container // nil: the desired state stays
	Reserve   *Reservation
	// Change is released by this: in the same transaction it is the running one, at the revision it has
	// here (ErrStale). One without a number begins to exist.
	Change *inventory.Change
}

// An Ending is how an operation ended. In one transaction the store writes the operation's final
// row, the state of the change it belongs to, the event "operation.ended" and, by case:
//   - Restore: the desired state goes back to Before with a fresh revision and a history row (or
//     the container's row and addresses go, if there was no Before);
//   - Remove: the container's row goes and its addresses and id range are free again; its history
//     and the addresses' history stay;
//   - otherwise After stays, and Deadlines are added. Those of the container that still wait for
//     a verb in Supersedes are over.
type Ending struct {
	ID         inventory.OperationID
	State      inventory.OperationState
	At         time.Time
	Error      string
	Kind       string
	Undone     bool // it failed, and everything it did was taken back
	Result     json.RawMessage
	Restore    bool
	Remove     bool
	Deadlines  []inventory.Deadline
	Supersedes []string
}

// What the gate needs of others.

// A journal makes a record durable before Append returns.
type journal interface {
	Append(ctx context.Context, r inventory.Record) (seq int64, err error)
}

// An observer measures a container; it never blocks.
type observer interface {
	Observe(c *inventory.Container) inventory.Observed
}

// A Policy judges a request that has passed visibility and right. It sees the plan as it would be
// signed. An error of its own must come back as a Deny.
type Policy interface {
	Review(ctx context.Context, r *Request, p *inventory.Plan) Decision
	// Revision changes when the policies do; held plans judged under another revision are void.
	Revision() string
}

// Rights says what a principal may do and see.
type Rights interface {
	// Allowed reports whether p has right on the container (nil for verbs that are on none).
	Allowed(p inventory.Principal, right inventory.Right, c *inventory.Container) bool
}
