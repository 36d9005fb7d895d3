package volume

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"strings"

	"lodge/inventory"
	"lodge/manager/gate"
	"lodge/manager/storage"
)

// unmarshal reads some of a request's parameters.
func unmarshal(r *gate.Request, into any) error {
	if len(r.Args) == 0 {
		return nil
	}
	return json.Unmarshal(r.Args, into)
}

// planned is what the plan makes of the parameters: the volume as it is to be, and as it was.
type planned struct {
	inventory.VolumeArgs
	Next inventory.Volume `json:"next"`
	Was  inventory.Volume `json:"was"`
}

func (s *Service) prepareCreate(ctx context.Context, r *gate.Request) (*gate.Draft, error) {
	var args inventory.VolumeArgs
	if err := decode(r, &args); err != nil {
		return nil, err
	}
	size, err := inventory.ParseBytes(cmp.Or(args.Size, "0"))
	if err != nil && args.Size != "" {
		return nil, err
	}
	id, err := s.newID(ctx, args.ID)
	if err != nil {
		return nil, err
	}
	v := inventory.Volume{ID: id, HostID: s.Host, Name: args.Name,
		Project: orDefault(args.Project), Pool: cmp.Or(args.Pool, s.Pools.Default()), Owner: cmp.Or(args.Owner, r.Principal.Name),
		Purpose: strings.TrimSpace(args.Purpose), Size: size, Backup: args.Backup == nil || *args.Backup, Shared: args.Shared,
		Revision: 1}
	if _, err := s.Store.Project(ctx, v.Project); err != nil {
		return nil, err
	}
	if err := inventory.CheckVolume(v); err != nil {
		return nil, err
	}
	if _, err := s.Store.Volume(ctx, v.Ref()); err == nil {
		return nil, inventory.Errorf(inventory.ErrExists, "volume %s exists already; choose another name", v.Ref())
	} else if !errors.Is(err, inventory.ErrNotFound) {
		return nil, err
	}
	if err := s.checkSize(ctx, v, 0); err != nil {
		return nil, err
	}
	args.ID, args.Size, args.Owner, args.Project, args.Pool = v.ID, v.Size.String(), v.Owner, v.Project, v.Pool
	return &gate.Draft{Args: planned{VolumeArgs: args, Next: v}, Effects: []inventory.EffectLine{
		{Field: "volume", After: v.Ref().String(), Effect: inventory.EffectLive},
		{Field: "size", After: v.Size.String(), Effect: inventory.EffectLive},
		{Field: "pool", After: v.Pool}, {Field: "owner", After: v.Owner}, {Field: "purpose", After: v.Purpose},
		{Field: "backup", After: word(v.Backup)}, {Field: "shared", After: word(v.Shared)}}}, nil
}

// newID keeps the id that an earlier plan of the same request made up: what others agreed to has to be
// what is done.
func (s *Service) newID(ctx context.Context, earlier inventory.VolumeID) (inventory.VolumeID, error) {
	if earlier == "" {
		return inventory.VolumeID(inventory.NewID(s.Now())), nil
	}
	if err := storage.CheckVolume(string(earlier)); err != nil {
		return "", err
	}
	_, err := s.Store.Volume(ctx, inventory.Ref{Name: string(earlier)})
	switch {
	case err == nil:
		return "", inventory.Errorf(inventory.ErrExists, "there is a volume with id %s already", earlier)
	case errors.Is(err, inventory.ErrNotFound):
		return earlier, nil
	}
	return "", err
}

func word(yes bool) string {
	if yes {
		return "yes"
	}
	return "no"
}

// decode reads the parameters. What a plan added is dropped and made anew.
func decode(r *gate.Request, args *inventory.VolumeArgs) error {
	var p planned
	if err := r.Decode(&p); err != nil {
		return err
	}
	*args = p.VolumeArgs
	return inventory.CheckName("the volume", args.Name)
}

// checkSize refuses a size the pool could never hold, or that would exceed a quota or what the pool may
// give; was is what the volume has of it.
func (s *Service) checkSize(ctx context.Context, v inventory.Volume, was inventory.Bytes) error {
	room, err := s.Pools.Pool(v.Pool).Free(ctx)
	if err != nil {
		return err
	}
	if v.Size > room.Total {
		return inventory.Errorf(inventory.ErrInvalid, "a volume of %s is larger than pool %s, which holds %s; ask for less",
			v.Size, v.Pool, room.Total)
	}
	if err := s.Capacity.CheckRoom(ctx, v, v.Size-was); err != nil {
		return err
	}
	return s.Store.VolumeFits(ctx, v)
}

