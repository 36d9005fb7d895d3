package container

import (
	"context"
	"errors"
	"time"

	"lodge/inventory"
	"lodge/manager/gate"
)

// keptKey is where a restore keeps the name of the snapshot it took of the state it replaces.
const keptKey = "kept"

func (s *Service) prepareSnapshot(ctx context.Context, r *gate.Request) (*gate.Draft, error) {
	var args inventory.SnapshotArgs
	if err := r.Decode(&args); err != nil {
		return nil, err
	}
	if err := notInTrash(r.Container); err != nil {
		return nil, err
	}
	if args.Name == "" {
		args.Name = "s" + s.Now().UTC().Format("20060102-150405")
	}
	if err := inventory.CheckName("the snapshot", args.Name); err != nil {
		return nil, err
	}
	if args.Expires != "" {
		if _, err := inventory.ParseDuration(args.Expires); err != nil {
			return nil, err
		}
	}
	if _, err := s.Store.Snapshot(ctx, r.Container.ID, args.Name); err == nil {
		return nil, inventory.Errorf(inventory.ErrExists,
			"%s has a snapshot %s already; choose another name", r.Container.Ref(), args.Name)
	}
	return &gate.Draft{Args: args, Effects: []inventory.EffectLine{
		{Field: "snapshot", After: args.Name, Effect: inventory.EffectLive}}}, nil
}

// snapshotOf reads the parameters and finds the snapshot they name.
func (s *Service) snapshotOf(ctx context.Context, r *gate.Request) (args inventory.SnapshotArgs,
	snap inventory.Snapshot, err error) {
	if err = r.Decode(&args); err != nil {
		return args, snap, err
	}
	snap, err = s.Store.Snapshot(ctx, r.Container.ID, args.Name)
	return args, snap, err
}

func (s *Service) prepareSnapshotRestore(ctx context.Context, r *gate.Request) (*gate.Draft, error) {
	args, snap, err := s.snapshotOf(ctx, r)
	if err != nil {
		return nil, err
	}
	if err := notInTrash(r.Container); err != nil {
		return nil, err
	}
	d := &gate.Draft{Args: args, Effects: []inventory.EffectLine{{Field: "root file system", Before: "now",
		After: snap.Name + " of " + snap.CreatedAt.UTC().Format(time.RFC3339), Effect: inventory.EffectRestart,
		Note: "the present state is kept as a snapshot"}}}
	if r.Observed.State.IsLive() {
		d.Interrupts = "the container stops, its root is swapped, it starts again"
	}
	return d, nil
}

func (s *Service) prepareSnapshotDelete(ctx context.Context, r *gate.Request) (*gate.Draft, error) {
	args, snap, err := s.snapshotOf(ctx, r)
	if err != nil {
		return nil, err
	}
	if snap.Pinned {
		return nil, inventory.Errorf(inventory.ErrState,
			"snapshot %s is pinned and can't be deleted", snap.Name)
	}
	return &gate.Draft{Args: args, Effects: []inventory.EffectLine{{Field: "snapshot",
		Before: snap.Name}}}, nil
}

func (s *Service) snapshotName(r *gate.Run) (string, error) {
	var args inventory.SnapshotArgs
	err := r.Decode(&args)
	return args.Name, err
}

func (s *Service) takeSnapshot(ctx context.Context, r *gate.Run) error {
	name, err := s.snapshotName(r)
	if err != nil {
		return err
	}
	err = s.Pool.Snapshot(ctx, string(r.Before.ID), name)
	if r.Resumed && errors.Is(err, inventory.ErrExists) {
		return nil
	}
	return err
}

func (s *Service) dropSnapshot(ctx context.Context, r *gate.Run) error {
	name, err := s.snapshotName(r)
	if err != nil {
		return err
	}
	return s.Pool.DeleteSnapshot(ctx, string(r.Before.ID), name)
}

