package wire

import (
	"time"

	"lodge/inventory"
)

// A SudoGrant is sudo that an account of a container has, or had.
type SudoGrant struct {
	ID        inventory.OperationID `json:"id" doc:"The operation that gave it."`
	Container inventory.ContainerID `json:"container"`
	Name      string                `json:"name"`
	Project   string                `json:"project"`
	Account   string                `json:"account" doc:"Of the container."`
	For       string                `json:"for" doc:"Whom it is for: it ends when they may not go in any more."`
	GivenBy   string                `json:"given_by"`
	Reason    string                `json:"reason,omitempty"`
	GivenAt   time.Time             `json:"given_at"`
	Until     time.Time             `json:"until"`
	EndedAt   time.Time             `json:"ended_at,omitzero" doc:"Absent while it holds."`
	EndReason string                `json:"end_reason,omitempty"`
}

// FromSudo writes a grant in c.
func FromSudo(g inventory.SudoGrant, c *inventory.Container) SudoGrant {
	return SudoGrant{ID: g.ID, Container: c.ID, Name: c.Name, Project: c.Project, Account: g.Account, For: g.Holder.Name,
		GivenBy: g.GivenBy, Reason: g.Reason, GivenAt: g.GivenAt.UTC(), Until: g.Until.UTC(), EndedAt: utc(g.EndedAt),
		EndReason: g.EndReason}
}
