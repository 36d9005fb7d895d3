package record

import (
	"context"

	"lodge/inventory"
	"lodge/manager/gate"
)

// beforeKey is where an operation keeps the record it replaces or removes.
const beforeKey = "before"

func record(r *gate.Run) (inventory.DNSRecord, error) {
	var args inventory.DNSRecordArgs
	if err := r.Decode(&args); err != nil {
		return inventory.DNSRecord{}, err
	}
	return read(args)
}

// look notes the record as it is, for the way back.
func (s *Service) look(ctx context.Context, r *gate.Run) error {
	rec, err := record(r)
	if err != nil {
		return err
	}
	all, at, err := s.find(ctx, rec)
	if err != nil {
		return err
	}
	var before *inventory.DNSRecord
	if at >= 0 {
		before = &all[at]
	}
	return r.Save(beforeKey, before)
}

func (s *Service) save(ctx context.Context, r *gate.Run) error {
	rec, err := record(r)
	if err != nil {
		return err
	}
	rec.Reason, rec.CreatedAt = r.Operation.Reason, r.Operation.StartedAt
	return s.store.SaveDNSRecord(ctx, rec)
}

func (s *Service) remove(ctx context.Context, r *gate.Run) error {
	rec, err := record(r)
	if err != nil {
		return err
	}
	return s.store.DeleteDNSRecord(ctx, rec)
}

// putBack makes the row what it was before; nil is none.
func (s *Service) putBack(ctx context.Context, r *gate.Run, before *inventory.DNSRecord) error {
	if before == nil {
		return s.remove(ctx, r)
	}
	return s.store.SaveDNSRecord(ctx, *before)
}

// saveBack makes row and answers what they were before.
func (s *Service) saveBack(ctx context.Context, r *gate.Run) error {
	var before *inventory.DNSRecord
	if !r.Load(beforeKey, &before) {
		return nil
	}
	if err := s.putBack(ctx, r, before); err != nil {
		return err
	}
	return s.publish(ctx, r)
}
