package session

import (
	"context"

	"lodge/inventory"
)

// Store keeps one row per session, for as long as the audit journal is kept. inventory/store
// implements it. The rows are for lists and history: what is true of a live session is what its
// holder says, and the files below ROOT/run/sessions outlast the agent and a lost database.
type Store interface {
	// SaveSession writes the row of s.ID, new or replaced as a whole. It is called when a session
	// begins, when its holder's process id is known and when it ended, and must be durable when it
	// returns.
	SaveSession(ctx context.Context, s inventory.Session) error
	// Sessions returns rows, the latest begun first. A zero field of the query does not narrow it.
	Sessions(ctx context.Context, q Query) ([]inventory.Session, error)
}

// A Query narrows a list of sessions.
type Query = inventory.SessionQuery
