package identity

import (
	"context"
	"fmt"
	"slices"

	"lodge/inventory"
	"lodge/manager/gate"
)

// certificates are those this host has signed.
type certificates interface {
	Certificates(ctx context.Context, q inventory.CertificateQuery) ([]inventory.Certificate, error)
}

// linesMost is how many certificates a plan names one by one.
const linesMost = 10

// Everybody may revoke what tells that they are them; what tells others takes the right identity.
func (s *Service) certificateVerbs() []gate.Verb {
	revoke := gate.Verb{Name: "certificate.revoke", Right: inventory.RightEnter, Command: "ssh revoke", Risk: inventory.RiskMedium,
		Interrupts: "the connections and sessions it opened end"}
	return []gate.Verb{verb(s, revoke, inventory.CertificateRevokeArgs.Subject, s.revokeCertificates)}
}

func (s *Service) revokeCertificates(c call, args inventory.CertificateRevokeArgs) (outcome, error) {
	q, err := args.Query()
	if err != nil {
		return outcome{}, err
	}
	if args.User != "" {
		u, err := s.own(c, args.User)
		if err != nil {
			return outcome{}, err
		}
		q.User = u.ID
	}
	all, err := c.certificates(q)
	if err != nil {
		return outcome{}, err
	}
	if args.Fingerprint != "" {
		return s.revokeKey(c, args.Fingerprint, all)
	}
	all = slices.DeleteFunc(all, func(x inventory.Certificate) bool { return !c.at.Before(x.Until) })
	if err := s.allOwn(c, all); err != nil {
		return outcome{}, err
	}
	if len(all) == 0 {
		return outcome{}, inventory.Errorf(inventory.ErrNotFound, "no certificate of %s is in force; 'lodge ssh certs' shows those that are", args.Subject())
	}
	out := outcome{edit: inventory.IdentityEdit{Revoked: c.taken(all)}}
	out.effects = certificateLines(out.edit.Revoked)
	return out, nil
}

// allOwn refuses who may not say who comes in as the certificates' users.
func (s *Service) allOwn(c call, all []inventory.Certificate) error {
	if c.by.Kind != inventory.KindToken && c.Allows(c.by, inventory.RightIdentity, nil, s.Now()) {
		return nil
	}
	for _, x := range all {
		if c.by.User == "" || x.User != c.by.User {
			return inventory.Errorf(inventory.ErrDenied, "%s may revoke certificates of their own; others' take the right %q",
				c.by.Name, inventory.RightIdentity)
		}
	}
	if c.by.Kind == inventory.KindToken {
		return inventory.Errorf(inventory.ErrDenied, "a token may not change who may come in as its user")
	}
	return nil
}

// taken are the certificates that are not revoked yet, revoked.
func (c call) taken(all []inventory.Certificate) (out []inventory.Certificate) {
	for _, x := range all {
		if !x.IsRevoked() {
			x.Revoked, x.RevokedBy, x.Reason = c.at, c.by.Name, c.reason
			out = append(out, x)
		}
	}
	return out
}

func certificateLines(all []inventory.Certificate) (lines []inventory.EffectLine) {
	if len(all) > linesMost {
		return []inventory.EffectLine{line("certificates", fmt.Sprintf("%d good", len(all)), "revoked")}
	}
	for _, x := range all {
		lines = append(lines, line(fmt.Sprintf("certificate %d of %s", x.Serial, x.KeyID), "good", "revoked"))
	}
	return lines
}

// revokeKey forbids a key for good, takes it from whose it is, and revokes what certifies it. Who has not the
// right over others may do so with a key that is their own: anybody can have anybody's public key certified.
func (s *Service) revokeKey(c call, fingerprint string, certified []inventory.Certificate) (outcome, error) {
	if _, done := c.RevokedKey(fingerprint); done {
		return outcome{}, nil // a second time is no mistake
	}
	whose, registered := c.UserOfKey(fingerprint)
	own := registered && whose.ID == c.by.User && c.by.Kind != inventory.KindToken
	if !own && (registered || len(certified) == 0) && !c.Allows(c.by, inventory.RightIdentity, nil, s.Now()) {
		return outcome{}, inventory.Errorf(inventory.ErrDenied, "%s may revoke keys of their own; others' take the right %q",
			c.by.Name, inventory.RightIdentity)
	}
	if !own {
		if err := s.allOwn(c, certified); err != nil {
			return outcome{}, err
		}
	}
	edit := inventory.IdentityEdit{Revoked: c.taken(certified), RevokedKey: &inventory.RevokedKey{Fingerprint: fingerprint,
		User: whose.ID, Reason: c.reason, By: c.by.Name, At: c.at}}
	before := "nobody's"
	if registered {
		before = whose.Name + "'s"
		whose.Keys = slices.DeleteFunc(slices.Clone(whose.Keys), func(k inventory.SSHKey) bool { return k.Fingerprint == fingerprint })
		edit.User = &whose
	}
	lines := []inventory.EffectLine{line("key "+fingerprint, before, "revoked for good")}
	return outcome{edit, append(lines, certificateLines(edit.Revoked)...)}, nil
}
