package secret

import (
	"context"
	"strings"

	"lodge/inventory"
	"lodge/manager/gate"
)

// draft reads the parameters of secret.set over the secret as it is.
func (s *Service) draft(ctx context.Context, args inventory.SecretArgs) (before, after inventory.Secret, err error) {
	if err := inventory.CheckAccountName("the secret", args.Name); err != nil {
		return before, after, err
	}
	value, current, err := s.open(args.Sealed)
	if err != nil {
		return before, after, err
	}
	if !current { // the host key was rotated since the door sealed it
		if args.Sealed, err = s.Seal(value); err != nil {
			return before, after, err
		}
	}
	if before, _, err = s.find(ctx, args.Name); err != nil {
		return before, after, err
	}
	after = before
	after.Sealed = args.Sealed
	if args.Note != nil {
		after.Note = strings.TrimSpace(*args.Note)
	}
	return before, after, inventory.CheckLine("the note", after.Note)
}

func (s *Service) prepareSet(ctx context.Context, r *gate.Request) (*gate.Draft, error) {
	var args inventory.SecretArgs
	if err := r.Decode(&args); err != nil {
		return nil, err
	}
	before, _, err := s.draft(ctx, args)
	if err != nil {
		return nil, err
	}
	line := inventory.EffectLine{Field: "secret " + args.Name, After: "a value", Effect: inventory.EffectLive}
	if before.Revision > 0 {
		line.Before, line.After = "a value", "another value"
		line.Note = usesText(before.Uses)
	}
	return &gate.Draft{Args: args, Effects: []inventory.EffectLine{line}}, nil
}

func (s *Service) set(ctx context.Context, r *gate.Run) error {
	var args inventory.SecretArgs
	if err := r.Decode(&args); err != nil {
		return err
	}
	s.writing.Lock()
	defer s.writing.Unlock()
	_, after, err := s.draft(ctx, args)
	if err != nil {
		return err
	}
	if after.UpdatedAt.Equal(r.Operation.StartedAt) {
		return nil // an earlier try has written it
	}
	if after.Revision == 0 {
		after.CreatedAt = r.Operation.StartedAt
	}
	after.Revision, after.UpdatedAt, after.UpdatedBy = after.Revision+1, r.Operation.StartedAt, r.Operation.Principal.Name
	return s.Store.SaveSecret(ctx, after)
}

func (s *Service) prepareDelete(ctx context.Context, r *gate.Request) (*gate.Draft, error) {
	var args inventory.SecretNameArgs
	if err := r.Decode(&args); err != nil {
		return nil, err
	}
	x, ok, err := s.find(ctx, args.Name)
	if err == nil && !ok {
		err = inventory.Errorf(inventory.ErrNotFound, "there is no secret %s; 'lodge secret list' shows them", args.Name)
	}
	return &gate.Draft{Args: args, Effects: []inventory.EffectLine{{Field: "secret " + args.Name, Before: "a value",
		Effect: inventory.EffectLive, Note: usesText(x.Uses)}}}, err
}

func (s *Service) delete(ctx context.Context, r *gate.Run) error {
	return s.Store.DeleteSecret(ctx, r.Operation.Name)
}

// If we crash after the key is added, secrets are sealed by either key, and both are there.
func (s *Service) addKey(_ context.Context, r *gate.Run) error {
	return s.Keys.Add("operation " + string(r.Operation.ID))
}

func (s *Service) reseal(ctx context.Context, _ *gate.Run) error {
	all, err := s.Store.Secrets(ctx)
	if err != nil {
		return err
	}
	for _, x := range all {
		value, current, err := s.open(x.Sealed)
		if err != nil {
			return inventory.Errorf(inventory.ErrInvalid, "secret %s: %v", x.Name, err)
		}
		if current {
			continue
		}
		to, err := s.Seal(value)
		if err != nil {
			return err
		}
		if err := s.Store.ResealSecret(ctx, x.Name, x.Sealed, to); err != nil {
			return err
		}
	}
	return nil
}

// forget lets go of the old key, once nothing needs it: what was set meanwhile may have been sealed
// by it before, and is looked at again.
func (s *Service) forget(ctx context.Context, r *gate.Run) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	if err := s.reseal(ctx, r); err != nil {
		return err
	}
	return s.Keys.Forget()
}
