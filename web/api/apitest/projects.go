package apitest

import (
	"context"
	"maps"
	"slices"

	"lodge/inventory"
	"lodge/manager/gate"
)

func (w reads) Projects(ctx context.Context) ([]inventory.Project, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.projects), nil
}

func (w reads) Project(ctx context.Context, name string) (inventory.Project, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	i := w.project(name)
	if i < 0 {
		return inventory.Project{}, inventory.Errorf(inventory.ErrNotFound, "there is no project %s", name)
	}
	return w.projects[i], nil
}

// project finds a project; -1 if there is none. w.mu is held.
func (w *World) project(name string) int {
	return slices.IndexFunc(w.projects, func(p inventory.Project) bool { return p.Name == name })
}

func (w reads) Quotas(ctx context.Context) ([]inventory.Quota, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.quotas), nil
}

// tenancy are the verbs of projects and quotas; ok is false for any other.
func (w *World) tenancy(r *gate.Request) (change func(), ok bool, err error) {
	switch r.Verb {
	case "project.create", "project.update":
		change, err = w.putProject(r)
	case "project.delete":
		change, err = w.dropProject(r)
	case "quota.set":
		change, err = w.setQuotas(r)
	case "container.move-project":
		args, e := decode[inventory.MoveProjectArgs](r)
		c := r.Container
		if e == nil && w.project(args.Project) < 0 {
			e = inventory.Errorf(inventory.ErrNotFound, "there is no project %s", args.Project)
		}
		change, err = func() { w.touch(c, r, func() { c.Project = args.Project }) }, e
	default:
		return nil, false, nil
	}
	return change, true, err
}

func (w *World) putProject(r *gate.Request) (func(), error) {
	args, err := decode[inventory.ProjectArgs](r)
	if err != nil {
		return nil, err
	}
	p, i := inventory.Project{Name: args.Name, Owner: r.Principal.Name, CreatedAt: start}, w.project(args.Name)
	switch {
	case r.Verb == "project.create" && i >= 0:
		return nil, inventory.Errorf(inventory.ErrExists, "project %s exists already", args.Name)
	case r.Verb == "project.update" && i < 0:
		return nil, inventory.Errorf(inventory.ErrNotFound, "there is no project %s", args.Name)
	case i >= 0:
		p = *w.projects[i].Clone()
	}
	for field, value := range map[*string]*string{&p.Purpose: args.Purpose, &p.Owner: args.Owner,
		&p.Network: args.Network, &p.Image: args.Image} {
		if value != nil {
			*field = *value
		}
	}
	values, err := table.Check(inventory.ScopeProject, args.Settings)
	if err == nil {
		err = p.Check()
	}
	if p.Settings == nil {
		p.Settings = map[string]string{}
	}
	maps.Copy(p.Settings, values)
	for _, name := range args.Unset {
		delete(p.Settings, name)
	}
	p.Members = inventory.MergeMembers(p.Members, args.Members, args.Unmember)
	p.Revision, p.UpdatedAt = p.Revision+1, start
	return func() {
		w.projects = slices.DeleteFunc(w.projects, func(q inventory.Project) bool { return q.Name == p.Name })
		w.projects = append(w.projects, p)
		slices.SortFunc(w.projects, func(a, b inventory.Project) int {
			if a.Name < b.Name {
				return -1
			}
			return 1
		})
	}, err
}

func (w *World) dropProject(r *gate.Request) (func(), error) {
	args, err := decode[inventory.ProjectDeleteArgs](r)
	if err == nil && w.project(args.Name) < 0 {
		err = inventory.Errorf(inventory.ErrNotFound, "there is no project %s", args.Name)
	}
	for _, c := range w.containers {
		if c.Project == args.Name && err == nil {
			err = inventory.Errorf(inventory.ErrState, "project %s has containers, %s among them", args.Name, c.Ref())
		}
	}
	return func() {
		w.projects = slices.DeleteFunc(w.projects, func(p inventory.Project) bool { return p.Name == args.Name })
	}, err
}

func (w *World) setQuotas(r *gate.Request) (func(), error) {
	args, err := decode[inventory.QuotaArgs](r)
	if err != nil {
		return nil, err
	}
	most := map[string]int64{}
	for name, text := range args.Quotas {
		if most[name], err = inventory.ParseQuota(name, text); err != nil {
			return nil, err
		}
	}
	return func() {
		w.quotas = slices.DeleteFunc(w.quotas, func(q inventory.Quota) bool {
			_, again := most[q.Name]
			return q.QuotaHolder == args.Holder() && (again || slices.Contains(args.Unset, q.Name))
		})
		for _, name := range slices.Sorted(maps.Keys(most)) {
			w.quotas = append(w.quotas, inventory.Quota{QuotaHolder: args.Holder(), Name: name, Max: most[name]})
		}
	}, nil
}
