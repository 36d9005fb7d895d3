package sudo

import (
	"context"
	"errors"
	"slices"
	"strings"

	"lodge/inventory"
	"lodge/manager/gate"
)

// prepareEnd finds what is to end.
func (s *Service) prepareEnd(ctx context.Context, r *gate.Request) (*gate.Draft, error) {
	var args inventory.SudoEndArgs
	if err := r.Decode(&args); err != nil {
		return nil, err
	}
	open, err := s.chosen(ctx, r.Container.ID, args)
	if err != nil {
		return nil, err
	}
	if len(open) == 0 {
		return nil, inventory.Errorf(inventory.ErrState, "no account%s has sudo in %s now; 'lodge sudo list' shows who has",
			strings.TrimRight(" "+args.Account, " "), r.Container.Ref())
	}
	d := &gate.Draft{Args: args}
	for _, g := range open {
		d.Effects = append(d.Effects, inventory.EffectLine{Field: "sudo " + g.Account, Before: "given by " + g.GivenBy,
			Effect: inventory.EffectLive})
	}
	return d, nil
}

// chosen are the grants that have not ended and that args mean.
func (s *Service) chosen(ctx context.Context, id inventory.ContainerID, args inventory.SudoEndArgs) ([]inventory.SudoGrant, error) {
	all, err := s.Store.SudoGrants(ctx, inventory.SudoQuery{ID: args.Grant, Container: id, Open: true})
	return slices.DeleteFunc(all, func(g inventory.SudoGrant) bool {
		return args.Account != "" && g.Account != args.Account
	}), err
}

// end removes the files and then notes that the grants have ended. Of a container that does not run Sweep
// removes what can't be removed now.
func (s *Service) end(ctx context.Context, r *gate.Run) error {
	var args inventory.SudoEndArgs
	if err := r.Decode(&args); err != nil {
		return err
	}
	c := r.Container()
	open, err := s.chosen(ctx, c.ID, args)
	if err != nil {
		return err
	}
	why := r.Operation.Reason
	if r.Operation.Principal.Name != inventory.SudoPrincipal {
		why = "ended by " + r.Operation.Principal.Name
	}
	for _, g := range open {
		if err := s.clear(c, g); err != nil && s.Observer.State(c).IsLive() {
			return err
		} else if err != nil {
			s.Log.Warn("a file of sudo stays until the container starts", "name", c.Name, "grant", g.ID, "error", err)
		}
		if err := s.Store.EndSudo(ctx, g.ID, s.Now(), why); err != nil {
			return err
		}
	}
	return nil
}

// clear removes a grant's files. A container without the folder has none.
func (s *Service) clear(c *inventory.Container, g inventory.SudoGrant) error {
	f, err := s.open(c)
	if errors.Is(err, inventory.ErrState) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.close()
	return errors.Join(f.remove(g.File()), f.remove(g.Candidate()))
}

// Sweep removes the files that no grant asks for now; it belongs before a start. rootfs is the container's.
func (s *Service) Sweep(ctx context.Context, c *inventory.Container, rootfs string) error {
	f, err := openFolder(c, rootfs)
	if errors.Is(err, inventory.ErrState) { // no sudo
		return nil
	}
	if err != nil {
		return err
	}
	defer f.close()
	found, err := f.files()
	if err != nil || len(found) == 0 {
		return err
	}
	open, err := s.Store.SudoGrants(ctx, inventory.SudoQuery{Container: c.ID, Open: true})
	if err != nil {
		return err
	}
	for _, name := range found {
		if slices.ContainsFunc(open, func(g inventory.SudoGrant) bool { return g.File() == name && !g.IsOver(s.Now()) }) {
			continue
		}
		if err := f.remove(name); err != nil {
			return err
		}
		s.Log.Info("removed a file of sudo that nobody has given", "name", c.Name, "file", name)
	}
	return nil
}
