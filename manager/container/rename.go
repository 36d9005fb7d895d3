package container

import (
	"context"

	"lodge/inventory"
	"lodge/manager/gate"
)

// prepareRename drafts a new name. Address, id, data and history stay.
func (s *Service) prepareRename(ctx context.Context, r *gate.Request) (*gate.Draft, error) {
	var args inventory.RenameArgs
	if err := r.Decode(&args); err != nil {
		return nil, err
	}
	if err := notInTrash(r.Container); err != nil {
		return nil, err
	}
	after := r.Container.Clone()
	after.Name, after.UpdatedAt = args.Name, s.Now()
	if err := inventory.CheckName("the container", after.Name); err != nil {
		return nil, err
	}
	if err := s.checkNew(ctx, after); err != nil {
		return nil, err
	}
	return &gate.Draft{After: after, Effects: inventory.Diff(r.Container, after, s.Config.Settings)}, nil
}

func (s *Service) move(ctx context.Context, r *gate.Run) error {
	return s.Shape.Rename(ctx, r.After, r.Before.LXCName())
}

func (s *Service) moveBack(ctx context.Context, r *gate.Run) error {
	if err := s.Shape.Rename(ctx, r.Before, r.After.LXCName()); err != nil {
		return err
	}
	return s.configureAs(ctx, r.Before)
}

// nameInside writes the new host name where the container's own programs read it.
func (s *Service) nameInside(ctx context.Context, r *gate.Run) error {
	return s.writeFirstBoot(ctx, r.After, "", nil)
}

func (s *Service) nameInsideBack(ctx context.Context, r *gate.Run) error {
	return s.writeFirstBoot(ctx, r.Before, "", nil)
}
