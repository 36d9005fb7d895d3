package volume

import (
	"context"
	"errors"
	"slices"
	"time"

	"lodge/inventory"
	"lodge/manager/gate"
)

// snapshotVerbs are about a volume at one instant.
func (s *Service) snapshotVerbs(verb func(name, command string, risk inventory.Risk, steps ...gate.Step) gate.Verb) []gate.Verb {
	take := verb("volume.snapshot", "volume snapshot create", inventory.RiskLow,
		gate.Step{Name: "snapshot", Do: s.take, Undo: s.drop}, gate.Step{Name: "row", Do: s.saveSnapshot, Undo: s.dropRow})
	take.Prepare = s.prepareSnapshot
	restore := verb("volume.restore", "volume snapshot restore", inventory.RiskHigh,
		gate.Step{Name: "keep", Do: s.keep}, gate.Step{Name: "swap", Do: s.swap, Undo: s.swapBack})
	restore.Prepare, restore.Recovery = s.prepareRestore, gate.RecoverFinish
	remove := verb("volume.snapshot.delete", "volume snapshot delete", inventory.RiskHigh,
		gate.Step{Name: "snapshot", Do: s.drop}, gate.Step{Name: "row", Do: s.dropRow})
	remove.Prepare, remove.Recovery = s.prepareSnapshotDelete, gate.RecoverFinish
	remove.Interrupts = "the snapshot is gone for good"
	return []gate.Verb{take, restore, remove}
}

// plannedSnapshot is what the plan makes of the parameters.
type plannedSnapshot struct {
	inventory.VolumeSnapshotArgs
	ID   inventory.VolumeID `json:"id"`
	Pool string             `json:"pool"`
}

// kept names the snapshot a restore takes of the state it replaces.
func kept(r *gate.Run) string {
	return "before-restore-" + r.Operation.StartedAt.UTC().Format("20060102-150405")
}

func (s *Service) named(ctx context.Context, r *gate.Request) (p plannedSnapshot, v inventory.Volume, err error) {
	if err := r.Decode(&p); err != nil {
		return p, v, err
	}
	v, err = s.Store.Volume(ctx, inventory.Ref{Project: p.Project, Name: p.Volume})
	p.ID, p.Volume, p.Project, p.Pool = v.ID, v.Name, v.Project, v.Pool
	return p, v, err
}

func (s *Service) find(ctx context.Context, p plannedSnapshot) (found inventory.VolumeSnapshot, ok bool, err error) {
	all, err := s.Store.VolumeSnapshots(ctx, p.ID)
	i := slices.IndexFunc(all, func(n inventory.VolumeSnapshot) bool { return n.Name == p.Name })
	if i < 0 {
		return found, false, err
	}
	return all[i], true, err
}

func (s *Service) prepareSnapshot(ctx context.Context, r *gate.Request) (*gate.Draft, error) {
	p, v, err := s.named(ctx, r)
	if err != nil {
		return nil, err
	}
	if p.Name == "" {
		p.Name = "s" + s.Now().UTC().Format("20060102-150405")
	}
	if err := errors.Join(inventory.CheckName("the snapshot", p.Name), inventory.CheckLine("the note", p.Note)); err != nil {
		return nil, err
	}
	if _, ok, err := s.find(ctx, p); err != nil {
		return nil, err
	} else if ok {
		return nil, inventory.Errorf(inventory.ErrExists, "volume %s has a snapshot %s already; choose another name", v.Ref(), p.Name)
	}
	return &gate.Draft{Args: p, Effects: []inventory.EffectLine{
		{Field: "snapshot", After: p.Name, Effect: inventory.EffectLive}}}, nil
}

func (s *Service) existing(ctx context.Context, r *gate.Request) (p plannedSnapshot, n inventory.VolumeSnapshot, err error) {
	p, v, err := s.named(ctx, r)
	if err != nil {
		return p, n, err
	}
	n, ok, err := s.find(ctx, p)
	if err == nil && !ok {
		err = inventory.Errorf(inventory.ErrNotFound, "volume %s has no snapshot %s", v.Ref(), p.Name)
	}
	return p, n, err
}

