package inventory

import (
	"encoding/json"
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

// A Record is one entry of the audit journal: who, how they proved it, from where, what, on what,
// why, and how it ended. It never holds a secret or a full command line (DESIGN: secrets).
type Record struct {
	At        time.Time       `json:"at"`
	Kind      RecordKind      `json:"kind"`
	Verb      string          `json:"verb"` // "container.stop"
	Principal Principal       `json:"principal"`
	Subject   string          `json:"subject,omitempty"` // "container:ID", "image:debian/12"
	Name      string          `json:"name,omitempty"`    // as a person knows it
	Project   string          `json:"project,omitempty"`
	Operation OperationID     `json:"operation,omitempty"`
	Session   SessionID       `json:"session,omitempty"`
	Change    ChangeID        `json:"change,omitempty"`
	Reason    string          `json:"reason,omitempty"`
	Ticket    string          `json:"ticket,omitempty"`
	Plan      string          `json:"plan,omitempty"`      // digest
	Approvals []string        `json:"approvals,omitempty"` // names of those who agreed
	Before    json.RawMessage `json:"before,omitempty"`
	After     json.RawMessage `json:"after,omitempty"`
	Result    string          `json:"result,omitempty"` // "done", or why not
	Detail    json.RawMessage `json:"detail,omitempty"`
}
