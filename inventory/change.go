package inventory

import (
	"encoding/json"
	"slices"
	"strconv"
	"time"
)

// ChangeState is where a change stands.
type ChangeState string

const (
	ChangeDraft      ChangeState = "draft"       // kept by its author, asked of nobody yet
	ChangeSubmitted  ChangeState = "submitted"   // waits for approvals
	ChangeApproved   ChangeState = "approved"    // has them, and is about to begin
	ChangeScheduled  ChangeState = "scheduled"   // has them, and waits for its time
	ChangeRunning    ChangeState = "running"     // its operation runs
	ChangeDone       ChangeState = "done"        // its operation ended well
	ChangeFailed     ChangeState = "failed"      // it ended badly, and could not be undone in full
	ChangeRolledBack ChangeState = "rolled-back" // it ended badly or was cancelled, and was undone
	ChangeClosed     ChangeState = "closed"      // somebody has looked at how it ended
	ChangeRejected   ChangeState = "rejected"
	ChangeCancelled  ChangeState = "cancelled"
	ChangeExpired    ChangeState = "expired"
	ChangeVoid       ChangeState = "void" // the revision or the policies moved under it
)

// ChangeStates are all there are, in the order a change passes them.
var ChangeStates = []ChangeState{ChangeDraft, ChangeSubmitted, ChangeApproved, ChangeScheduled, ChangeRunning,
	ChangeDone, ChangeFailed, ChangeRolledBack, ChangeClosed, ChangeRejected, ChangeCancelled, ChangeExpired, ChangeVoid}

// nextStates are the states each state may go over into; those that are missing are final.
var nextStates = map[ChangeState][]ChangeState{
	ChangeDraft:      {ChangeSubmitted, ChangeApproved, ChangeScheduled, ChangeRunning, ChangeCancelled},
	ChangeSubmitted:  append([]ChangeState{ChangeApproved, ChangeScheduled, ChangeRunning}, unmade...),
	ChangeApproved:   append([]ChangeState{ChangeSubmitted, ChangeScheduled, ChangeRunning}, unmade...),
	ChangeScheduled:  append([]ChangeState{ChangeSubmitted, ChangeApproved, ChangeRunning}, unmade...),
	ChangeRunning:    {ChangeDone, ChangeFailed, ChangeRolledBack},
	ChangeDone:       {ChangeClosed},
	ChangeFailed:     {ChangeClosed},
	ChangeRolledBack: {ChangeClosed},
}

// unmade are the ends of a change that never began.
var unmade = []ChangeState{ChangeRejected, ChangeCancelled, ChangeExpired, ChangeVoid}

// CanBecome reports whether a change may go over from s into next. One that stays as it is, say with
// one approval more, may while it is not final.
func (s ChangeState) CanBecome(next ChangeState) bool {
	return s == next && len(nextStates[s]) > 0 || slices.Contains(nextStates[s], next)
}

// IsWaiting reports whether the change has been asked for and has not begun.
func (s ChangeState) IsWaiting() bool {
	return s == ChangeSubmitted || s == ChangeApproved || s == ChangeScheduled
}

// IsFinal reports whether nothing more can come of it.
func (s ChangeState) IsFinal() bool { return len(nextStates[s]) == 0 }

// ChangeClass says how much a change takes.
type ChangeClass string

const (
	ClassStandard  ChangeClass = "standard"  // approved beforehand, for every one of its kind
	ClassNormal    ChangeClass = "normal"    // waits for what the policies ask for
	ClassEmergency ChangeClass = "emergency" // ran at once, and is reviewed afterwards
)

// ChangeClasses are all there are.
var ChangeClasses = []ChangeClass{ClassStandard, ClassNormal, ClassEmergency}

// A Change is a plan that waits, or waited, for others.
type Change struct {
	ID       ChangeID
	Number   int64 // what people say: counted from 1 for each host, never given again
	Revision int64 // grows by one with every write
	State    ChangeState
	Class    ChangeClass
	Plan     Plan
	Name     string // of what it works on
	Project  string
	// Environment is that of the container it works on, "" for other things.
	Environment Environment
	Request     json.RawMessage // the request as it came, to run begin again in full
	Key         string          // its idempotency key
	Requester   Principal
	Reason      string
	Ticket      string
	Needs       []Condition // what the policies asked for
	Missing     []Condition // what of that is not met, as last looked at
	Approvals   []Approval
	Operation   OperationID // once released
	Note        string      // why it was rejected or is void
	Release     time.Time   // when it begins by itself; zero while that is not known
	Review      Review

	CreatedAt   time.Time
	SubmittedAt time.Time
	DecidedAt   time.Time
}

// Label is what people call the change: its number.
func (c Change) Label() string { return strconv.FormatInt(c.Number, 10) }

// ParseChangeNumber reads the number of a change; ok is false for what is an id.
func ParseChangeNumber(text string) (number int64, ok bool) {
	n, err := strconv.ParseInt(text, 10, 64)
	return n, err == nil && n > 0
}

// An Approval is one person's agreement to one exact plan.
type Approval struct {
	Principal Principal
	Digest    string
	At        time.Time
	Expires   time.Time // it counts until then
	Note      string
	Withdrawn time.Time // zero while it stands
	Signature *Signature
}

// A Signature is what an approver's SSH key says, as 'ssh-keygen -Y sign' writes it.
type Signature struct {
	Message     string // the canonical JSON that was signed
	Armored     string // BEGIN SSH SIGNATURE
	Key         string // the public key, as a line of a .pub file without its comment
	Fingerprint string
}

// A Review is somebody's look at an emergency change afterwards.
type Review struct {
	Due      time.Time // zero: none was asked for
	Reminded time.Time // when it was said that it is late
	At       time.Time // zero while it is open
	By       string
	Note     string
}

// IsOpen reports whether a review was asked for and has not been done.
func (r Review) IsOpen() bool { return !r.Due.IsZero() && r.At.IsZero() }

// IsOverdue reports whether an open review should have been done by now.
func (r Review) IsOverdue(now time.Time) bool { return r.IsOpen() && now.After(r.Due) }

// ApproveArgs are what comes with an approval.
type ApproveArgs struct {
	Note      string `json:"note,omitempty" maxLength:"1000" doc:"Shown to the requester and kept."`
	Message   string `json:"message,omitempty" maxLength:"1000" doc:"What was signed; see change.message."`
	Signature string `json:"signature,omitempty" maxLength:"16384" doc:"As 'ssh-keygen -Y sign -n lodge-change@v1' writes it."`
}

// ReleaseResult is what came of change.release.
type ReleaseResult struct {
	Change    int64       `json:"change"`
	Operation OperationID `json:"operation,omitempty"` // what it began; "" for a change that waits on
}

// ChangeArgs are the parameters of change.release.
type ChangeArgs struct {
	Change string `json:"change" doc:"Number or id of the change."`
}

// Approvers are the names of those whose approvals stand.
func (c *Change) Approvers() (names []string) {
	if c == nil {
		return nil
	}
	for _, a := range c.Approvals {
		if a.Withdrawn.IsZero() {
			names = append(names, a.Principal.Name)
		}
	}
	return names
}
