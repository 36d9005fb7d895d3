package identity

import (
	"slices"

	"lodge/inventory"
	"lodge/manager/gate"
)

// maxKeys bounds what one user may have: each is looked at when somebody signs in.
const maxKeys = 64

// Everybody may keep their own keys; those of others take the right identity.
func (s *Service) keyVerbs() []gate.Verb {
	row := func(name, command string) gate.Verb {
		return gate.Verb{Name: name, Right: inventory.RightEnter, Command: command, Risk: inventory.RiskMedium}
	}
	key := func(a inventory.KeyArgs) string {
		k, _ := inventory.ParseSSHKey(a.Key) // what is none is refused a moment later
		return a.Fingerprint + k.Fingerprint
	}
	return []gate.Verb{verb(s, row("key.add", "key add"), key, s.addKey),
		verb(s, row("key.remove", "key remove"), key, s.removeKey)}
}

func (s *Service) addKey(c call, args inventory.KeyArgs) (outcome, error) {
	u, err := s.own(c, args.User)
	if err != nil {
		return outcome{}, err
	}
	k, err := inventory.ParseSSHKey(args.Key)
	if err != nil {
		return outcome{}, err
	}
	if has(u, k.Fingerprint) {
		return outcome{edit: inventory.IdentityEdit{User: &u}}, nil // a second time is no mistake
	}
	if len(u.Keys) >= maxKeys {
		return outcome{}, inventory.Errorf(inventory.ErrQuota, "%s has %d keys, which is the most; remove one first", u.Name, maxKeys)
	}
	k.CreatedAt = c.at
	u.Keys = append(slices.Clone(u.Keys), k)
	return outcome{inventory.IdentityEdit{User: &u}, []inventory.EffectLine{line("key of "+u.Name, "", k.Type+" "+k.Fingerprint)}}, nil
}

func (s *Service) removeKey(c call, args inventory.KeyArgs) (outcome, error) {
	whose, ok := c.UserOfKey(args.Fingerprint)
	if !ok || args.User != "" && args.User != whose.Name {
		return outcome{}, inventory.Errorf(inventory.ErrNotFound, "there is no key %s; 'lodge key list' shows them", args.Fingerprint)
	}
	u, err := s.own(c, whose.Name)
	if err != nil {
		return outcome{}, err
	}
	u.Keys = slices.DeleteFunc(slices.Clone(u.Keys), func(k inventory.SSHKey) bool { return k.Fingerprint == args.Fingerprint })
	return outcome{inventory.IdentityEdit{User: &u}, []inventory.EffectLine{line("key of "+u.Name, args.Fingerprint, "")}}, nil
}

func has(u inventory.User, fingerprint string) bool {
	return slices.ContainsFunc(u.Keys, func(k inventory.SSHKey) bool { return k.Fingerprint == fingerprint })
}
