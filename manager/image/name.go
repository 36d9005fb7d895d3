package image

import (
	"context"
	"errors"
	"strings"

	"lodge/inventory"
	"lodge/manager/gate"
)

// prepareAlias: image NAME gets alias ALIAS; without ALIAS the alias NAME is taken away.
func (s *Service) prepareAlias(ctx context.Context, r *gate.Request) (*gate.Draft, error) {
	var a inventory.ImageArgs
	if err := r.Decode(&a); err != nil {
		return nil, err
	}
	m, err := s.Store.Image(ctx, a.Image)
	if err != nil {
		return nil, err
	}
	if a.Alias == "" {
		if strings.HasPrefix(a.Image, "sha256:") {
			return nil, inventory.Errorf(inventory.ErrInvalid, "say which alias %s should get", short(a.Image))
		}
		line := inventory.EffectLine{Field: "image " + a.Image, Before: short(m.Digest), Note: "the image stays, under its digest"}
		return &gate.Draft{Args: a, Effects: []inventory.EffectLine{line}}, nil
	}
	if err := inventory.CheckAlias(a.Alias); err != nil {
		return nil, err
	}
	line := s.aliasLine(ctx, a.Alias, short(m.Digest))
	// The digest, not the name: that could mean another image by the time the step runs.
	args := inventory.ImageArgs{Image: m.Digest, Alias: a.Alias}
	return &gate.Draft{Args: args, Effects: []inventory.EffectLine{line}}, nil
}

// An aliasMove is what image.alias does, noted before it does it.
type aliasMove struct{ Alias, From, To string }

const aliasKey = "alias"

func (s *Service) lookAlias(ctx context.Context, r *gate.Run) error {
	var a inventory.ImageArgs
	if err := r.Decode(&a); err != nil {
		return err
	}
	move := aliasMove{Alias: a.Alias, To: a.Image}
	if a.Alias == "" {
		move = aliasMove{Alias: a.Image}
	}
	before, err := s.Store.Image(ctx, move.Alias)
	if err != nil && !errors.Is(err, inventory.ErrNotFound) {
		return err
	}
	move.From = before.Digest
	return r.Save(aliasKey, move)
}

func (s *Service) setAlias(ctx context.Context, r *gate.Run) error {
	var m aliasMove
	if !r.Load(aliasKey, &m) {
		return errors.New("what the alias named is not known")
	}
	return s.Store.SetAlias(ctx, m.Alias, m.To)
}

func (s *Service) setAliasBack(ctx context.Context, r *gate.Run) error {
	var m aliasMove
	if !r.Load(aliasKey, &m) {
		return nil
	}
	return s.Store.SetAlias(ctx, m.Alias, m.From)
}