func (s *Service) saveSnapshot(ctx context.Context, r *gate.Run) error {
	var args inventory.SnapshotArgs
	if err := r.Decode(&args); err != nil {
		return err
	}
	snap := inventory.Snapshot{Container: r.Before.ID, Name: args.Name, Note: args.Note,
		Pinned:  args.Pinned,
		Running: s.Observer.State(r.Before).IsLive(), CreatedAt: s.Now().UTC(), Config: r.Before}
	if args.Expires != "" {
		keep, err := inventory.ParseDuration(args.Expires)
		if err != nil {
			return err
		}
		snap.ExpiresAt = snap.CreatedAt.Add(keep)
		del := s.deadline(r.Before, "snapshot.delete", snap.ExpiresAt,
			inventory.SnapshotArgs{Name: args.Name},
			r.Operation.Principal, "the snapshot expired")
		if err := s.gate.AddDeadline(ctx, del); err != nil {
			return err
		}
	}
	return errors.Join(s.Store.SaveSnapshot(ctx, snap), r.Result(map[string]string{"snapshot": args.Name}))
}

func (s *Service) dropSnapshotRow(ctx context.Context, r *gate.Run) error {
	name, err := s.snapshotName(r)
	if err != nil {
		return err
	}
	if err := s.Store.DeleteSnapshot(ctx, r.Before.ID, name); !errors.Is(err, inventory.ErrNotFound) {
		return err
	}
	return nil
}

// deleteSnapshots is a step of purge.
func (s *Service) deleteSnapshots(ctx context.Context, r *gate.Run) error {
	all, err := s.Store.Snapshots(ctx, r.Before.ID)
	if err != nil {
		return err
	}
	for _, snap := range all {
		if err := s.Pool.DeleteSnapshot(ctx, string(r.Before.ID), snap.Name); err != nil {
			return err
		}
		if err := s.Store.DeleteSnapshot(ctx, r.Before.ID, snap.Name); err != nil && !errors.Is(err,
			inventory.ErrNotFound) {
			return err
		}
	}
	return nil
}

// stopForRestore stops the container if it runs, and remembers that it has to run again.
func (s *Service) stopForRestore(ctx context.Context, r *gate.Run) error {
	if err := r.Save("ran",
		s.Observer.State(r.Before).IsLive() || r.Before.Intent == inventory.IntentRun && r.Resumed); err != nil {
		return err
	}
	text, err := s.value(ctx, r.Before, "stop.timeout")
	if err != nil {
		return err
	}
	timeout, err := inventory.ParseDuration(text)
	if err != nil {
		return err
	}
	return s.stopWithin(ctx, r, timeout, true)
}

// keepBeforeRestore takes a snapshot of what is about to be replaced: nothing is lost, and the
// way back if the swap fails.
func (s *Service) keepBeforeRestore(ctx context.Context, r *gate.Run) error {
	var name string
	if !r.Load(keptKey, &name) {
		name = "before-restore-" + r.Operation.StartedAt.UTC().Format("20060102-150405")
		if err := r.Save(keptKey, name); err != nil {
			return err
		}
	}
	if err := s.Pool.Snapshot(ctx, string(r.Before.ID), name); err != nil && !errors.Is(err,
		inventory.ErrExists) {
		return err
	}
	return s.Store.SaveSnapshot(ctx, inventory.Snapshot{Container: r.Before.ID, Name: name,
		CreatedAt: s.Now().UTC(),
		Note:      "taken by the restore of another snapshot", Config: r.Before})
}

func (s *Service) swapSnapshot(ctx context.Context, r *gate.Run) error {
	name, err := s.snapshotName(r)
	if err != nil {
		return err
	}
	return s.Pool.RestoreSnapshot(ctx, string(r.Before.ID), name)
}

func (s *Service) swapBack(ctx context.Context, r *gate.Run) error {
	var kept string
	if !r.Load(keptKey, &kept) {
		return nil
	}
	return s.Pool.RestoreSnapshot(ctx, string(r.Before.ID), kept)
}

func (s *Service) startAfterRestore(ctx context.Context, r *gate.Run) error {
	var ran bool
	if r.Load("ran", &ran); !ran {
		return nil
	}
	return s.start(ctx, r)
}
