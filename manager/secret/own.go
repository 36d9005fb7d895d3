package secret

import (
	"context"

	"lodge/inventory"
)

// Own returns the value of a secret the agent makes for itself: by generate, at its first use. Each use
// is recorded, as with Reveal; rotating the host key seals it anew like any other.
func (s *Service) Own(ctx context.Context, name, note, by string, generate func() ([]byte, error)) ([]byte, error) {
	if err := s.own(ctx, name, note, by, generate); err != nil {
		return nil, err
	}
	return s.Reveal(ctx, name, by)
}

func (s *Service) own(ctx context.Context, name, note, by string, generate func() ([]byte, error)) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	if _, have, err := s.find(ctx, name); have || err != nil {
		return err
	}
	value, err := generate()
	if err != nil {
		return err
	}
	sealed, err := s.Seal(value)
	if err != nil {
		return err
	}
	err = s.Facts.Fact(ctx, inventory.Record{Verb: "secret.made", Principal: inventory.System(by), Subject: "secret:" + name,
		Name: name, Result: "made by " + by})
	if err != nil {
		return err
	}
	now := s.Now().UTC()
	return s.Store.SaveSecret(ctx, inventory.Secret{Name: name, Note: note, Sealed: sealed, Revision: 1, UpdatedBy: by,
		CreatedAt: now, UpdatedAt: now})
}
