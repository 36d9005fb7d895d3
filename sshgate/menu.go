package sshgate

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"lodge/inventory"
)

// menuMost is how many containers are listed; who has more knows their names.
const menuMost = 200

// menu lists what the principal may reach, for who named no container.
func (c *connection) menu(ctx context.Context, p inventory.Principal) (string, error) {
	all, err := c.gateway.Containers(ctx)
	if err != nil {
		return "", err
	}
	var names []string
	for _, x := range all {
		if !x.IsTrashed() && c.gateway.mayEnter(p, x) {
			names = append(names, nameFor(x))
		}
	}
	if len(names) == 0 {
		return "", inventory.Errorf(inventory.ErrNotFound, "there is no container you may reach")
	}
	slices.Sort(names)
	rest := ""
	if len(names) > menuMost {
		rest = fmt.Sprintf("  and %d more\n", len(names)-menuMost)
		names = names[:menuMost]
	}
	return "You may reach:\n  " + strings.Join(names, "\n  ") + "\n" + rest, nil
}

// nameFor is how a container is asked for by ssh.
func nameFor(c *inventory.Container) string {
	if c.Project == "" || c.Project == inventory.DefaultProject {
		return c.Name
	}
	return c.Name + "." + c.Project
}

// mayEnter looks at both rights, whichever is missing; c may be nil.
func (g *Gateway) mayEnter(p inventory.Principal, c *inventory.Container) bool {
	view, session := g.Rights.Allowed(p, inventory.RightView, c), g.Rights.Allowed(p, inventory.RightSession, c)
	return view && session
}

// chosen are the facts of a session in the container somebody chose from the menu: [LOGIN+]NAME.
func (c *connection) chosen(ctx context.Context, f facts, choice string) (facts, error) {
	a, err := ParseAddress(strings.TrimSpace(choice))
	if err != nil || a.Container == "" {
		return f, inventory.Errorf(inventory.ErrInvalid, "%.60q is no container", choice)
	}
	x, err := c.gateway.Store.Container(ctx, inventory.Ref{Project: a.Project, Name: a.Container})
	if err != nil || !c.gateway.mayEnter(*f.Principal, x) {
		return f, inventory.Errorf(inventory.ErrNotFound, "there is no container %s you may reach", a.Container)
	}
	f.Container, f.Project, f.Login = x.ID, a.Project, a.Login
	return f, nil
}
