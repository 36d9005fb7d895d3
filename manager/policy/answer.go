package policy

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"lodge/inventory"
	"lodge/manager/gate"
)

// Answer says what would become of a request, and why, without doing anything.
func (s *Service) Answer(ctx context.Context, asked inventory.PolicyQuestion) (inventory.PolicyAnswer, error) {
	a, err := s.around(ctx)
	if err != nil {
		return inventory.PolicyAnswer{}, err
	}
	now, err := s.inForce(a.host)
	if err == nil && asked.Text != nil {
		now, err = s.compile(now.version, *asked.Text)
	}
	if err != nil {
		return inventory.PolicyAnswer{}, err
	}
	caller, _ := inventory.PrincipalFrom(ctx)
	asked.As = cmp.Or(asked.As, caller.Name)
	if asked.As != caller.Name && !s.Rights.Allowed(caller, inventory.RightPolicy, nil) && !s.Rights.Allowed(caller, inventory.RightAudit, nil) {
		return inventory.PolicyAnswer{}, inventory.Errorf(inventory.ErrDenied,
			"asking what others may takes the right %q or %q; leave --as away to ask for yourself", inventory.RightPolicy, inventory.RightAudit)
	}
	verb, on, err := s.verbOf(asked.Ask)
	if err != nil {
		return inventory.PolicyAnswer{}, err
	}
	c, err := s.scene(ctx, a, asked.As, verb, on, asked.Project)
	if err != nil {
		return inventory.PolicyAnswer{}, err
	}
	if box := c.container; box != nil && box.ID != "" && !s.Rights.Allowed(caller, inventory.RightView, box) {
		return inventory.PolicyAnswer{}, inventory.Errorf(inventory.ErrNotFound, "there is no container %s", box.Ref())
	}
	if err := c.change(asked.Set); err != nil {
		return inventory.PolicyAnswer{}, err
	}
	return s.answer(now, c, asked), nil
}

func (s *Service) answer(now *set, c *scene, asked inventory.PolicyQuestion) inventory.PolicyAnswer {
	q := c.question()
	out := inventory.PolicyAnswer{Verb: q.verb.Name, As: asked.As, Right: q.verb.Right, HasRight: s.hasRight(c),
		Roles: append([]inventory.Role{}, q.standing.Roles...), Groups: q.standing.Groups, Revision: now.revision()}
	if q.container != nil {
		out.On = containerKey(q.container)
	}
	f := s.decide(now, q)
	out.Verdict, out.Reasons, out.Needs = string(f.Verdict), f.Reasons, f.Needs
	out.Policies = append([]inventory.PolicyMatch{}, f.matched...)
	if !out.HasRight {
		out.Verdict, out.Needs = string(gate.Deny), nil
		out.Reasons = append([]string{asked.As + " has no role that gives the right " + string(q.verb.Right) + " there"}, out.Reasons...)
	}
	return out
}

// decide judges a question that nobody asks in earnest: nothing is told of it.
func (s *Service) decide(now *set, q *question) finding {
	by, err := s.passage(q, now)
	if err != nil {
		return denied(err.Error())
	}
	return judge(s.lang, by, q)
}

// verbOf finds the verb in the words of a command, and returns what follows them. A verb's own name
// does as well.
func (s *Service) verbOf(words []string) (v gate.Verb, on string, err error) {
	if len(words) == 1 {
		words = strings.Fields(words[0])
	}
	for n := len(words); n > 0; n-- {
		command := strings.Join(words[:n], " ")
		for _, row := range s.lang.verbs {
			plain, _, _ := strings.Cut(row.Command, " --")
			named := row.Name == command || row.Name == "container."+command
			if !named && (plain != command || row.Mode == gate.ModeRead && v.Name != "") {
				continue
			}
			if v.Name == "" || v.Mode == gate.ModeRead || row.Name < v.Name && row.Mode != gate.ModeRead {
				v = row
			}
		}
		if v.Name == "" {
			continue
		}
		if rest := words[n:]; len(rest) > 1 {
			return v, "", inventory.Errorf(inventory.ErrInvalid, "ask about one thing: %s and %s are two", rest[0], rest[1])
		} else if len(rest) == 1 {
			on = rest[0]
		}
		return v, on, nil
	}
	return v, "", inventory.Errorf(inventory.ErrInvalid, "%.64q begins with no command and no verb; ask like: delete db1, or container.delete db1",
		strings.Join(words, " "))
}

// A scene is somebody about to ask something, as it is thought of.
type scene struct {
	around    *around
	principal inventory.Principal
	standing  *standing // of somebody made up
	verb      gate.Verb
	container *inventory.Container
	after     *inventory.Container
	state     inventory.State
	effects   []inventory.EffectLine
	agreed    []inventory.Approval
}

