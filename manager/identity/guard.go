package identity

import (
	"context"
	"slices"

	"lodge/inventory"
	"lodge/manager/gate"
)

// Guard returns the verbs with a second look at what they plan. The gate judges the caller on the
// container as it is; what they make of it must not give them more:
//
//   - A new container takes the right where it is going to be, whoever is to own it.
//   - Who may not say who may what (the right grant) gives themselves nothing by a label, an
//     environment, a project or an owner, nor by a copy of what they could not look into.
//   - An owner is changed by who has the right grant, and is a user or group there is, once there are
//     any; auditors own nothing.
func (s *Service) Guard(verbs []gate.Verb) []gate.Verb {
	out := slices.Clone(verbs)
	for i, v := range out {
		if v.Mode == gate.ModeOperation && v.Prepare != nil {
			out[i].Prepare = s.guarded(v)
		}
	}
	return out
}

func (s *Service) guarded(v gate.Verb) func(context.Context, *gate.Request) (*gate.Draft, error) {
	return func(ctx context.Context, r *gate.Request) (*gate.Draft, error) {
		draft, err := v.Prepare(ctx, r)
		if err != nil || draft.After == nil {
			return draft, err
		}
		return draft, s.judge(ctx, v, r, draft.After)
	}
}

func (s *Service) judge(ctx context.Context, v gate.Verb, r *gate.Request, after *inventory.Container) error {
	begets := r.Container == nil || r.Container.ID != after.ID
	if begets {
		place := after.Clone()
		place.Owner = ""
		if !s.Allowed(r.Principal, v.Right, place) {
			return inventory.Errorf(inventory.ErrDenied, "%s may not %s %s: that takes the right %q there", r.Principal.Name,
				v.Name, after.Ref(), v.Right)
		}
	}
	before := r.Container
	if before == nil || before.Owner != after.Owner {
		if err := s.checkOwner(ctx, r.Principal, after.Owner); err != nil {
			return err
		}
	}
	if before == nil || s.Allowed(r.Principal, inventory.RightGrant, before) {
		return nil
	}
	if before.Owner != after.Owner {
		return inventory.Errorf(inventory.ErrDenied, "%s may not say who owns %s: that takes the right %q", r.Principal.Name,
			after.Ref(), inventory.RightGrant)
	}
	for _, right := range inventory.Rights {
		if !s.Allowed(r.Principal, right, before) && s.Allowed(r.Principal, right, after) {
			return inventory.Errorf(inventory.ErrDenied, "%s may not make %s so: it would give them the right %q, which they have not on it now",
				r.Principal.Name, before.Ref(), right)
		}
	}
	return nil
}

// checkOwner refuses an owner who is nobody, disabled or an auditor. As long as there are no users an
// owner is a word.
func (s *Service) checkOwner(ctx context.Context, p inventory.Principal, owner string) error {
	d, err := s.Store.Directory(ctx)
	if err != nil || len(d.Users()) == 0 || owner == p.Name || p.Kind == inventory.KindSystem {
		return err
	}
	m, ok := d.Named(owner)
	u, _ := d.User(m.User)
	switch {
	case !ok:
		return inventory.Errorf(inventory.ErrInvalid, "there is no user or group %s to own it; 'lodge user list' shows them", owner)
	case u.IsDisabled():
		return inventory.Errorf(inventory.ErrInvalid, "%s is disabled and can't own it", owner)
	}
	if who := d.Auditor(m); who != "" {
		return inventory.Errorf(inventory.ErrDenied, "%s audits, and who reads the record of what is done must not do it: they can't own a container", who)
	}
	return nil
}
