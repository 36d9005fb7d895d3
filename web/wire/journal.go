package wire

import (
	"encoding/json"
	"time"

	"lodge/inventory"
)

// An Event is one row of the outbox: true since the transaction that wrote it, numbered without
// gaps per host.
type Event struct {
	Seq       int64                 `json:"seq"`
	At        time.Time             `json:"at"`
	Type      string                `json:"type" doc:"operation.started, container.state, ..."`
	Container inventory.ContainerID `json:"container,omitempty"`
	Name      string                `json:"name,omitempty"`
	Project   string                `json:"project,omitempty"`
	Operation inventory.OperationID `json:"operation,omitempty"`
	Data      json.RawMessage       `json:"data,omitempty"`
}

// An AuditRecord is one entry of the audit journal with its place in it. The journal's own bytes,
// not this JSON, are what its hash covers; see audit/FORMAT.md.
type AuditRecord struct {
	Seq  int64  `json:"seq"`
	Hash string `json:"hash,omitempty" doc:"Leaf hash in hexadecimal."`
	inventory.Record
}

// AuditReport is what a check of the journal found.
type AuditReport struct {
	Verdict string   `json:"verdict" enum:"clean,tampered,incomplete"`
	Entries int64    `json:"entries"`
	Root    string   `json:"root,omitempty" doc:"Root of the Merkle tree over all records, as checkpoints write it."`
	Detail  []string `json:"detail" nullable:"false" doc:"One sentence per thing found."`
}

// An AuditAnchor is where records and checkpoints of the journal go outside the host, and how far
// that is.
type AuditAnchor struct {
	Sink      string    `json:"sink" enum:"syslog,drop,journald"`
	Target    string    `json:"target" example:"tls://logs.example:6514"`
	State     string    `json:"state" enum:"ok,behind,failing,ahead" doc:"ahead: the target holds more records than the journal, whose end was cut off."`
	Size      int64     `json:"size" doc:"Records in the journal."`
	Sent      int64     `json:"sent" doc:"The last record that was handed over. A drop gets records with a checkpoint."`
	Arrived   int64     `json:"arrived" doc:"The last record that counts as arrived."`
	Behind    int64     `json:"behind" doc:"Records that have not arrived."`
	Anchored  int64     `json:"anchored" doc:"Records that the newest checkpoint that arrived vouches for."`
	At        time.Time `json:"at,omitzero" doc:"When that checkpoint was signed."`
	Ahead     int64     `json:"ahead,omitempty" doc:"The last record the target holds, where that is more than the journal has."`
	Missed    int64     `json:"missed,omitempty" doc:"Records that were archived before they were sent."`
	Connected bool      `json:"connected"`
	Error     string    `json:"error,omitempty" doc:"The last failure, until something arrives again."`
	Since     time.Time `json:"since,omitzero" doc:"When it began to fail."`
	Note      string    `json:"note,omitempty"`
}

// An AuditKey is the public half of the key that signs the journal: what to pin, away from the host.
type AuditKey struct {
	Fingerprint string `json:"fingerprint" example:"SHA256:..." doc:"As ssh-keygen -l prints it."`
	PublicKey   string `json:"public_key" example:"ssh-ed25519 AAAA..." doc:"What audit verify takes as its key."`
}

// FromEvent writes an event.
func FromEvent(e inventory.Event) Event {
	return Event{Seq: e.Seq, At: e.At.UTC(), Type: e.Type, Container: e.Container, Name: e.Name,
		Project: e.Project, Operation: e.Operation, Data: e.Data}
}
