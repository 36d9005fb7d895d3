package container

import (
	"context"
	"strings"

	"lodge/inventory"
	"lodge/manager/gate"
)

// prepareRename drafts a new name. Address, id, data and history stay. In the trash too: that is how
// a name is used again although somebody may want the other back.
func (s *Service) prepareRename(ctx context.Context, r *gate.Request) (*gate.Draft, error) {
	var args inventory.RenameArgs
	if err := r.Decode(&args); err != nil {
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
	d := &gate.Draft{After: after, Effects: inventory.Diff(r.Container, after, s.Config.Settings)}
	if r.Container.IsTrashed() { // what comes after its name may mean who has the name next
		d.Effects = append(d.Effects, inventory.EffectLine{Field: "trash", After: after.Name,
			Note: "stays there with its data and addresses; the name " + r.Container.Ref().String() + " is free"})
		return d, nil
	}
	return d, s.checkNoneAfter(ctx, r.Container, "keeps its name")
}

// prepareMoveProject drafts another project. Name, address, id, data and history stay; what it
// inherits is the new project's.
func (s *Service) prepareMoveProject(ctx context.Context, r *gate.Request) (*gate.Draft, error) {
	var args inventory.MoveProjectArgs
	if err := r.Decode(&args); err != nil {
		return nil, err
	}
	if err := notInTrash(r.Container); err != nil {
		return nil, err
	}
	if args.Project == r.Container.Project {
		return nil, inventory.Errorf(inventory.ErrInvalid, "%s is in project %s already",
			r.Container.Ref(), args.Project)
	}
	if err := s.checkAlone(ctx, r.Container); err != nil {
		return nil, err
	}
	after := r.Container.Clone()
	after.Project, after.UpdatedAt = args.Project, s.Now()
	if err := s.checkFacts(ctx, after); err != nil {
		return nil, err
	}
	if err := s.checkNew(ctx, after); err != nil {
		return nil, err
	}
	return s.draftMove(ctx, r.Container, after)
}

// checkAlone refuses to take a container away from those of its project that it waits for at a
// start, or that wait for it: names in after are those of one project.
func (s *Service) checkAlone(ctx context.Context, c *inventory.Container) error {
	if len(c.After) > 0 {
		return inventory.Errorf(inventory.ErrState,
			"%s comes after %s of its project; 'lodge set %s after=' lets go of that", c.Ref(),
			strings.Join(c.After, ", "), c.Ref())
	}
	if held := c.Volumes(); len(held) > 0 {
		return inventory.Errorf(inventory.ErrState, "%s has volumes of its project (%s); detach them first", c.Ref(),
			strings.Join(held, ", "))
	}
	return s.checkNoneAfter(ctx, c, "can't leave its project")
}

// checkNoneAfter refuses what would leave others waiting for a name that is nobody's.
func (s *Service) checkNoneAfter(ctx context.Context, c *inventory.Container, then string) error {
	all, err := s.containersOf(ctx, c.Project)
	for _, o := range all {
		if o.ComesAfter(c.Name) {
			return inventory.Errorf(inventory.ErrState,
				"%s comes after %s, which %s then; 'lodge set %s after=' lets go of that",
				o.Ref(), c.Ref(), then, o.Ref())
		}
	}
	return err
}

// draftMove says what a move changes: the names, and the settings that come from the project.
func (s *Service) draftMove(ctx context.Context, before, after *inventory.Container) (*gate.Draft, error) {
	old, err := s.Effective(ctx, before)
	if err != nil {
		return nil, err
	}
	values, err := s.Effective(ctx, after)
	if err != nil {
		return nil, err
	}
	d := &gate.Draft{After: after, Reserve: reservation(inventory.ValueMap(values)),
		Effects: inventory.Diff(before, after, s.Config.Settings)}
	for i, v := range values {
		if v.Value != old[i].Value {
			d.Effects = append(d.Effects, inventory.EffectLine{Field: v.Setting, Before: old[i].Value,
				After: v.Value, Effect: inventory.EffectRestart, Note: "from the " + v.Origin})
		}
	}
	return d, nil
}

func (s *Service) move(ctx context.Context, r *gate.Run) error {
	if r.After.LXCName() == r.Before.LXCName() {
		return nil
	}
	return s.Shape.Rename(ctx, r.After, r.Before.LXCName())
}

func (s *Service) moveBack(ctx context.Context, r *gate.Run) error {
	if r.After.LXCName() == r.Before.LXCName() {
		return nil
	}
	if err := s.Shape.Rename(ctx, r.Before, r.After.LXCName()); err != nil {
		return err
	}
	return s.configureAs(ctx, r.Before)
}

// nameInside writes the new host name where the container's own programs read it.
func (s *Service) nameInside(ctx context.Context, r *gate.Run) error {
	if r.After.Ref() == r.Before.Ref() {
		return nil
	}
	return s.writeFirstBoot(ctx, r.After, "", nil)
}

func (s *Service) nameInsideBack(ctx context.Context, r *gate.Run) error {
	if r.After.Ref() == r.Before.Ref() {
		return nil
	}
	return s.writeFirstBoot(ctx, r.Before, "", nil)
}
