package project

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"lodge/inventory"
	"lodge/manager/gate"
)

// prepareCreate drafts a project.
func (s *Service) prepareCreate(ctx context.Context, r *gate.Request) (*gate.Draft, error) {
	var args inventory.ProjectArgs
	if err := r.Decode(&args); err != nil {
		return nil, err
	}
	if args.Owner == nil || *args.Owner == "" {
		args.Owner = &r.Principal.Name
	}
	args.Revision = 0
	after, err := s.draft(ctx, inventory.Project{Name: args.Name}, &args)
	if err != nil {
		return nil, err
	}
	if _, err := s.Projects.Project(ctx, args.Name); !errors.Is(err, inventory.ErrNotFound) {
		if err == nil {
			err = inventory.Errorf(inventory.ErrExists, "project %s exists already; choose another name",
				args.Name)
		}
		return nil, err
	}
	return &gate.Draft{Args: args, Effects: inventory.DiffProjects(nil, &after, s.Settings)}, nil
}

// prepareUpdate drafts changed facts and defaults.
func (s *Service) prepareUpdate(ctx context.Context, r *gate.Request) (*gate.Draft, error) {
	var args inventory.ProjectArgs
	if err := r.Decode(&args); err != nil {
		return nil, err
	}
	before, err := s.Projects.Project(ctx, args.Name)
	if err != nil {
		return nil, err
	}
	if r.Revision != 0 && r.Revision != before.Revision {
		return nil, inventory.Errorf(inventory.ErrStale,
			"project %s changed meanwhile: you saw revision %d, it is at %d; look again and repeat",
			args.Name, r.Revision, before.Revision)
	}
	args.Name, args.Revision = before.Name, before.Revision
	after, err := s.draft(ctx, before, &args)
	if err != nil {
		return nil, err
	}
	reserve, err := s.Containers.Reservations(ctx, after)
	if err != nil {
		return nil, err
	}
	if err := s.Quotas.TryProject(ctx, after, reserve); err != nil {
		return nil, err
	}
	d := &gate.Draft{Args: args, Effects: inventory.DiffProjects(&before, &after, s.Settings)}
	for i, line := range d.Effects {
		if slices.Contains(s.Settings[line.Field].Scopes, inventory.ScopeContainer) {
			d.Effects[i].Note = "for every container of it that has no value of its own"
		}
	}
	return d, nil
}

// draft returns p with the parameters put over it, one revision on; settings in the parameters
// become canonical.
func (s *Service) draft(ctx context.Context, p inventory.Project,
	args *inventory.ProjectArgs) (inventory.Project, error) {
	given, err := s.Settings.Check(inventory.ScopeProject, args.Settings)
	if err != nil {
		return p, err
	}
	for _, name := range args.Unset {
		if _, ok := s.Settings[name]; !ok {
			return p, inventory.Errorf(inventory.ErrInvalid, "there is no setting %q", name)
		}
	}
	args.Settings = given
	after := merge(p, *args)
	if err := after.Check(); err != nil {
		return p, err
	}
	if after.Network != "" {
		if _, err := s.Defaults.Network(ctx, after.Network); err != nil {
			return p, err
		}
	}
	if after.Image != "" && after.Image != p.Image {
		if _, err := s.Defaults.Image(ctx, after.Image); err != nil {
			return p, err
		}
	}
	after.UpdatedAt = s.Now()
	return after, nil
}

// merge returns p with the parameters put over it, one revision on.
func merge(p inventory.Project, args inventory.ProjectArgs) inventory.Project {
	after := *p.Clone()
	after.Revision++
	for field, value := range map[*string]*string{&after.Purpose: args.Purpose,
		&after.Owner: args.Owner, &after.Network: args.Network, &after.Image: args.Image} {
		if value != nil {
			*field = strings.TrimSpace(*value)
		}
	}
	after.Members = inventory.MergeMembers(after.Members, args.Members, args.Unmember)
	if after.Settings == nil {
		after.Settings = map[string]string{}
	}
	maps.Copy(after.Settings, args.Settings)
	for _, name := range args.Unset {
		delete(after.Settings, name)
	}
	return after
}

