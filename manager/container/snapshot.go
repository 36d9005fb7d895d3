package container

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"lodge/inventory"
	"lodge/manager/gate"
)

// A snapshot is a row and a volume of the pool. The row comes first: it claims the name, and the
// time in it is that of the operation that made it. So what an undo or a deadline finds under a name
// is its own or somebody else's, and that is known whatever happened in between.

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
	if err := s.checkUnclaimed(r.Container, args.Name); err != nil {
		return nil, err
	}
	d := &gate.Draft{Args: args, Effects: []inventory.EffectLine{
		{Field: "snapshot", After: args.Name, Effect: inventory.EffectLive}}}
	interrupts, err := s.pause(ctx, r)
	d.Interrupts = interrupts
	return d, err
}

// pause says how long the container of the request stands still while its root is copied, if it does.
func (s *Service) pause(ctx context.Context, r *gate.Request) (string, error) {
	if !r.Observed.State.IsLive() {
		return "", nil
	}
	pause, err := s.pool(r.Container).SnapshotPause(ctx, string(r.Container.ID))
	if err != nil || pause == 0 {
		return "", err
	}
	return fmt.Sprintf("every process that writes stands still for about %s while pool %s copies the root file system",
		pause.Round(100*time.Millisecond), r.Container.Pool), nil
}

// checkUnclaimed refuses a name under which the pool keeps something that no row tells of.
func (s *Service) checkUnclaimed(c *inventory.Container, name string) error {
	if !s.isKept(c, name) {
		return nil
	}
	return inventory.Errorf(inventory.ErrExists,
		"the pool keeps a snapshot %s of %s that the inventory does not know; choose another name",
		name, c.Ref())
}

// isKept reports whether the pool has a snapshot of that name.
func (s *Service) isKept(c *inventory.Container, name string) bool {
	_, err := os.Lstat(s.pool(c).SnapshotPath(string(c.ID), name))
	return err == nil
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

// prepareSnapshotDelete drafts the end of a snapshot. A deadline deletes only the one it was made
// for: that may be gone, and its name given to another.
func (s *Service) prepareSnapshotDelete(ctx context.Context, r *gate.Request) (*gate.Draft, error) {
	args, snap, err := s.snapshotOf(ctx, r)
	if err != nil {
		return nil, err
	}
	if snap.Pinned {
		return nil, inventory.Errorf(inventory.ErrState,
			"snapshot %s is pinned and can't be deleted", snap.Name)
	}
	if !args.CreatedAt.IsZero() && !args.CreatedAt.Equal(snap.CreatedAt) {
		return nil, inventory.Errorf(inventory.ErrState,
			"snapshot %s of %s is another one now, and is left as it is", snap.Name, r.Container.Ref())
	}
	return &gate.Draft{Args: args, Effects: []inventory.EffectLine{{Field: "snapshot",
		Before: snap.Name}}}, nil
}

func (s *Service) snapshotName(r *gate.Run) (string, error) {
	var args inventory.SnapshotArgs
	err := r.Decode(&args)
	return args.Name, err
}

// claimSnapshot writes the row. It looks at the pool again: since Prepare another operation may
// have ended.
func (s *Service) claimSnapshot(ctx context.Context, r *gate.Run) error {
	var args inventory.SnapshotArgs
	if err := r.Decode(&args); err != nil {
		return err
	}
	if err := s.checkUnclaimed(r.Before, args.Name); err != nil {
		return err
	}
	snap := inventory.Snapshot{Container: r.Before.ID, Name: args.Name, Note: args.Note,
		Pinned: args.Pinned, Scheduled: r.Operation.Principal.IsSchedule(inventory.SnapshotSchedule),
		Running:   s.Observer.State(r.Before).IsLive(),
		CreatedAt: r.Operation.StartedAt.UTC(), Config: r.Before}
	if args.Expires != "" {
		keep, err := inventory.ParseDuration(args.Expires)
		if err != nil {
			return err
		}
		snap.ExpiresAt = snap.CreatedAt.Add(keep)
	}
	return s.Store.AddSnapshot(ctx, snap)
}

// takeSnapshot makes what the row promises, and when it expires the deadline of its end.
func (s *Service) takeSnapshot(ctx context.Context, r *gate.Run) error {
	name, err := s.snapshotName(r)
	if err != nil {
		return err
	}
	if err := s.pool(r.Before).Snapshot(ctx, string(r.Before.ID), name); err != nil {
		return err
	}
	snap, err := s.Store.Snapshot(ctx, r.Before.ID, name)
	if err == nil && !snap.ExpiresAt.IsZero() {
		err = s.gate.AddDeadline(ctx, s.deadline(r.Before, "snapshot.delete", snap.ExpiresAt,
			inventory.SnapshotArgs{Name: name, CreatedAt: snap.CreatedAt}, r.Operation.Principal,
			"the snapshot expired"))
	}
	return errors.Join(err, r.Result(map[string]string{"snapshot": name}))
}

// isOwn reports whether the snapshot of that name is the one this operation has claimed.
func (s *Service) isOwn(ctx context.Context, r *gate.Run, name string) (bool, error) {
	snap, err := s.Store.Snapshot(ctx, r.Before.ID, name)
	if errors.Is(err, inventory.ErrNotFound) {
		return false, nil
	}
	return err == nil && snap.CreatedAt.Equal(r.Operation.StartedAt), err
}

// untakeSnapshot and unclaimSnapshot remove what this operation has made, and nothing else.
func (s *Service) untakeSnapshot(ctx context.Context, r *gate.Run) error {
	return s.ifOwn(ctx, r, s.dropSnapshot)
}

func (s *Service) unclaimSnapshot(ctx context.Context, r *gate.Run) error {
	return s.ifOwn(ctx, r, s.dropSnapshotRow)
}

func (s *Service) ifOwn(ctx context.Context, r *gate.Run,
	do func(context.Context, *gate.Run) error) error {
	name, err := s.snapshotName(r)
	if err != nil {
		return err
	}
	if own, err := s.isOwn(ctx, r, name); err != nil || !own {
		return err
	}
	return do(ctx, r)
}

func (s *Service) dropSnapshot(ctx context.Context, r *gate.Run) error {
	name, err := s.snapshotName(r)
	if err != nil {
		return err
	}
	return s.pool(r.Before).DeleteSnapshot(ctx, string(r.Before.ID), name)
}

func (s *Service) dropSnapshotRow(ctx context.Context, r *gate.Run) error {
	name, err := s.snapshotName(r)
	if err != nil {
		return err
	}
	return s.Store.DeleteSnapshot(ctx, r.Before.ID, name)
}

// deleteSnapshots is a step of purge.
func (s *Service) deleteSnapshots(ctx context.Context, r *gate.Run) error {
	all, err := s.Store.Snapshots(ctx, r.Before.ID)
	if err != nil {
		return err
	}
	for _, snap := range all {
		if err := s.pool(r.Before).DeleteSnapshot(ctx, string(r.Before.ID), snap.Name); err != nil {
			return err
		}
		if err := s.Store.DeleteSnapshot(ctx, r.Before.ID, snap.Name); err != nil {
			return err
		}
	}
	return nil
}