func (s *Service) prepareResize(ctx context.Context, r *gate.Request) (*gate.Draft, error) {
	var args inventory.VolumeArgs
	if err := decode(r, &args); err != nil {
		return nil, err
	}
	was, err := s.Store.Volume(ctx, inventory.Ref{Project: args.Project, Name: args.Name})
	if err != nil {
		return nil, err
	}
	next := was
	if next.Size, err = inventory.ParseBytes(args.Size); err != nil {
		return nil, err
	}
	if err := inventory.CheckVolume(next); err != nil {
		return nil, err
	}
	if err := s.checkSize(ctx, next, was.Size); err != nil {
		return nil, err
	}
	args.ID, args.Size, args.Project = was.ID, next.Size.String(), was.Project
	return &gate.Draft{Args: planned{VolumeArgs: args, Next: next, Was: was}, Effects: []inventory.EffectLine{
		{Field: "size", Before: was.Size.String(), After: next.Size.String(), Effect: inventory.EffectLive}}}, nil
}

func (s *Service) prepareDelete(ctx context.Context, r *gate.Request) (*gate.Draft, error) {
	var args inventory.VolumeArgs
	if err := decode(r, &args); err != nil {
		return nil, err
	}
	was, err := s.Store.Volume(ctx, inventory.Ref{Project: args.Project, Name: args.Name})
	if err != nil {
		return nil, err
	}
	held, err := s.Store.Attachments(ctx, was.ID, false)
	if err != nil {
		return nil, err
	}
	if len(held) > 0 {
		return nil, inventory.Errorf(inventory.ErrState, "volume %s is attached to %s; detach it first", was.Ref(), holders(held))
	}
	args.ID, args.Project = was.ID, was.Project
	return &gate.Draft{Args: planned{VolumeArgs: args, Was: was}, Effects: []inventory.EffectLine{
		{Field: "volume", Before: was.Ref().String(), Note: "gone for good, with its data and snapshots"}}}, nil
}

// holders names containers, and says of which that they lie in the trash.
func holders(held []inventory.Attachment) string {
	var names []string
	for _, a := range held {
		name := inventory.Ref{Project: a.Project, Name: a.Name}.String()
		if a.Trashed {
			name += " (in the trash)"
		}
		names = append(names, name)
	}
	return strings.Join(names, ", ")
}

// plan is what the plan left for the steps.
func plan(r *gate.Run) (planned, error) {
	var p planned
	err := r.Decode(&p)
	return p, err
}

func (s *Service) addRow(ctx context.Context, r *gate.Run) error {
	p, err := plan(r)
	if err != nil {
		return err
	}
	p.Next.CreatedAt = r.Operation.StartedAt.UTC()
	p.Next.UpdatedAt = p.Next.CreatedAt
	return s.Store.AddVolume(ctx, p.Next)
}

func (s *Service) removeRow(ctx context.Context, r *gate.Run) error {
	p, err := plan(r)
	if err != nil {
		return err
	}
	return s.Store.RemoveVolume(ctx, p.ID)
}

func (s *Service) putRowBack(ctx context.Context, r *gate.Run) error {
	p, err := plan(r)
	if err != nil {
		return err
	}
	return s.Store.PutVolume(ctx, p.Was)
}

func (s *Service) make(ctx context.Context, r *gate.Run) error {
	p, err := plan(r)
	if err != nil {
		return err
	}
	err = s.Pools.Pool(p.Next.Pool).CreateEmpty(ctx, storage.Volume{ID: string(p.ID), Size: p.Next.Size})
	if r.Resumed && errors.Is(err, inventory.ErrExists) {
		return nil
	}
	return err
}

func (s *Service) unmake(ctx context.Context, r *gate.Run) error {
	p, err := plan(r)
	if err != nil {
		return err
	}
	return s.Pools.Pool(cmp.Or(p.Was.Pool, p.Next.Pool)).Delete(ctx, string(p.ID))
}

func (s *Service) resizeRow(ctx context.Context, r *gate.Run) error {
	p, err := plan(r)
	if err != nil {
		return err
	}
	return s.Store.ResizeVolume(ctx, p.ID, p.Next.Size)
}

func (s *Service) resize(ctx context.Context, r *gate.Run) error {
	p, err := plan(r)
	if err != nil {
		return err
	}
	return s.Pools.Pool(p.Was.Pool).Resize(ctx, string(p.ID), p.Next.Size)
}

func (s *Service) resizeBack(ctx context.Context, r *gate.Run) error {
	p, err := plan(r)
	if err != nil {
		return err
	}
	return s.Pools.Pool(p.Was.Pool).Resize(ctx, string(p.ID), p.Was.Size)
}
