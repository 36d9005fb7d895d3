package container

import (
	"context"
	"errors"

	"lodge/inventory"
	"lodge/manager/gate"
	"lodge/manager/storage"
)

// prepareClone drafts a container with the data of another and an identity of its own: new id,
// address, machine id and host keys. The other runs on.
func (s *Service) prepareClone(ctx context.Context, r *gate.Request) (*gate.Draft, error) {
	var args inventory.CloneArgs
	if err := r.Decode(&args); err != nil {
		return nil, err
	}
	from := r.Container
	if err := notInTrash(from); err != nil {
		return nil, err
	}
	if args.Snapshot != "" {
		if _, err := s.Store.Snapshot(ctx, from.ID, args.Snapshot); err != nil {
			return nil, err
		}
	}
	c := from.Clone()
	now := s.Now()
	c.ID, c.Name, c.Intent, c.Revision = inventory.ContainerID(inventory.NewID(now)), args.Name, inventory.IntentStop, 0
	c.Owner, c.Purpose = orElse(args.Owner, c.Owner), orElse(args.Purpose, c.Purpose)
	c.CreatedAt, c.UpdatedAt = now, now
	if err := s.lend(ctx, c, &args.Expires, new(string)); err != nil {
		return nil, err
	}
	if err := s.checkFacts(ctx, c); err != nil {
		return nil, err
	}
	if err := s.checkNew(ctx, c); err != nil {
		return nil, err
	}
	if err := s.cloneNICs(ctx, from, c); err != nil {
		return nil, err
	}
	args.From = from.ID
	left := s.cloneDevices(c)
	d, err := s.newcomer(ctx, c)
	if err != nil {
		return nil, err
	}
	d.Effects = append(d.Effects, left...)
	d.Args = args
	if args.Snapshot == "" {
		d.Interrupts, err = s.pause(ctx, r)
	}
	return d, err
}

// cloneVolume copies the source's root. Its source may run: what is copied is one instant.
func (s *Service) cloneVolume(ctx context.Context, r *gate.Run) error {
	var args inventory.CloneArgs
	if err := r.Decode(&args); err != nil {
		return err
	}
	size, err := s.diskSize(ctx, r.After)
	if err != nil {
		return err
	}
	err = s.pool(r.After).Clone(ctx, string(args.From), args.Snapshot,
		storage.Volume{ID: string(r.After.ID), Size: size})
	if r.Resumed && errors.Is(err, inventory.ErrExists) {
		return nil
	}
	return err
}
