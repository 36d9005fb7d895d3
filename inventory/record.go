package inventory

import (
	"encoding/json"
	"strings"
	"time"
)

// RecordKind is the part of a story an audit record tells.
type RecordKind string

const (
	RecordIntent  RecordKind = "intent"  // durable before anything happens
	RecordRefusal RecordKind = "refusal" // somebody asked and was told no
	RecordOutcome RecordKind = "outcome" // how an intent ended
	RecordFact    RecordKind = "fact"    // seen, not asked for: a guest rebooted, the agent started
)

// An Outcome says in one word how what was asked for ended.
type Outcome string

const (
	OutcomeSuccess Outcome = "success"
	OutcomeFailure Outcome = "failure"
	OutcomeDenied  Outcome = "denied"
	OutcomeUnknown Outcome = "unknown" // a crash came between, and nobody saw
)

// Outcomes are all there are.
func Outcomes() []Outcome {
	return []Outcome{OutcomeSuccess, OutcomeFailure, OutcomeDenied, OutcomeUnknown}
}

// OutcomeOf reads the outcome out of a record's kind and result: "done", "exited 0", "joined" and
// "repeated" succeeded.
func OutcomeOf(kind RecordKind, result string) Outcome {
	switch {
	case kind == RecordRefusal:
		return OutcomeDenied
	case kind != RecordOutcome:
		return ""
	case result == "done" || result == "exited 0" || result == "joined" || strings.HasPrefix(result, "repeated: "):
		return OutcomeSuccess
	case result == string(OutcomeUnknown):
		return OutcomeUnknown
	}
	return OutcomeFailure
}

// A Record is one entry of the audit journal: who, how they proved it, from where, what, on what,
// why, and how it ended. It never holds a secret or a full command line (DESIGN: secrets).
type Record struct {
	At        time.Time       `json:"at"`
	ID        string          `json:"id,omitempty"` // UUIDv7, given when it is written
	Kind      RecordKind      `json:"kind"`
	Verb      string          `json:"verb"` // "container.stop"
	Outcome   Outcome         `json:"outcome,omitempty"`
	Principal Principal       `json:"principal"`
	Subject   string          `json:"subject,omitempty"` // "container:ID", "image:debian/12"
	Name      string          `json:"name,omitempty"`    // as a person knows it
	Project   string          `json:"project,omitempty"`
	Operation OperationID     `json:"operation,omitempty"`
	Session   SessionID       `json:"session,omitempty"`
	Change    ChangeID        `json:"change,omitempty"`
	Reason    string          `json:"reason,omitempty"`
	Ticket    string          `json:"ticket,omitempty"`
	Plan      string          `json:"plan,omitempty"` // digest
	Decision  *RecordDecision `json:"decision,omitempty"`
	Approvals []string        `json:"approvals,omitempty"` // names of those who agreed
	Before    json.RawMessage `json:"before,omitempty"`
	After     json.RawMessage `json:"after,omitempty"`
	Result    string          `json:"result,omitempty"` // "done", or why not
	Recording *Recording      `json:"recording,omitempty"`
	Count     *RecordCount    `json:"count,omitempty"`
	Host      HostID          `json:"host,omitempty"`
	Boot      string          `json:"boot,omitempty"`    // id of the host's boot
	MonoNs    int64           `json:"mono_ns,omitempty"` // nanoseconds since that boot
	Detail    json.RawMessage `json:"detail,omitempty"`
}

// A RecordDecision says what let a request pass, or held it.
type RecordDecision struct {
	Policy     string   `json:"policy,omitempty"`      // revision of the set of policies
	IDs        []string `json:"ids,omitempty"`         // of the policies that decided
	Approvals  []string `json:"approvals,omitempty"`   // ids of the approvals used
	BreakGlass bool     `json:"break_glass,omitempty"` // it passed without what the policies ask for
}

// A Recording names the recording of a session, so that it can be checked without the agent.
type Recording struct {
	File   string `json:"file"`   // below the folder of recordings
	SHA256 string `json:"sha256"` // hexadecimal, of all of it, or of a part
	Bytes  int64  `json:"bytes"`
	Part   bool   `json:"part,omitempty"` // its first Bytes alone: the session went on
}

// A RecordCount stands in a record for many like it, which came too fast to keep each.
type RecordCount struct {
	Times int64     `json:"times"`
	First time.Time `json:"first"`
	Last  time.Time `json:"last"`
}

// A RecordQuery selects audit records. Zero fields select everything.
type RecordQuery struct {
	From, To  time.Time // From is included, To is not
	Kind      RecordKind
	Outcome   Outcome
	Verb      string // "container.stop", or all that begin alike with "container.*"
	Principal string // name
	Target    string // name or subject
	Subject   string // "container:ID"
	Name      string // of the subject, as a person knows it
	Project   string
	Operation OperationID
	Change    ChangeID
	AfterSeq  int64
	BeforeSeq int64 // 0: no bound
	Limit     int   // at most so many, 0 for all
	Newest    bool  // with a limit: the last ones rather than the first
}

// Matches reports whether the query selects the record of that number, its limit apart.
func (q *RecordQuery) Matches(seq int64, r *Record) bool {
	prefix, isPrefix := strings.CutSuffix(q.Verb, "*")
	return seq > q.AfterSeq && (q.BeforeSeq == 0 || seq < q.BeforeSeq) &&
		(q.From.IsZero() || !r.At.Before(q.From)) && (q.To.IsZero() || r.At.Before(q.To)) &&
		(q.Verb == r.Verb || isPrefix && strings.HasPrefix(r.Verb, prefix) || q.Verb == "") &&
		(q.Target == "" || q.Target == r.Name || q.Target == r.Subject) &&
		is(q.Kind, r.Kind) && is(q.Outcome, r.Outcome) && is(q.Principal, r.Principal.Name) &&
		is(q.Subject, r.Subject) && is(q.Name, r.Name) && is(q.Project, r.Project) &&
		is(q.Operation, r.Operation) && is(q.Change, r.Change)
}

func is[T ~string](want, have T) bool { return want == "" || want == have }

// A PlacedRecord is a record with its place in the journal, as an index keeps it.
type PlacedRecord struct {
	Seq     int64
	Segment int64 // number of the first record of its segment
	Offset  int64 // of its frame there
	Record  Record
}
