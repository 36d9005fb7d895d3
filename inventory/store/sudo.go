package store

import (
	"context"
	"time"

	"lodge/inventory"
)

type sudoRow struct {
	ID          string `gorm:"primaryKey"`
	ContainerID string
	Account     string
	Holder      document[inventory.Principal]
	GivenBy     string
	Reason      string
	GivenNs     int64
	UntilNs     int64
	EndedNs     *int64
	EndReason   string
}

func (sudoRow) TableName() string { return "sudo_grants" }

func (r sudoRow) grant() inventory.SudoGrant {
	return inventory.SudoGrant{ID: inventory.OperationID(r.ID), Container: inventory.ContainerID(r.ContainerID),
		Account: r.Account, Holder: r.Holder.V, GivenBy: r.GivenBy, Reason: r.Reason, GivenAt: instant(r.GivenNs),
		Until: instant(r.UntilNs), EndedAt: instantOrZero(r.EndedNs), EndReason: r.EndReason}
}

// AddSudo keeps a grant. One that is there already stays as it is, so its end is the first that was
// written.
func (s *Store) AddSudo(ctx context.Context, g inventory.SudoGrant) error {
	return s.write(ctx, func(ctx context.Context, t *transaction) error {
		n, err := rowsOf[sudoRow](t.db).Where("id = ?", string(g.ID)).Count(ctx, "*")
		if err != nil || n > 0 {
			return err
		}
		return rowsOf[sudoRow](t.db).Create(ctx, &sudoRow{ID: string(g.ID), ContainerID: string(g.Container), Account: g.Account,
			Holder: doc(g.Holder), GivenBy: g.GivenBy, Reason: g.Reason, GivenNs: nanos(g.GivenAt), UntilNs: nanos(g.Until),
			EndedNs: nanosOrNull(g.EndedAt), EndReason: g.EndReason})
	})
}

// EndSudo notes when and why a grant ended; one that has ended, or isn't there, stays as it is.
func (s *Store) EndSudo(ctx context.Context, id inventory.OperationID, at time.Time, reason string) error {
	return s.write(ctx, func(ctx context.Context, t *transaction) error {
		_, err := rowsOf[sudoRow](t.db).Where("id = ? AND ended_ns IS NULL", string(id)).
			Set(ctx, set("ended_ns", nanos(at)), set("end_reason", reason))
		return err
	})
}

// SudoGrants returns the grants q chooses, the newest first. Those of containers that were purged are
// gone with them; the journal has them.
func (s *Store) SudoGrants(ctx context.Context, q inventory.SudoQuery) ([]inventory.SudoGrant, error) {
	ctx, db, err := s.read(ctx)
	if err != nil {
		return nil, err
	}
	find := rowsOf[sudoRow](db).Order("given_ns DESC, id DESC").Equal("id", string(q.ID)).Equal("container_id", string(q.Container))
	if q.Open {
		find = find.Where("ended_ns IS NULL")
	}
	rows, err := find.Find(ctx)
	return nouns(s.path, rows, err, sudoRow.grant)
}
