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