func (s *Service) prepareRestore(ctx context.Context, r *gate.Request) (*gate.Draft, error) {
	p, n, err := s.existing(ctx, r)
	if err != nil {
		return nil, err
	}
	if err := s.idle(ctx, p.ID); err != nil {
		return nil, err
	}
	return &gate.Draft{Args: p, Effects: []inventory.EffectLine{{Field: "files", Before: "now",
		After: n.Name + " of " + n.CreatedAt.UTC().Format(time.RFC3339), Effect: inventory.EffectLive,
		Note: "the present state is kept as a snapshot"}}}, nil
}

// idle refuses while a container that has the volume runs: it would go on with files that are gone.
func (s *Service) idle(ctx context.Context, id inventory.VolumeID) error {
	held, err := s.Store.Attachments(ctx, id, false)
	if err != nil {
		return err
	}
	for _, a := range held {
		c, err := s.Store.Container(ctx, inventory.Ref{Name: string(a.Container)})
		if err != nil {
			return err
		}
		if s.Observer.State(c).IsLive() {
			return inventory.Errorf(inventory.ErrState,
				"a volume can't be restored while a container has it open: stop %s, or detach it there", c.Ref())
		}
	}
	return nil
}

func (s *Service) prepareSnapshotDelete(ctx context.Context, r *gate.Request) (*gate.Draft, error) {
	p, n, err := s.existing(ctx, r)
	if err != nil {
		return nil, err
	}
	return &gate.Draft{Args: p, Effects: []inventory.EffectLine{{Field: "snapshot", Before: n.Name}}}, nil
}

func plannedFor(r *gate.Run) (plannedSnapshot, error) {
	var p plannedSnapshot
	err := r.Decode(&p)
	return p, err
}

func (s *Service) take(ctx context.Context, r *gate.Run) error {
	p, err := plannedFor(r)
	if err != nil {
		return err
	}
	err = s.Pools.Pool(p.Pool).Snapshot(ctx, string(p.ID), p.Name)
	if r.Resumed && errors.Is(err, inventory.ErrExists) {
		return nil
	}
	return err
}

func (s *Service) saveSnapshot(ctx context.Context, r *gate.Run) error {
	p, err := plannedFor(r)
	if err != nil {
		return err
	}
	return errors.Join(r.Result(map[string]string{"snapshot": p.Name}), s.Store.SaveVolumeSnapshot(ctx,
		inventory.VolumeSnapshot{Volume: p.ID, Name: p.Name, Note: p.Note, CreatedAt: s.Now().UTC()}))
}

func (s *Service) drop(ctx context.Context, r *gate.Run) error {
	p, err := plannedFor(r)
	if err != nil {
		return err
	}
	return s.Pools.Pool(p.Pool).DeleteSnapshot(ctx, string(p.ID), p.Name)
}

func (s *Service) dropRow(ctx context.Context, r *gate.Run) error {
	p, err := plannedFor(r)
	if err != nil {
		return err
	}
	return s.Store.DeleteVolumeSnapshot(ctx, p.ID, p.Name)
}

// keep takes a snapshot of what is about to be replaced.
func (s *Service) keep(ctx context.Context, r *gate.Run) error {
	p, err := plannedFor(r)
	if err != nil {
		return err
	}
	if err := s.idle(ctx, p.ID); err != nil {
		return err
	}
	if err := s.Pools.Pool(p.Pool).Snapshot(ctx, string(p.ID), kept(r)); err != nil && !errors.Is(err, inventory.ErrExists) {
		return err
	}
	return s.Store.SaveVolumeSnapshot(ctx, inventory.VolumeSnapshot{Volume: p.ID, Name: kept(r),
		CreatedAt: s.Now().UTC(), Note: "taken by the restore of another snapshot"})
}

func (s *Service) swap(ctx context.Context, r *gate.Run) error {
	p, err := plannedFor(r)
	if err != nil {
		return err
	}
	return s.Pools.Pool(p.Pool).RestoreSnapshot(ctx, string(p.ID), p.Name)
}

func (s *Service) swapBack(ctx context.Context, r *gate.Run) error {
	p, err := plannedFor(r)
	if err != nil {
		return err
	}
	return s.Pools.Pool(p.Pool).RestoreSnapshot(ctx, string(p.ID), kept(r))
}
