package container

import (
	"context"
	"errors"
	"strings"
	"time"

	"lodge/inventory"
	"lodge/manager/gate"
)

// What a restore remembers of itself.
const (
	keptKey    = "kept"    // the name of the snapshot it took of the state it replaces
	swappedKey = "swapped" // whether the root may be the restored one
)

// prepareSnapshotRestore drafts the way back to a snapshot. One that the pool has lost is refused
// here, before anything is stopped for it.
func (s *Service) prepareSnapshotRestore(ctx context.Context, r *gate.Request) (*gate.Draft, error) {
	args, snap, err := s.snapshotOf(ctx, r)
	if err != nil {
		return nil, err
	}
	if err := notInTrash(r.Container); err != nil {
		return nil, err
	}
	if !s.isKept(r.Container, snap.Name) {
		return nil, inventory.Errorf(inventory.ErrNotFound,
			"the pool has no snapshot %s of %s any more; choose another", snap.Name, r.Container.Ref())
	}
	d := &gate.Draft{Args: args, Effects: []inventory.EffectLine{{Field: "root file system", Before: "now",
		After: snap.Name + " of " + snap.CreatedAt.UTC().Format(time.RFC3339), Effect: inventory.EffectRestart,
		Note: "the present state is kept as a snapshot"}}}
	if r.Observed.State.IsLive() {
		d.Interrupts = "the container stops, its root is swapped, it starts again"
	}
	return d, nil
}

// stopForRestore stops the container if it runs; it has to run again, whatever comes of this.
func (s *Service) stopForRestore(ctx context.Context, r *gate.Run) error {
	return s.stopGracefully(ctx, r, r.Before)
}

// keptName names the snapshot a restore takes by its operation: no other snapshot, of a person or
// of a restore within the same second, has that name.
func keptName(op inventory.Operation) string {
	id := strings.ToLower(string(op.ID))
	return "before-restore-" + op.StartedAt.UTC().Format("20060102-150405") + "-" + id[max(0, len(id)-8):]
}

// keepBeforeRestore takes a snapshot of what is about to be replaced: nothing is lost, and it is the
// way back if the rest fails.
func (s *Service) keepBeforeRestore(ctx context.Context, r *gate.Run) error {
	name := keptName(r.Operation)
	if err := r.Save(keptKey, name); err != nil {
		return err
	}
	snap := inventory.Snapshot{Container: r.Before.ID, Name: name,
		CreatedAt: r.Operation.StartedAt.UTC(),
		Note:      "taken by the restore of another snapshot", Config: r.Before}
	if err := s.Store.AddSnapshot(ctx, snap); err != nil {
		return err
	}
	err := s.pool(r.Before).Snapshot(ctx, string(r.Before.ID), name)
	if r.Resumed && errors.Is(err, inventory.ErrExists) {
		return nil
	}
	return err
}

// dropKept removes the snapshot of a restore that failed, unless it is still the only place where
// the state before is.
func (s *Service) dropKept(ctx context.Context, r *gate.Run) error {
	name, swapped := "", false
	if r.Load(swappedKey, &swapped); swapped || !r.Load(keptKey, &name) {
		return nil
	}
	if own, err := s.isOwn(ctx, r, name); err != nil || !own {
		return err
	}
	if err := s.pool(r.Before).DeleteSnapshot(ctx, string(r.Before.ID), name); err != nil {
		return err
	}
	return s.Store.DeleteSnapshot(ctx, r.Before.ID, name)
}

func (s *Service) swapSnapshot(ctx context.Context, r *gate.Run) error {
	name, err := s.snapshotName(r)
	if err != nil {
		return err
	}
	if err := r.Save(swappedKey, true); err != nil {
		return err
	}
	return s.pool(r.Before).RestoreSnapshot(ctx, string(r.Before.ID), name)
}

func (s *Service) swapBack(ctx context.Context, r *gate.Run) error {
	name, swapped := "", false
	if r.Load(swappedKey, &swapped); !swapped || !r.Load(keptKey, &name) {
		return nil
	}
	if err := s.pool(r.Before).RestoreSnapshot(ctx, string(r.Before.ID), name); err != nil {
		return inventory.Errorf(inventory.ErrUnavailable,
			"the state before is kept as snapshot %s, and could not be put back: %v", name, err)
	}
	return r.Save(swappedKey, false)
}

// startAfterRestore starts what ran, with the init of the root it has now.
func (s *Service) startAfterRestore(ctx context.Context, r *gate.Run) error {
	if !ran(r) {
		return nil
	}
	if err := s.configureAs(ctx, r.Before); err != nil {
		return err
	}
	return s.start(ctx, r)
}
