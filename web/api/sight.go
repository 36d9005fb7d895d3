package api

import (
	"context"
	"time"

	"lodge/inventory"
)

// sees reports whether the caller may see something on c; c is nil for what is on the host itself.
func (a *API) sees(ctx context.Context, c *inventory.Container) bool {
	p, ok := inventory.PrincipalFrom(ctx)
	return ok && a.Rights.Allowed(p, inventory.RightView, c)
}

// seesProject reports whether the caller may see a project as a whole; "" is the host.
func (a *API) seesProject(ctx context.Context, name string) bool {
	if name == "" {
		return a.sees(ctx, nil)
	}
	return a.sees(ctx, &inventory.Container{Project: name})
}

// who is the directory of who there is; an empty one where the agent has none.
func (a *API) who(ctx context.Context) (*inventory.Directory, error) {
	if a.Identity == nil {
		return inventory.NewDirectory(nil, nil, nil, nil), nil
	}
	return a.Identity.Directory(ctx)
}

// A sight judges rows that name containers: it finds each as it is now, for its owner and labels say
// who may see it. Not safe for concurrent use.
type sight struct {
	*API
	known map[inventory.ContainerID]*inventory.Container
	read  time.Time
}

// stale is how old what a sight knows may be in a stream that lasts.
const stale = time.Second

func (a *API) sight() *sight { return &sight{API: a} }

// of reports whether the caller may see what a row tells of a container. One that is gone is judged
// by its project.
func (s *sight) of(ctx context.Context, id inventory.ContainerID, project string) bool {
	if s.sees(ctx, nil) || id == "" {
		return s.seesProject(ctx, project)
	}
	c, ok := s.known[id]
	if !ok && s.now().Sub(s.read) > stale || s.now().Sub(s.read) > 10*stale {
		s.look(ctx)
		c, ok = s.known[id]
	}
	if !ok {
		c = &inventory.Container{ID: id, Project: project}
	}
	return s.sees(ctx, c)
}

func (s *sight) look(ctx context.Context) {
	s.known, s.read = map[inventory.ContainerID]*inventory.Container{}, s.now()
	for _, trash := range []bool{false, true} {
		all, err := s.Reads.Containers(ctx, ContainerQuery{Trash: trash})
		if err != nil { // what is not known is judged by its project, which shows less
			s.log.Warn("a list shows less than it might", "error", err)
		}
		for _, c := range all {
			s.known[c.ID] = c
		}
	}
}

// isBy reports whether what principal began is the caller's own.
func isBy(ctx context.Context, principal inventory.Principal) bool {
	p, ok := inventory.PrincipalFrom(ctx)
	return ok && p.SpeaksFor(principal)
}

// only are the items that may be seen.
func only[T any](all []T, sees func(T) bool) (seen []T) {
	for _, item := range all {
		if sees(item) {
			seen = append(seen, item)
		}
	}
	return seen
}
