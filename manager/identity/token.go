package identity

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"lodge/inventory"
	"lodge/manager/gate"
)

// Everybody may make tokens of their own; those of others take the right identity, and none holds
// more than its maker does.
func (s *Service) tokenVerbs() []gate.Verb {
	row := func(name, command string) gate.Verb {
		return gate.Verb{Name: name, Right: inventory.RightEnter, Command: command, Risk: inventory.RiskMedium}
	}
	revoke := row("token.revoke", "token revoke")
	revoke.Interrupts = "what uses it is refused from now on"
	return []gate.Verb{
		verb(s, row("token.create", "token create"), func(a inventory.TokenArgs) string { return a.Name }, s.createToken),
		verb(s, revoke, func(a inventory.TokenRevokeArgs) string { return a.Name }, s.revokeToken),
	}
}

func (s *Service) createToken(c call, args inventory.TokenArgs) (outcome, error) {
	u, err := s.own(c, args.User)
	if err != nil {
		return outcome{}, err
	}
	t := inventory.Token{ID: inventory.TokenID(c.id), Name: args.Name, User: u.ID, Hash: args.Hash,
		Expires: c.at.Add(inventory.TokenLifetime).UTC(), CreatedBy: c.by.Name, CreatedAt: c.at}
	if err := inventory.CheckAccountName("the token", t.Name); err != nil {
		return outcome{}, err
	}
	if err := inventory.CheckTokenHash(t.Hash); err != nil {
		return outcome{}, err
	}
	if t.On, err = c.extent(orHost(args.On)); err != nil {
		return outcome{}, err
	}
	if args.Expires != "" {
		if t.Expires, err = inventory.Until(args.Expires, c.at); err != nil {
			return outcome{}, err
		}
	}
	if t.Rights, err = inventory.TokenRights(args.Role, args.Rights); err != nil {
		return outcome{}, err
	}
	if err := c.within(t); err != nil {
		return outcome{}, err
	}
	text := fmt.Sprintf("%s on %s until %s", rightText(t.Rights), t.On, t.Expires.Format(time.RFC3339))
	return outcome{inventory.IdentityEdit{Token: &t}, []inventory.EffectLine{line("token "+u.Name+"/"+t.Name, "", text)}}, nil
}

func orHost(on string) string {
	if on == "" {
		return string(inventory.OnHost)
	}
	return on
}

func rightText(rights []inventory.Right) string {
	var words []string
	for _, r := range rights {
		words = append(words, string(r))
	}
	return strings.Join(words, " ")
}

// within refuses a token for somebody else with rights its maker has nowhere: it would be a way to
// them. What its user may not do, it opens nothing to either, now or later.
func (c call) within(t inventory.Token) error {
	if t.User == c.by.User {
		return nil
	}
	for _, right := range t.Rights {
		if !c.Allows(c.by, right, &inventory.Container{}, c.at) && !c.Allows(c.by, right, nil, c.at) {
			return inventory.Errorf(inventory.ErrDenied, "%s can't make a token with the right %q, which they have not themselves", c.by.Name, right)
		}
	}
	return nil
}

func (s *Service) revokeToken(c call, args inventory.TokenRevokeArgs) (outcome, error) {
	u, err := s.own(c, args.User)
	if err != nil {
		return outcome{}, err
	}
	all := c.Tokens()
	i := slices.IndexFunc(all, func(t inventory.Token) bool {
		return t.User == u.ID && t.Name == args.Name && t.Revoked.IsZero()
	})
	if i < 0 {
		return outcome{}, inventory.Errorf(inventory.ErrNotFound, "%s has no token %s; 'lodge token list' shows them", u.Name, args.Name)
	}
	t := all[i]
	t.Revoked = c.at
	return outcome{inventory.IdentityEdit{Token: &t}, []inventory.EffectLine{line("token "+u.Name+"/"+t.Name, "good", "revoked")}}, nil
}

// sawEvery is how far what is shown of a token's last use may lag: each note is a write.
const sawEvery = time.Minute

// Bearer says who shows the secret of a token; ErrDenied without saying why, and the same for all
// that open nothing. Only its hash is looked up, so comparing takes the same time for every secret.
func (s *Service) Bearer(ctx context.Context, secret string) (inventory.Principal, error) {
	refused := inventory.Errorf(inventory.ErrDenied, "the token opens nothing: it is unknown, over, revoked, or its user is disabled")
	if !inventory.IsTokenSecret(secret) {
		return inventory.Principal{}, refused
	}
	d, err := s.Store.Directory(ctx)
	if err != nil {
		return inventory.Principal{}, err
	}
	t, ok := d.TokenOf(inventory.TokenHash(secret))
	u, known := d.User(t.User)
	if !ok || !known || !t.IsGood(s.Now()) || u.IsDisabled() {
		return inventory.Principal{}, refused
	}
	if s.Now().Sub(t.LastUsed) > sawEvery {
		t.LastUsed = s.Now()
		if err := s.Store.SawToken(ctx, t); err != nil {
			s.Log.Warn("that a token was used is not noted", "token", t.ID, "error", err)
		}
	}
	return inventory.Principal{Name: u.Name, User: u.ID, Token: t.ID, Kind: inventory.KindToken, Proof: "token " + t.Name, From: "unix"}, nil
}