func (s *Service) create(ctx context.Context, r *gate.Run) error {
	var args inventory.ProjectArgs
	if err := r.Decode(&args); err != nil {
		return err
	}
	p := merge(inventory.Project{Name: args.Name}, args)
	p.CreatedAt, p.UpdatedAt = r.Operation.StartedAt, r.Operation.StartedAt
	return s.Projects.PutProject(ctx, p, nil)
}

// uncreate removes what create made: another's project of that name was made at another time.
func (s *Service) uncreate(ctx context.Context, r *gate.Run) error {
	p, err := s.Projects.Project(ctx, r.Operation.Name)
	if errors.Is(err, inventory.ErrNotFound) || err == nil && !p.CreatedAt.Equal(r.Operation.StartedAt) {
		return nil
	}
	if err != nil {
		return err
	}
	return s.Projects.DeleteProject(ctx, p.Name)
}

func (s *Service) update(ctx context.Context, r *gate.Run) error {
	var args inventory.ProjectArgs
	if err := r.Decode(&args); err != nil {
		return err
	}
	p, err := s.Projects.Project(ctx, args.Name)
	if err != nil {
		return err
	}
	if p.Revision == args.Revision+1 && p.UpdatedAt.Equal(r.Operation.StartedAt) {
		return nil // an earlier try has written it
	}
	if p.Revision != args.Revision {
		return inventory.Errorf(inventory.ErrStale,
			"project %s changed meanwhile; look again and repeat", p.Name)
	}
	if err := r.Save("before", p); err != nil {
		return err
	}
	after := merge(p, args)
	after.UpdatedAt = r.Operation.StartedAt
	reserve, err := s.Containers.Reservations(ctx, after)
	if err != nil {
		return err
	}
	return s.Projects.PutProject(ctx, after, reserve)
}

func (s *Service) updateBack(ctx context.Context, r *gate.Run) error {
	var before inventory.Project
	if !r.Load("before", &before) {
		return nil
	}
	now, err := s.Projects.Project(ctx, before.Name)
	if err != nil || now.Revision == before.Revision {
		return err
	}
	back := before
	back.Revision = now.Revision + 1
	reserve, err := s.Containers.Reservations(ctx, back)
	if err != nil {
		return err
	}
	if err := s.Projects.PutProject(ctx, back, reserve); err != nil {
		return err
	}
	return s.Rules.ApplyRules(ctx)
}

// apply brings the containers, and the rules between them, to what they inherit.
func (s *Service) apply(ctx context.Context, r *gate.Run) error {
	var args inventory.ProjectArgs
	if err := r.Decode(&args); err != nil {
		return err
	}
	changed := slices.AppendSeq(slices.Clone(args.Unset), maps.Keys(args.Settings))
	if len(changed) == 0 {
		return nil
	}
	if slices.Contains(changed, settingWithin) {
		if err := s.Rules.ApplyRules(ctx); err != nil {
			return err
		}
	}
	return s.Containers.Inherit(ctx, args.Name, changed)
}

// prepareDelete refuses to let a project go that something is in.
func (s *Service) prepareDelete(ctx context.Context, r *gate.Request) (*gate.Draft, error) {
	var args inventory.ProjectDeleteArgs
	if err := r.Decode(&args); err != nil {
		return nil, err
	}
	if args.Name == inventory.DefaultProject {
		return nil, inventory.Errorf(inventory.ErrState, "the project default can't be deleted")
	}
	p, err := s.Projects.Project(ctx, args.Name)
	if err != nil {
		return nil, err
	}
	if err := s.Projects.ProjectInUse(ctx, p.Name); err != nil {
		return nil, err
	}
	return &gate.Draft{Effects: inventory.DiffProjects(&p, nil, s.Settings)}, nil
}

func (s *Service) delete(ctx context.Context, r *gate.Run) error {
	return s.Projects.DeleteProject(ctx, r.Operation.Name)
}
