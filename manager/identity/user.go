package identity

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"lodge/inventory"
	"lodge/manager/gate"
)

func (s *Service) userVerbs() []gate.Verb {
	row := func(name, command string, risk inventory.Risk) gate.Verb {
		return gate.Verb{Name: name, Right: inventory.RightIdentity, Command: command, Risk: risk}
	}
	user := func(a inventory.UserArgs) string { return a.Name }
	account := func(a inventory.AccountArgs) string { return a.Name }
	disable := row("user.disable", "user disable", inventory.RiskHigh)
	disable.Interrupts = "their sessions end"
	return []gate.Verb{
		verb(s, row("user.create", "user create", inventory.RiskLow), user, createUser),
		verb(s, row("user.update", "user link", inventory.RiskMedium), user, updateUser),
		verb(s, disable, account, disableUser),
		verb(s, row("user.enable", "user enable", inventory.RiskMedium), account, enableUser),
		verb(s, row("user.delete", "user delete", inventory.RiskHigh), account, deleteUser),
	}
}

func createUser(c call, args inventory.UserArgs) (outcome, error) {
	if err := inventory.CheckAccountName("the user", args.Name); err != nil {
		return outcome{}, err
	}
	u := inventory.User{ID: inventory.UserID(c.id), Name: args.Name, CreatedAt: c.at}
	err := args.Apply(&u)
	return outcome{inventory.IdentityEdit{User: &u}, append([]inventory.EffectLine{line("user", "", u.Name)},
		changed(userFacts(inventory.User{}, u)...)...)}, err
}

func updateUser(c call, args inventory.UserArgs) (outcome, error) {
	before, err := c.user(args.Name)
	if err != nil {
		return outcome{}, err
	}
	if before.IsDisabled() && len(args.Unlink) > 0 {
		// The uid would be nobody's then, and may be in the Unix group.
		return outcome{}, inventory.Errorf(inventory.ErrState, "%s is disabled; their uids stay theirs as long", args.Name)
	}
	after := before
	err = args.Apply(&after)
	return outcome{inventory.IdentityEdit{User: &after}, changed(userFacts(before, after)...)}, err
}

func disableUser(c call, args inventory.AccountArgs) (outcome, error) {
	return standing(c, args.Name, func(u *inventory.User) {
		if !u.IsDisabled() {
			u.Disabled = c.at
		}
	})
}

func enableUser(c call, args inventory.AccountArgs) (outcome, error) {
	return standing(c, args.Name, func(u *inventory.User) { u.Disabled = time.Time{} })
}

func standing(c call, name string, set func(u *inventory.User)) (outcome, error) {
	before, err := c.user(name)
	if err != nil {
		return outcome{}, err
	}
	after := before
	set(&after)
	return outcome{inventory.IdentityEdit{User: &after}, changed([3]string{"user " + name, standingText(before), standingText(after)})}, nil
}

func standingText(u inventory.User) string {
	if u.IsDisabled() {
		return "disabled"
	}
	return "enabled"
}

func deleteUser(c call, args inventory.AccountArgs) (outcome, error) {
	u, err := c.user(args.Name)
	return outcome{inventory.IdentityEdit{DropUser: u.ID}, []inventory.EffectLine{line("user", args.Name, "")}}, err
}

func userFacts(before, after inventory.User) [][3]string {
	return [][3]string{{"note", before.Note, after.Note}, {"uids", uidText(before.UIDs), uidText(after.UIDs)}}
}

func uidText(uids []uint32) string { return strings.Trim(fmt.Sprint(uids), "[]") }

func (s *Service) groupVerbs() []gate.Verb {
	row := func(name, command string, risk inventory.Risk) gate.Verb {
		return gate.Verb{Name: name, Right: inventory.RightIdentity, Command: command, Risk: risk}
	}
	group := func(a inventory.GroupArgs) string { return a.Name }
	return []gate.Verb{
		verb(s, row("group.create", "group create", inventory.RiskLow), group, createGroup),
		verb(s, row("group.update", "group add", inventory.RiskHigh), group, updateGroup),
		verb(s, row("group.delete", "group delete", inventory.RiskHigh),
			func(a inventory.AccountArgs) string { return a.Name }, deleteGroup),
	}
}

func createGroup(c call, args inventory.GroupArgs) (outcome, error) {
	if err := inventory.CheckAccountName("the group", args.Name); err != nil {
		return outcome{}, err
	}
	g := inventory.Group{ID: inventory.GroupID(c.id), Name: args.Name, CreatedAt: c.at}
	err := args.Apply(&g, c.Directory)
	return outcome{inventory.IdentityEdit{Group: &g}, append([]inventory.EffectLine{line("group", "", g.Name)},
		changed(c.groupFacts(inventory.Group{}, g)...)...)}, err
}

func updateGroup(c call, args inventory.GroupArgs) (outcome, error) {
	before, err := c.group(args.Name)
	if err != nil {
		return outcome{}, err
	}
	after := before
	err = args.Apply(&after, c.Directory)
	return outcome{inventory.IdentityEdit{Group: &after}, changed(c.groupFacts(before, after)...)}, err
}

func deleteGroup(c call, args inventory.AccountArgs) (outcome, error) {
	g, err := c.group(args.Name)
	return outcome{inventory.IdentityEdit{DropGroup: g.ID}, []inventory.EffectLine{line("group", args.Name, "")}}, err
}

func (c call) groupFacts(before, after inventory.Group) [][3]string {
	return [][3]string{{"note", before.Note, after.Note}, {"members", c.memberText(before), c.memberText(after)}}
}

func (c call) memberText(g inventory.Group) string {
	var names []string
	for _, m := range g.Members {
		names = append(names, c.Name(m))
	}
	slices.Sort(names)
	return strings.Join(names, " ")
}
