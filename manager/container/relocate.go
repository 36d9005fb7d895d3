package container

import (
	"context"
	"errors"
	"fmt"
	"time"

	"lodge/inventory"
	"lodge/manager/gate"
	"lodge/manager/storage"
	"lodge/manager/storage/tree"
)

// A container moves to another pool by stop, copy, start. The old root stays untouched until the new
// row is durable: a move that fails or is interrupted goes back to it, and a deadline removes it
// afterwards, by a verb on the container, so that no other move of it can come between.

// tidyVerb removes what a move has left.
const tidyVerb = "container.move.tidy"

// copyRate is how much a second a copy between pools is assumed to move, for the plan's estimate.
const copyRate = 150 * inventory.MiB

func (s *Service) prepareMove(ctx context.Context, r *gate.Request) (*gate.Draft, error) {
	var args inventory.MoveArgs
	if err := r.Decode(&args); err != nil {
		return nil, err
	}
	c := r.Container
	if err := notInTrash(c); err != nil {
		return nil, err
	}
	if args.Pool == c.Pool {
		return nil, inventory.Errorf(inventory.ErrState, "%s is on pool %s already", c.Ref(), c.Pool)
	}
	after := c.Clone()
	after.Pool, after.UpdatedAt = args.Pool, s.Now()
	if err := s.checkDisk(ctx, after); err != nil {
		return nil, err
	}
	if err := s.checkCapacity(ctx, c, after); err != nil {
		return nil, err
	}
	used, err := s.pool(c).Usage(ctx, string(c.ID))
	if err != nil {
		return nil, err
	}
	d := &gate.Draft{After: after, Args: args, Effects: inventory.Diff(c, after, s.Config.Settings)}
	if err := s.moveSnapshots(ctx, c, args, d); err != nil {
		return nil, err
	}
	took := (time.Duration(used/copyRate)*time.Second + 2*time.Second).Round(time.Second)
	if r.Observed.State.IsLive() {
		d.Interrupts = fmt.Sprintf("the container is down for about %s while %s and its image are copied", took, used)
	}
	d.Deadlines = []inventory.Deadline{s.deadline(after, tidyVerb, s.Now(), inventory.MoveArgs{Pool: c.Pool},
		inventory.System("move"), "it moved to pool "+after.Pool)}
	return d, nil
}

// moveSnapshots refuses to lose snapshots unless that was asked for: they share their data with the
// volume, and a copy of each would be as large as the whole.
func (s *Service) moveSnapshots(ctx context.Context, c *inventory.Container, args inventory.MoveArgs, d *gate.Draft) error {
	all, err := s.Store.Snapshots(ctx, c.ID)
	if err != nil || len(all) == 0 {
		return err
	}
	if !args.DropSnapshots {
		return inventory.Errorf(inventory.ErrState,
			"%s has %d snapshots, which can't move to another pool; delete them, or say --drop-snapshots", c.Ref(), len(all))
	}
	for _, snap := range all {
		if snap.Pinned {
			return inventory.Errorf(inventory.ErrState, "snapshot %s of %s is pinned, and can't move to another pool", snap.Name, c.Ref())
		}
		d.Effects = append(d.Effects, inventory.EffectLine{Field: "snapshot", Before: snap.Name, Note: "gone for good"})
	}
	return nil
}

// What a move remembers of itself, besides whether the container ran.
const (
	movedKey  = "snapshots" // the rows of the snapshots it leaves behind, for the way back
	copiedKey = "copied"    // whether the container may run from the new pool
)

// noteMove remembers what the way back needs. It is a step of its own: what a step saves is durable
// only when the next one begins.
func (s *Service) noteMove(ctx context.Context, r *gate.Run) error {
	if err := s.recheckCapacity(ctx, r); err != nil {
		return err
	}
	all, err := s.Store.Snapshots(ctx, r.Before.ID)
	if err != nil {
		return err
	}
	return errors.Join(r.Save(movedKey, all), s.noteRan(r))
}

