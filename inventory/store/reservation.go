package store

import (
	"context"

	"lodge/inventory"
)

type reservationRow struct {
	Network    string `gorm:"primaryKey"`
	IPRange    string `gorm:"primaryKey;column:ip_range"`
	ForProject string
	ForName    string
	Note       string
	CreatedBy  string
	CreatedNs  int64
}

func (reservationRow) TableName() string { return "address_reservations" }

func (r reservationRow) reservation() inventory.AddressReservation {
	span, _ := inventory.ParseAddressRange(r.IPRange) // written by us
	return inventory.AddressReservation{Network: r.Network, Range: span,
		For: inventory.Ref{Project: r.ForProject, Name: r.ForName}, Note: r.Note,
		CreatedBy: r.CreatedBy, CreatedAt: instant(r.CreatedNs)}
}

// Reservations returns those of one network, or all for "", by network and in the order they were
// made.
func (s *Store) Reservations(ctx context.Context, network string) ([]inventory.AddressReservation, error) {
	ctx, db, err := s.read(ctx)
	if err != nil {
		return nil, err
	}
	find := rowsOf[reservationRow](db).Order("network, created_ns, ip_range")
	if network != "" {
		find = find.Where("network = ?", network)
	}
	rows, err := find.Find(ctx)
	return nouns(s.path, rows, err, reservationRow.reservation)
}

// SaveReservation adds the reservation or replaces the one of the same range. ErrExists if it
// overlaps another.
func (s *Store) SaveReservation(ctx context.Context, r inventory.AddressReservation) error {
	return s.write(ctx, func(ctx context.Context, t *transaction) error {
		rows, err := rowsOf[reservationRow](t.db).Where("network = ? AND ip_range <> ?", r.Network, r.Range.String()).Find(ctx)
		if err != nil {
			return err
		}
		for _, row := range rows {
			if other := row.reservation(); other.Range.Overlaps(r.Range) {
				return inventory.Errorf(inventory.ErrExists, "%s overlaps %s, which is reserved already; release that first",
					r.Range, other.Range)
			}
		}
		return rowsOf[reservationRow](t.db, replace("network", "ip_range")).Create(ctx, &reservationRow{Network: r.Network,
			IPRange: r.Range.String(), ForProject: r.For.Project, ForName: r.For.Name, Note: r.Note,
			CreatedBy: r.CreatedBy, CreatedNs: nanos(r.CreatedAt)})
	})
}

// DeleteReservation removes the reservation; a missing one is no error.
func (s *Store) DeleteReservation(ctx context.Context, network string, span inventory.AddressRange) error {
	return s.write(ctx, func(ctx context.Context, t *transaction) error {
		_, err := rowsOf[reservationRow](t.db).Where("network = ? AND ip_range = ?", network, span.String()).Delete(ctx)
		return err
	})
}
