package container

import (
	"context"
	"errors"

	"lodge/inventory"
	"lodge/manager/gate"
	"lodge/manager/storage"
)

// prepareImport makes the container of an export, as far as its index tells of it: what the caller
// says counts, and all that is not taken over is in the plan. It is made from no image.
func (s *Service) prepareImport(ctx context.Context, r *gate.Request) (*gate.Draft, error) {
	var args inventory.ImportContainerArgs
	if err := r.Decode(&args); err != nil {
		return nil, err
	}
	if args.Image != "" || args.UserData != "" {
		return nil, inventory.Errorf(inventory.ErrInvalid,
			"an import has its own files, and was booted before: it takes neither an image nor user data")
	}
	was, err := s.Archives.Look(ctx, args.Upload)
	if err != nil {
		return nil, err
	}
	was.Complete(&args)
	c, err := s.draftContainer(ctx, r, &args.CreateArgs)
	if err != nil {
		return nil, err
	}
	c.Intent = inventory.IntentStop
	p, err := s.Projects.Project(ctx, c.Project)
	if err != nil {
		return nil, err
	}
	if args.Network == "" {
		args.Network = p.Network
	}
	if err := s.lend(ctx, c, &args.Expires, &args.RunFor); err != nil {
		return nil, err
	}
	d, err := s.equip(ctx, r, c, &args.CreateArgs)
	if err != nil {
		return nil, err
	}
	d.Args = args
	for _, left := range was.Left {
		d.Effects = append(d.Effects, inventory.EffectLine{Field: left.What, Note: "not taken over: " + left.Why})
	}
	return d, nil
}

// unpack makes the root file system and writes the export's files to it: they count against its size.
func (s *Service) unpack(ctx context.Context, r *gate.Run) error {
	var args inventory.ImportContainerArgs
	if err := r.Decode(&args); err != nil {
		return err
	}
	if err := s.recheckCapacity(ctx, r); err != nil {
		return err
	}
	size, err := s.diskSize(ctx, r.After)
	if err != nil {
		return err
	}
	id := string(r.After.ID)
	if r.Resumed { // an earlier try may have come half way
		if err := s.pool(r.After).Delete(ctx, id); err != nil {
			return err
		}
	}
	if err := s.pool(r.After).CreateEmpty(ctx, storage.Volume{ID: id, Size: size}); err != nil {
		return err
	}
	was, system, err := s.Archives.Unpack(ctx, r, args.Upload, s.pool(r.After).Path(id))
	if errors.Is(err, inventory.ErrQuota) {
		return inventory.Errorf(inventory.ErrQuota,
			"the files of %s don't fit into a disk of %s, or into the pool; --disk gives it more", args.Source, size)
	}
	if err == nil {
		_, err = inventory.CheckInit(system, s.Cgroups)
	}
	if err != nil {
		return err
	}
	return r.Result(was)
}

// ununpack takes away the root file system and the upload: who asks again sends it again.
func (s *Service) ununpack(ctx context.Context, r *gate.Run) error {
	return errors.Join(s.deleteVolume(ctx, r), s.dropUpload(ctx, r))
}

func (s *Service) dropUpload(_ context.Context, r *gate.Run) error {
	var args inventory.ImportContainerArgs
	if err := r.Decode(&args); err != nil {
		return err
	}
	return s.Archives.Drop(args.Upload)
}
