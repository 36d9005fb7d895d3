package image

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"lodge/inventory"
	"lodge/manager/gate"
)

// prepareDelete names the image by digest from here on, and says what goes with it. Of an image with
// several names the one that is given goes, and the image stays: who takes one name away need not
// know who relies on another. By its digest, or its last name, the image itself goes.
func (s *Service) prepareDelete(ctx context.Context, r *gate.Request) (*gate.Draft, error) {
	var a inventory.ImageArgs
	if err := r.Decode(&a); err != nil {
		return nil, err
	}
	alias := a.Alias // a plan that is looked at again has both
	if alias == "" && !strings.HasPrefix(a.Image, "sha256:") {
		alias = a.Image
	}
	m, err := s.Store.Image(ctx, a.Image)
	if err != nil {
		return nil, err
	}
	others := slices.DeleteFunc(slices.Clone(m.Aliases), func(name string) bool { return name == alias })
	if alias != "" && len(others) > 0 {
		line := inventory.EffectLine{Field: "alias " + alias, Before: short(m.Digest),
			Note: "the image stays: it is also " + strings.Join(others, ", ")}
		return &gate.Draft{Args: inventory.ImageArgs{Image: m.Digest, Alias: alias},
			Effects: []inventory.EffectLine{line}}, nil
	}
	used, err := s.used(ctx, m.Digest)
	if err != nil {
		return nil, err
	}
	effects := []inventory.EffectLine{{Field: "image " + short(m.Digest), Before: m.Source,
		Risk: inventory.RiskMedium, Note: "gone for good; " + used}}
	for _, name := range m.Aliases {
		effects = append(effects, inventory.EffectLine{Field: "alias " + name, Before: short(m.Digest)})
	}
	return &gate.Draft{Args: inventory.ImageArgs{Image: m.Digest}, Effects: effects}, nil
}

// used says what the containers made from an image have to do with it.
func (s *Service) used(ctx context.Context, digest string) (string, error) {
	made, err := s.MadeFrom(ctx, digest)
	switch {
	case err != nil:
		return "", err
	case len(made) == 0:
		return "no container was made from it", nil
	case len(made) == 1:
		return made[0] + ", made from it, has all its files and loses nothing", nil
	}
	return fmt.Sprintf("the %d containers made from it have all their files and lose nothing", len(made)), nil
}

// Removed is what image.delete returns.
type Removed struct {
	Digest string `json:"digest"`
	// Alias is the name that went when the image stayed, under Names.
	Alias string   `json:"alias,omitempty"`
	Names []string `json:"names,omitempty"`
}

func (s *Service) delete(ctx context.Context, r *gate.Run) error {
	var a inventory.ImageArgs
	if err := r.Decode(&a); err != nil {
		return err
	}
	s.adding.Lock()
	defer s.adding.Unlock()
	if a.Alias == "" {
		return errors.Join(r.Result(Removed{Digest: a.Image}), s.drop(ctx, a.Image))
	}
	m, err := s.Store.Image(ctx, a.Image)
	if err != nil {
		return err
	}
	if slices.Contains(m.Aliases, a.Alias) { // not if it was moved since, or taken before a crash
		err = s.Store.SetAlias(ctx, a.Alias, "")
	}
	names := slices.DeleteFunc(m.Aliases, func(name string) bool { return name == a.Alias })
	return errors.Join(err, r.Result(Removed{Digest: a.Image, Alias: a.Alias, Names: names}))
}
