package api

import (
	"context"

	"lodge/inventory"
	"lodge/web/wire"
)

// AccountName is the last part of a user's or group's path.
type AccountName struct {
	Name string `path:"name" maxLength:"64" doc:"Name of the user or group."`
}

type accountMutation struct {
	AccountName
	Options
	Body *Nothing
}

func (in *accountMutation) asked() asked {
	return asked{args: inventory.AccountArgs{Name: in.Name}, options: in.Options}
}

type userUpdate struct {
	AccountName
	Options
	Body *inventory.UserArgs
}

func (in *userUpdate) asked() asked {
	args := *given(in.Body).(*inventory.UserArgs)
	args.Name = in.Name
	return asked{args: args, options: in.Options}
}

type groupUpdate struct {
	AccountName
	Options
	Body *inventory.GroupArgs
}

func (in *groupUpdate) asked() asked {
	args := *given(in.Body).(*inventory.GroupArgs)
	args.Name = in.Name
	return asked{args: args, options: in.Options}
}

// ofUser narrows a list to one user's.
type ofUser struct {
	User string `query:"user" maxLength:"64" doc:"Only this user's; everybody's the caller may see when absent."`
}

type keyRemoval struct {
	User        string `query:"user" maxLength:"64" doc:"Whose it has to be."`
	Fingerprint string `query:"fingerprint" required:"true" maxLength:"100" doc:"SHA256:..."`
	Options
}

func (in *keyRemoval) asked() asked {
	return asked{args: inventory.KeyArgs{User: in.User, Fingerprint: in.Fingerprint}, options: in.Options}
}

func (a *API) identityRoutes() {
	at := routesBelow("/v1", "identity")
	read(a, at("user.list", "user.view", "GET", "/users", "List users"), a.listUsers)
	read(a, at("user.show", "user.view", "GET", "/users/{name}", "Show a user"), a.showUser)
	mutate[onHost[inventory.UserArgs]](a, at("user.create", "", "POST", "/users", "Make a user"), true, nil)
	mutate[userUpdate](a, at("user.update", "", "PATCH", "/users/{name}", "Link uids to a user, or unlink them"), true, nil)
	mutate[accountMutation](a, at("user.disable", "", "POST", "/users/{name}/disable",
		"Let a user do nothing more, in whatever way; their sessions end"), false, nil)
	mutate[accountMutation](a, at("user.enable", "", "POST", "/users/{name}/enable", "Let a disabled user in again"), false, nil)
	mutate[accountMutation](a, at("user.delete", "", "DELETE", "/users/{name}", "Remove a user who owns nothing"), false, nil)
	read(a, at("group.list", "group.view", "GET", "/groups", "List groups"), a.listGroups)
	mutate[onHost[inventory.GroupArgs]](a, at("group.create", "", "POST", "/groups", "Make a group"), true, nil)
	mutate[groupUpdate](a, at("group.update", "", "PATCH", "/groups/{name}", "Take members in, or let them go"), true, nil)
	mutate[accountMutation](a, at("group.delete", "", "DELETE", "/groups/{name}", "Remove a group"), false, nil)
	read(a, at("key.list", "key.view", "GET", "/keys", "List SSH keys"), a.listKeys)
	mutate[onHost[inventory.KeyArgs]](a, at("key.add", "", "POST", "/keys", "Add an SSH key to a user"), true, nil)
	mutate[keyRemoval](a, at("key.remove", "", "DELETE", "/keys", "Remove an SSH key from its user"), false, nil)
}

// directory passes a look at who there is through the gate, and says whether the caller may see
// others than themselves: who keeps them, and who audits.
func (a *API) directory(ctx context.Context, verb string) (d *inventory.Directory, all bool, err error) {
	if err := a.enter(ctx, verb); err != nil {
		return nil, false, err
	}
	if a.Identity == nil {
		return nil, false, missing("directory of users")
	}
	p, _ := inventory.PrincipalFrom(ctx)
	all = a.Rights.Allowed(p, inventory.RightIdentity, nil) || a.Rights.Allowed(p, inventory.RightAudit, nil)
	d, err = a.Identity.Directory(ctx)
	return d, all, err
}

// users are those the caller may see: all, or themselves.
func (a *API) users(ctx context.Context, verb string) ([]inventory.User, *inventory.Directory, error) {
	d, all, err := a.directory(ctx, verb)
	if err != nil || all {
		return users(d), d, err
	}
	p, _ := inventory.PrincipalFrom(ctx)
	u, ok := d.User(p.User)
	if !ok {
		return nil, d, nil
	}
	return []inventory.User{u}, d, nil
}

func users(d *inventory.Directory) []inventory.User {
	if d == nil {
		return nil
	}
	return d.Users()
}

func (a *API) listUsers(ctx context.Context, _ *struct{}) (*body[wire.Page[wire.User]], error) {
	seen, d, err := a.users(ctx, "user.view")
	return page(seen, func(u inventory.User) wire.User { return wire.FromUser(u, d) }), err
}

func (a *API) showUser(ctx context.Context, in *AccountName) (*body[wire.User], error) {
	seen, d, err := a.users(ctx, "user.view")
	for _, u := range seen {
		if u.Name == in.Name || string(u.ID) == in.Name {
			return &body[wire.User]{Body: wire.FromUser(u, d)}, err
		}
	}
	if err == nil {
		err = inventory.Errorf(inventory.ErrNotFound, "there is no user %s; 'lodge user list' shows them", in.Name)
	}
	return nil, err
}

func (a *API) listGroups(ctx context.Context, _ *struct{}) (*body[wire.Page[wire.Group]], error) {
	d, all, err := a.directory(ctx, "group.view")
	if err != nil {
		return nil, err
	}
	p, _ := inventory.PrincipalFrom(ctx)
	mine := map[string]bool{}
	for _, name := range d.GroupNames(p.User) {
		mine[name] = true
	}
	var seen []inventory.Group
	for _, g := range d.Groups() {
		if all || mine[g.Name] {
			seen = append(seen, g)
		}
	}
	return page(seen, func(g inventory.Group) wire.Group { return wire.FromGroup(g, d) }), nil
}

func (a *API) listKeys(ctx context.Context, in *ofUser) (*body[wire.Page[wire.UserKey]], error) {
	seen, _, err := a.users(ctx, "key.view")
	var keys []wire.UserKey
	for _, u := range seen {
		if in.User == "" || in.User == u.Name {
			keys = append(keys, wire.FromKeys(u)...)
		}
	}
	return page(keys, func(k wire.UserKey) wire.UserKey { return k }), err
}
