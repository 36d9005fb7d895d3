package api

import (
	"context"
	"strings"

	"lodge/inventory"
	"lodge/web/wire"
)

// roleMutation is the input of role.grant and role.revoke. Where the role is on a container the gate
// is asked about that container: its owner may say who else may.
type roleMutation struct {
	Options
	Body *inventory.RoleArgs
}

func (in *roleMutation) asked() asked {
	args := *given(in.Body).(*inventory.RoleArgs)
	out := asked{args: args, options: in.Options}
	if name, ok := strings.CutPrefix(args.On, string(inventory.OnContainer)+":"); ok && !inventory.IsID(name) {
		out.ref = inventory.ParseRef(name)
	}
	return out
}

type roleRevocation struct {
	Role string `query:"role" required:"true" maxLength:"20"`
	To   string `query:"to" required:"true" maxLength:"64" doc:"The user or group."`
	On   string `query:"on" required:"true" maxLength:"4200" doc:"What it was given on, as in the list."`
	Options
}

func (in *roleRevocation) asked() asked {
	m := roleMutation{Options: in.Options, Body: &inventory.RoleArgs{Role: in.Role, To: in.To, On: in.On}}
	return m.asked()
}

type bindingsInput struct {
	To string `query:"to" maxLength:"64" doc:"Only this user's or group's."`
}

func (a *API) roleRoutes() {
	at := routesBelow("/v1", "identity")
	read(a, at("role.show", "role.view", "GET", "/roles", "List the roles there are with what they give"),
		func(ctx context.Context, _ *struct{}) (*body[wire.Page[wire.Role]], error) {
			return page(inventory.Roles, wire.FromRole), a.enter(ctx, "role.view")
		})
	read(a, at("role.list", "role.view", "GET", "/bindings", "List who was given which role on what"), a.listBindings)
	mutate[roleMutation](a, at("role.grant", "", "POST", "/bindings", "Give a user or group a role"), true, nil)
	mutate[roleRevocation](a, at("role.revoke", "", "DELETE", "/bindings", "Take a role from a user or group"), false, nil)
	read(a, at("role.who", "role.view", "GET", "/containers/{name}/roles", "List who holds which role on a container, and why"), a.whoMay)
	read(a, at("role.who-host", "role.view", "GET", "/host/roles", "List who holds which role on the host"),
		func(ctx context.Context, _ *struct{}) (*body[wire.Page[wire.Holding]], error) {
			return a.holdings(ctx, nil)
		})
}

func (a *API) listBindings(ctx context.Context, in *bindingsInput) (*body[wire.Page[wire.Binding]], error) {
	d, all, err := a.directory(ctx, "role.view")
	if err != nil {
		return nil, err
	}
	names, err := a.containerNames(ctx)
	if err != nil {
		return nil, err
	}
	p, _ := inventory.PrincipalFrom(ctx)
	mine := map[string]bool{}
	if u, ok := d.User(p.User); ok {
		mine[u.Name] = true
	}
	for _, name := range d.GroupNames(p.User) {
		mine[name] = true
	}
	var seen []inventory.Binding
	for _, b := range d.Bindings() {
		to := d.Name(b.Subject)
		if (all || mine[to]) && (in.To == "" || in.To == to) {
			seen = append(seen, b)
		}
	}
	return page(seen, func(b inventory.Binding) wire.Binding { return wire.FromBinding(b, d, names) }), nil
}

// containerNames are the containers the caller may see, as people call them, by id.
func (a *API) containerNames(ctx context.Context) (map[string]string, error) {
	names := map[string]string{}
	for _, trash := range []bool{false, true} {
		all, err := a.Reads.Containers(ctx, ContainerQuery{Trash: trash})
		if err != nil {
			return nil, err
		}
		for _, c := range all {
			if a.sees(ctx, c) {
				names[string(c.ID)] = c.Ref().String()
			}
		}
	}
	return names, nil
}

func (a *API) whoMay(ctx context.Context, in *struct{ Target }) (*body[wire.Page[wire.Holding]], error) {
	c, err := a.container(ctx, "role.view", in.Target)
	if err != nil {
		return nil, err
	}
	return a.holdings(ctx, c)
}

// holdings are the roles on c of all, for who says or audits who may what there, and else the
// caller's own.
func (a *API) holdings(ctx context.Context, c *inventory.Container) (*body[wire.Page[wire.Holding]], error) {
	d, all, err := a.directory(ctx, "role.view")
	if err != nil {
		return nil, err
	}
	p, _ := inventory.PrincipalFrom(ctx)
	all = all || a.Rights.Allowed(p, inventory.RightGrant, c)
	seen := d.Holdings(p.User, c, a.now())
	if all {
		seen = d.Who(c, a.now())
	}
	names := map[string]string{}
	if c != nil {
		names[string(c.ID)] = c.Ref().String()
	}
	return page(seen, func(h inventory.Holding) wire.Holding { return wire.FromHolding(h, names) }), nil
}