// stopForMove stops the container if it runs.
func (s *Service) stopForMove(ctx context.Context, r *gate.Run) error {
	return s.stopGracefully(ctx, r, r.Before)
}

// copyToPool makes the volume in the new pool. What an earlier move has left there is older.
func (s *Service) copyToPool(ctx context.Context, r *gate.Run) error {
	id := string(r.After.ID)
	from, to := s.pool(r.Before), s.pool(r.After)
	if err := from.Ready(ctx, id); err != nil {
		return err
	}
	size, err := s.diskSize(ctx, r.After)
	if err != nil {
		return err
	}
	held, err := from.Usage(ctx, id)
	if err != nil {
		return err
	}
	if err := to.Delete(ctx, id); err != nil {
		return err
	}
	r.Progress(20, "copying %s from pool %s to pool %s", held, r.Before.Pool, r.After.Pool)
	err = to.Fill(ctx, storage.Volume{ID: id, Size: size, Held: held}, func(dir string) error {
		return new(tree.Copier).Copy(ctx, from.Path(id), dir)
	})
	return errors.Join(err, r.Save(copiedKey, err == nil))
}

// dropCopy removes the volume from the new pool.
func (s *Service) dropCopy(ctx context.Context, r *gate.Run) error {
	return s.pool(r.After).Delete(ctx, string(r.After.ID))
}

// startMoved starts what ran, from where it is now.
func (s *Service) startMoved(ctx context.Context, r *gate.Run) error {
	if !ran(r) {
		return nil
	}
	return s.start(ctx, r)
}

// stopMoved ends what runs from the new pool. Before the copy was made, what runs is what ran before.
func (s *Service) stopMoved(ctx context.Context, r *gate.Run) error {
	if copied := false; !r.Load(copiedKey, &copied) || !copied {
		return nil
	}
	return s.unstart(ctx, r)
}

// prepareTidy drafts the removal of what a move has left in the pool of the parameters.
func (s *Service) prepareTidy(_ context.Context, r *gate.Request) (*gate.Draft, error) {
	var args inventory.MoveArgs
	if err := r.Decode(&args); err != nil {
		return nil, err
	}
	if args.Pool == r.Container.Pool || args.Pool == "" {
		return nil, inventory.Errorf(inventory.ErrState,
			"%s is on pool %s; say another one that it has left", r.Container.Ref(), r.Container.Pool)
	}
	return &gate.Draft{Effects: []inventory.EffectLine{{Field: "volume", Before: "on pool " + args.Pool,
		Note: "left by a move to " + r.Container.Pool}}}, nil
}

// tidy removes it, with the snapshots and their rows.
func (s *Service) tidy(ctx context.Context, r *gate.Run) error {
	var args inventory.MoveArgs
	if err := r.Decode(&args); err != nil {
		return err
	}
	if args.Pool == r.Before.Pool {
		return inventory.Errorf(inventory.ErrState, "%s is on pool %s again", r.Before.Ref(), args.Pool)
	}
	return s.Pools.Pool(args.Pool).Delete(ctx, string(r.Before.ID))
}

// forgetSnapshots removes the rows of snapshots that stay behind.
func (s *Service) forgetSnapshots(ctx context.Context, r *gate.Run) error {
	var all []inventory.Snapshot
	r.Load(movedKey, &all)
	for _, snap := range all {
		if err := s.Store.DeleteSnapshot(ctx, r.Before.ID, snap.Name); err != nil {
			return err
		}
	}
	return nil
}

// rememberSnapshots brings the rows back: the snapshots are still there.
func (s *Service) rememberSnapshots(ctx context.Context, r *gate.Run) error {
	var all []inventory.Snapshot
	r.Load(movedKey, &all)
	for _, snap := range all {
		if err := s.Store.AddSnapshot(ctx, snap); err != nil {
			return err
		}
	}
	return nil
}