func (c *scene) question() *question {
	r := &gate.Request{Verb: c.verb.Name, Principal: c.principal, Container: c.container, After: c.after,
		Observed: inventory.Observed{State: c.state}, Reason: "x", Ticket: "x", Approvals: c.agreed}
	q := ask(r, &inventory.Plan{Verb: c.verb.Name, Risk: c.verb.Risk, Interrupts: c.verb.Interrupts, Effects: c.effects},
		c.verb, c.around)
	if c.standing != nil {
		q.standing = *c.standing
	}
	return q
}

// hasRight asks what the gate asks first. Somebody made up has what their role gives.
func (s *Service) hasRight(c *scene) bool {
	if c.standing == nil {
		return s.Rights.Allowed(c.principal, c.verb.Right, c.container)
	}
	return slices.ContainsFunc(c.standing.Roles, func(r inventory.Role) bool { return r.Gives(c.verb.Right, c.container) })
}

// Prefixes of whom a question is asked as that is nobody in particular.
const (
	asRole  = "role:"
	asGroup = "group:"
	asGlass = "root+break-glass"
)

// scene makes up what is asked about: who, and on what.
func (s *Service) scene(ctx context.Context, a *around, as string, v gate.Verb, on, project string) (*scene, error) {
	c := &scene{around: a, verb: v}
	if err := c.cast(a, as); err != nil {
		return nil, err
	}
	var err error
	switch {
	case on == "" || on == "host":
		if v.Mode != gate.ModeRead && v.Mode != gate.ModeDecision && v.Subject == nil {
			c.container = madeUp()
		}
	case strings.Contains(on, "="):
		c.container = madeUp()
		err = describe(c.container, on)
	default:
		c.container, err = s.Containers.Container(ctx, refOf(on, project))
	}
	if err != nil {
		return nil, err
	}
	if c.container != nil && c.container.Name != "" {
		c.state = s.Observer.Observe(c.container).State
	}
	return c, nil
}

func refOf(on, project string) inventory.Ref {
	if p, name, ok := strings.Cut(on, "/"); ok {
		return inventory.Ref{Project: p, Name: name}
	}
	return inventory.Ref{Project: cmp.Or(project, inventory.DefaultProject), Name: on}
}

// cast finds who asks.
func (c *scene) cast(a *around, as string) (err error) {
	role, isRole := strings.CutPrefix(as, asRole)
	group, isGroup := strings.CutPrefix(as, asGroup)
	switch {
	case as == asGlass:
		c.principal = rootPrincipal
		c.principal.Override = true
	case isRole:
		r, err := inventory.ParseRole(role)
		if err != nil {
			return err
		}
		c.principal = inventory.Principal{Name: as, Kind: inventory.KindPerson, From: "unix"}
		c.standing = &standing{Roles: []inventory.Role{r}, Holds: []inventory.Role{r}}
	case isGroup:
		c.principal = inventory.Principal{Name: as, Kind: inventory.KindPerson, From: "unix"}
		c.standing = &standing{Groups: []string{group}}
	default:
		c.principal, err = a.named(as)
	}
	return err
}

// madeUp is a container that isn't there.
func madeUp() *inventory.Container {
	return &inventory.Container{Project: inventory.DefaultProject, Environment: "dev",
		Settings: map[string]string{}, Labels: map[string]string{}}
}

// describe sets facts of a container that is made up, or that a plan would change: env=prod,label.tier=db.
func describe(c *inventory.Container, facts string) error {
	for _, fact := range strings.Split(facts, ",") {
		key, value, ok := strings.Cut(strings.TrimSpace(fact), "=")
		label, isLabel := strings.CutPrefix(key, "label.")
		switch {
		case !ok || key == "":
			return inventory.Errorf(inventory.ErrInvalid, "%.64q is no fact; write it like env=prod,label.tier=db", fact)
		case isLabel:
			c.Labels[label] = value
		case key == "env" || key == "environment":
			c.Environment = inventory.Environment(value)
			if !slices.Contains(inventory.Environments, c.Environment) {
				return inventory.Errorf(inventory.ErrInvalid, "%.64q is no environment; it is one of prod, dr, staging, test, dev", value)
			}
		case key == "project":
			c.Project = value
		case key == "owner":
			c.Owner = value
		case key == "class":
			c.DataClass = value
		case key == "name":
			c.Name = value
		case key == "image":
			c.Image = value
		case key == "immutable" || key == "privileged" || key == "nesting":
			c.Settings["security."+key] = value
		default:
			c.Settings[key] = value
		}
	}
	return nil
}

// change says what the plan that is asked about would change.
func (c *scene) change(set []string) error {
	if len(set) == 0 {
		return nil
	}
	if c.container != nil {
		c.after = c.container.Clone()
	}
	for _, text := range set {
		key, value, ok := strings.Cut(text, "=")
		if !ok {
			return inventory.Errorf(inventory.ErrInvalid, "%.64q changes nothing; write it like env=dev", text)
		}
		c.effects = append(c.effects, inventory.EffectLine{Field: key, After: value})
		if c.after == nil {
			continue
		}
		if err := describe(c.after, text); err != nil {
			return err
		}
	}
	return nil
}
