package identity

import (
	"cmp"
	"slices"
	"time"

	"lodge/inventory"
	"lodge/manager/gate"
)

// Roles on a container may be given and taken by whoever has the right grant on it, those on a project by
// who has it on all of that, the others by who has it on the host: the door asks the gate about the
// container, and Place says which project.
func (s *Service) roleVerbs() []gate.Verb {
	row := func(name string) gate.Verb {
		return gate.Verb{Name: name, Right: inventory.RightGrant, Risk: inventory.RiskHigh}
	}
	grant, revoke := row("role.grant"), row("role.revoke")
	grant.Command, revoke.Command = "role grant", "role revoke"
	revoke.Interrupts = "sessions that take the role end"
	grant.Place, revoke.Place = roleOnProject, roleOnProject
	to := func(a inventory.RoleArgs) string { return a.To }
	return []gate.Verb{verb(s, grant, to, s.grant), verb(s, revoke, to, s.revoke)}
}

func roleOnProject(r *gate.Request) *inventory.Container {
	var args inventory.RoleArgs
	if r.Decode(&args) != nil { // Prepare says what is wrong
		return nil
	}
	on, err := inventory.ParseExtent(args.On)
	if err != nil {
		return nil
	}
	return place(on)
}

// place is what lies in a project and has nothing of its own; nil for what is no project.
func place(on inventory.Extent) *inventory.Container {
	if on.Kind != inventory.OnProject {
		return nil
	}
	return &inventory.Container{Project: on.Value}
}

// extent reads where a role is to hold; a container is meant by the name the door has looked up.
func (c call) extent(text string) (inventory.Extent, error) {
	e, err := inventory.ParseExtent(text)
	if err == nil && e.Kind == inventory.OnContainer && c.container != nil {
		e.Value = string(c.container.ID)
	}
	if err == nil && e.Kind == inventory.OnContainer && !inventory.IsID(e.Value) {
		err = inventory.Errorf(inventory.ErrNotFound, "there is no container %s", e.Value)
	}
	return e, err
}

func (s *Service) grant(c call, args inventory.RoleArgs) (outcome, error) {
	b := inventory.Binding{ID: inventory.BindingID(c.id), Role: inventory.Role(args.Role), Reason: c.reason,
		CreatedBy: c.by.Name, CreatedAt: c.at}
	var err error
	if b.Role, err = inventory.ParseRole(args.Role); err != nil {
		return outcome{}, err
	}
	if b.Subject, err = c.subject(args.To); err != nil {
		return outcome{}, err
	}
	if b.On, err = c.extent(args.On); err != nil {
		return outcome{}, err
	}
	if b.Expires, err = inventory.Until(args.Expires, c.at); err != nil {
		return outcome{}, err
	}
	if i := c.bound(b); i >= 0 {
		return outcome{}, inventory.Errorf(inventory.ErrExists, "%s is %s on %s already; revoke that first to change it", args.To, b.Role, args.On)
	}
	if err := s.hasAll(c, b, "give"); err != nil {
		return outcome{}, err
	}
	after := args.On
	if !b.Expires.IsZero() {
		after += " until " + b.Expires.Format(time.RFC3339)
	}
	effect := line(string(b.Role)+" "+args.To, "", after)
	effect.Note = c.takesFromGroup(b)
	return outcome{inventory.IdentityEdit{Binding: &b}, []inventory.EffectLine{effect}}, nil
}

func (s *Service) revoke(c call, args inventory.RoleArgs) (outcome, error) {
	on, err := c.extent(args.On)
	if err != nil {
		return outcome{}, err
	}
	m, err := c.subject(args.To)
	if err != nil {
		return outcome{}, err
	}
	i := c.bound(inventory.Binding{Role: inventory.Role(args.Role), Subject: m, On: on})
	if i < 0 {
		return outcome{}, inventory.Errorf(inventory.ErrNotFound, "%s is not %s on %s; 'lodge role list' shows what is given", args.To, args.Role, args.On)
	}
	if err := s.hasAll(c, c.Bindings()[i], "take"); err != nil {
		return outcome{}, err
	}
	return outcome{inventory.IdentityEdit{DropBinding: c.Bindings()[i].ID},
		[]inventory.EffectLine{line(args.Role+" "+args.To, args.On, "")}}, nil
}

// bound finds the binding that says the same as b, other than b itself, and still counts; -1 for none.
func (c call) bound(b inventory.Binding) int {
	return slices.IndexFunc(c.Bindings(), func(x inventory.Binding) bool {
		return x.Role == b.Role && x.Subject == b.Subject && x.On.String() == b.On.String() && x.ID != b.ID &&
			(b.ID == "" || x.InForce(c.at))
	})
}

func (c call) subject(name string) (inventory.GroupMember, error) {
	m, ok := c.Named(name)
	if !ok {
		return m, inventory.Errorf(inventory.ErrNotFound, "there is no user or group %s", name)
	}
	return m, nil
}

// hasAll refuses that somebody gives more than they have themselves, or takes it: who could take the
// approvers away would need no approval. Not so for admins, whose giving is what they are there for and is on
// record.
func (s *Service) hasAll(c call, b inventory.Binding, what string) error {
	if c.Allows(c.by, inventory.RightGrant, nil, s.Now()) {
		return nil
	}
	row, _ := b.Role.Row()
	on := cmp.Or(place(b.On), c.container)
	for _, right := range slices.Concat([]inventory.Right{inventory.RightGrant}, row.Rights, row.NotProd) {
		if !c.Allows(c.by, right, on, s.Now()) {
			return inventory.Errorf(inventory.ErrDenied, "%s can't %s the role %s on %s: they have not the right %q there themselves",
				c.by.Name, what, b.Role, b.On, right)
		}
	}
	return nil
}

// takesFromGroup says what the Unix group loses with this binding; see inventory.Directory.Allows.
func (c call) takesFromGroup(b inventory.Binding) string {
	admin := b.Role == inventory.RoleAdmin && b.On.Kind == inventory.OnHost && b.Expires.IsZero()
	session := b.Role.Gives(inventory.RightSession, &inventory.Container{})
	switch {
	case admin && len(c.Admins()) == 0:
		return "from now on members of the Unix group lodge are admins no more by that"
	case session && !slices.ContainsFunc(c.Bindings(), func(x inventory.Binding) bool {
		return x.Role.Gives(inventory.RightSession, &inventory.Container{})
	}):
		return "from now on members of the Unix group lodge have no shell, exec or files by that"
	}
	return ""
}
