package store

import (
	"context"

	"lodge/inventory"
)

type dnsRecordRow struct {
	Name      string `gorm:"primaryKey"`
	Type      string `gorm:"primaryKey"`
	Data      string `gorm:"primaryKey"`
	TTL       uint32 `gorm:"column:ttl"`
	Reason    string
	CreatedNs int64
}

func (dnsRecordRow) TableName() string { return "dns_records" }

func (r dnsRecordRow) record() inventory.DNSRecord {
	return inventory.DNSRecord{Name: r.Name, Type: r.Type, Data: r.Data, TTL: r.TTL, Reason: r.Reason,
		CreatedAt: instant(r.CreatedNs)}
}

// DNSRecords returns all that were added, sorted by name, type and data.
func (s *Store) DNSRecords(ctx context.Context) ([]inventory.DNSRecord, error) {
	ctx, db, err := s.read(ctx)
	if err != nil {
		return nil, err
	}
	rows, err := rowsOf[dnsRecordRow](db).Order("name, type, data").Find(ctx)
	return nouns(s.path, rows, err, dnsRecordRow.record)
}

// SaveDNSRecord adds the record, or replaces the one of the same name, type and data.
func (s *Store) SaveDNSRecord(ctx context.Context, r inventory.DNSRecord) error {
	return s.write(ctx, func(ctx context.Context, t *transaction) error {
		return rowsOf[dnsRecordRow](t.db, replace("name", "type", "data")).Create(ctx, &dnsRecordRow{Name: r.Name,
			Type: r.Type, Data: r.Data, TTL: r.TTL, Reason: r.Reason, CreatedNs: nanos(r.CreatedAt)})
	})
}

// DeleteDNSRecord removes a record; a missing one is no error.
func (s *Store) DeleteDNSRecord(ctx context.Context, r inventory.DNSRecord) error {
	return s.write(ctx, func(ctx context.Context, t *transaction) error {
		_, err := rowsOf[dnsRecordRow](t.db).Where("name = ? AND type = ? AND data = ?", r.Name, r.Type, r.Data).Delete(ctx)
		return err
	})
}
