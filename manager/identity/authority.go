package identity

import (
	"slices"
	"strings"

	"lodge/inventory"
	"lodge/manager/gate"
)

// Who has the key of an authority from outside can be any of those it is trusted for, so adding one is like
// giving each of them a key: it takes the right to do that.
func (s *Service) authorityVerbs() []gate.Verb {
	row := func(name, command string) gate.Verb {
		return gate.Verb{Name: name, Right: inventory.RightIdentity, Command: command, Risk: inventory.RiskHigh}
	}
	remove := row("authority.remove", "ssh authority remove")
	remove.Interrupts = "the connections and sessions its certificates opened end"
	name := func(a inventory.AuthorityArgs) string { return a.Name }
	return []gate.Verb{verb(s, row("authority.add", "ssh authority add"), name, addAuthority), verb(s, remove, name, removeAuthority)}
}

func addAuthority(c call, args inventory.AuthorityArgs) (outcome, error) {
	a, err := args.Of(c.Directory)
	if err != nil {
		return outcome{}, err
	}
	a.ID, a.Reason, a.CreatedBy, a.CreatedAt = inventory.AuthorityID(c.id), c.reason, c.by.Name, c.at
	effect := line("authority "+a.Name, "", a.Key.Type+" "+a.Key.Fingerprint+" for "+strings.Join(args.For, " "))
	effect.Note = "who has that key can sign in as any of them"
	return outcome{inventory.IdentityEdit{Authority: &a}, []inventory.EffectLine{effect}}, nil
}

func removeAuthority(c call, args inventory.AuthorityArgs) (outcome, error) {
	all := c.Authorities()
	i := slices.IndexFunc(all, func(a inventory.Authority) bool { return a.Name == args.Name })
	if i < 0 {
		return outcome{}, inventory.Errorf(inventory.ErrNotFound, "there is no authority %s; 'lodge ssh authority list' shows them", args.Name)
	}
	return outcome{inventory.IdentityEdit{DropAuthority: all[i].ID},
		[]inventory.EffectLine{line("authority "+args.Name, all[i].Key.Fingerprint, "")}}, nil
}
