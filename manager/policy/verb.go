package policy

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"lodge/inventory"
	"lodge/manager/gate"
)

const setVerb = "policy.set"

// Verbs returns the rows of this package.
func (s *Service) Verbs() []gate.Verb {
	change := func(name, command string, prepare func(context.Context, *gate.Request) (*gate.Draft, error), steps ...gate.Step) gate.Verb {
		return gate.Verb{Name: name, Right: inventory.RightPolicy, Mode: gate.ModeOperation, Command: command,
			Risk: inventory.RiskHigh, Recovery: gate.RecoverFinish, Subject: subject, Prepare: prepare, Steps: steps}
	}
	return []gate.Verb{
		{Name: "policy.view", Right: inventory.RightView, Mode: gate.ModeRead, Command: "policy list"},
		{Name: "policy.test", Right: inventory.RightView, Mode: gate.ModeRead, Command: "policy test"},
		change(setVerb, "policy set", s.prepareSet, gate.Step{Name: "version", Do: s.add}, gate.Step{Name: "take", Do: s.take}),
		change("policy.expect.add", "policy expect add", s.prepareExpect, gate.Step{Name: "save", Do: s.expect}),
		change("policy.expect.remove", "policy expect remove", s.prepareUnexpect, gate.Step{Name: "remove", Do: s.unexpect}),
	}
}

// subject makes changes of the policies exclude each other.
func subject(*gate.Request) (subject, name string, err error) { return "policy:site", "site", nil }

// prepareSet drafts another set: it is read, held against the schema and against what is expected,
// and compared with what is in force.
func (s *Service) prepareSet(ctx context.Context, r *gate.Request) (*gate.Draft, error) {
	var args inventory.PolicyArgs
	if err := r.Decode(&args); err != nil {
		return nil, err
	}
	old := s.site.Load()
	if args.Base != 0 && args.Base != old.version {
		return nil, inventory.Errorf(inventory.ErrStale, "the site's policies changed meanwhile: you saw version %d, it is at %d; look again and repeat",
			args.Base, old.version)
	}
	if args.Revert != nil {
		if args.Text != "" {
			return nil, inventory.Errorf(inventory.ErrInvalid, "give a text or a version to go back to, not both")
		}
		if *args.Revert > 0 {
			v, err := s.Versions.PolicyVersion(ctx, *args.Revert)
			if err != nil {
				return nil, err
			}
			args.Text = v.Text
		}
	}
	args = inventory.PolicyArgs{Text: args.Text, Base: old.version}
	now, err := s.compile(old.version+1, args.Text)
	if err != nil {
		return nil, err
	}
	d, err := s.compareSets(ctx, old, now)
	if err != nil {
		return nil, err
	}
	d.Args = args
	return d, nil
}

func (s *Service) compareSets(ctx context.Context, old, now *set) (*gate.Draft, error) {
	a, err := s.around(ctx)
	if err != nil {
		return nil, err
	}
	if err := s.checkWindows(ctx, now); err != nil {
		return nil, err
	}
	if err := s.replay(ctx, a, now); err != nil {
		return nil, err
	}
	if err := s.lockout(a, now); err != nil {
		return nil, err
	}
	changed, lines := changedRules(old, now)
	d := &gate.Draft{Effects: lines}
	if len(lines) > 0 {
		d.Effects = append(d.Effects, inventory.EffectLine{Field: "policy revision", Before: old.revision(), After: now.revision(),
			Effect: inventory.EffectLive, Note: "changes that wait are void then"})
	}
	if old.broken == nil {
		d.Foresees, err = s.foresee(ctx, a, old, now, changed)
	}
	return d, err
}

// checkWindows refuses policies that wait for a window there is none of: it would never open.
func (s *Service) checkWindows(ctx context.Context, now *set) error {
	for _, r := range now.rules {
		if r.needs.Window == "" || s.HasWindow == nil {
			continue
		}
		if ok, err := s.HasWindow(ctx, r.needs.Window); err != nil || !ok {
			return cmp.Or(err, inventory.Errorf(inventory.ErrInvalid, "%s:%d: there is no window %s; 'lodge window create' makes one",
				siteFile(now.version), r.line, r.needs.Window))
		}
	}
	return nil
}

// add writes the next version.
func (s *Service) add(ctx context.Context, r *gate.Run) error {
	var args inventory.PolicyArgs
	if err := r.Decode(&args); err != nil {
		return err
	}
	sum := sha256.Sum256([]byte(args.Text))
	now, err := s.compile(args.Base+1, args.Text)
	if err != nil {
		return err
	}
	op := r.Operation
	v, err := s.Versions.AddPolicyVersion(ctx, args.Base, inventory.PolicyVersion{Text: args.Text, Policies: len(now.rules) - len(s.base.rules),
		SHA256: hex.EncodeToString(sum[:]), Operation: op.ID, Change: op.Change, By: op.Principal.Name, Reason: op.Reason,
		Ticket: op.Ticket, CreatedAt: op.StartedAt})
	if err != nil {
		return err
	}
	return r.Result(struct {
		Version  int64  `json:"version"`
		Revision string `json:"revision"`
	}{v.Version, now.revision()})
}

// take puts the newest version in force: all that is asked from now on is judged by it, and so are the
// sessions that are open.
func (s *Service) take(ctx context.Context, _ *gate.Run) error {
	v, err := s.Versions.PolicyVersion(ctx, 0)
	if err != nil {
		return err
	}
	now, err := s.compile(v.Version, v.Text)
	if err != nil {
		return err
	}
	s.site.Store(now)
	return s.cut(ctx)
}

func (s *Service) prepareExpect(ctx context.Context, r *gate.Request) (*gate.Draft, error) {
	var args inventory.ExpectArgs
	if err := r.Decode(&args); err != nil {
		return nil, err
	}
	v, on, err := s.verbOf(args.Ask)
	if err != nil {
		return nil, err
	}
	if on != "" && !strings.Contains(on, "=") {
		on = strings.TrimPrefix(refOf(on, args.Project).String(), inventory.DefaultProject+"/")
	}
	args.Ask = []string{v.Name}
	if on != "" {
		args.Ask = append(args.Ask, on)
	}
	if err := inventory.CheckLine("the note", args.Note); err != nil {
		return nil, err
	}
	a, err := s.around(ctx)
	if err != nil {
		return nil, err
	}
	now, err := s.inForce(a.host)
	if err != nil {
		return nil, err
	}
	if _, err := s.scene(ctx, a, args.As, v, on, ""); err != nil {
		return nil, err
	}
	e := inventory.Expectation{As: args.As, Verb: v.Name, On: on, Want: args.Want}
	f, _, err := s.meets(ctx, a, now, e)
	if err != nil {
		return nil, err
	}
	if !isWanted(args.Want, f.Verdict) {
		return nil, inventory.Errorf(inventory.ErrInvalid, "%s is %s with the policies in force, not %s; change them first", sentence(e), f.Verdict, args.Want)
	}
	return &gate.Draft{Args: args, Effects: []inventory.EffectLine{{Field: "policy.expect", After: sentence(e) + ": " + args.Want, Effect: inventory.EffectLive}}}, nil
}

func (s *Service) expect(ctx context.Context, r *gate.Run) error {
	var args inventory.ExpectArgs
	if err := r.Decode(&args); err != nil {
		return err
	}
	e := inventory.Expectation{As: args.As, Verb: args.Ask[0], Want: args.Want, Note: args.Note,
		By: r.Operation.Principal.Name, CreatedAt: r.Operation.StartedAt}
	if len(args.Ask) > 1 {
		e.On = args.Ask[1]
	}
	return s.Expectations.PutExpectation(ctx, e)
}

func (s *Service) prepareUnexpect(ctx context.Context, r *gate.Request) (*gate.Draft, error) {
	var args inventory.UnexpectArgs
	if err := r.Decode(&args); err != nil {
		return nil, err
	}
	all, err := s.Expectations.Expectations(ctx)
	if err != nil {
		return nil, err
	}
	for _, e := range all {
		if e.ID == args.ID {
			return &gate.Draft{Effects: []inventory.EffectLine{{Field: "policy.expect", Before: sentence(e) + ": " + e.Want, Effect: inventory.EffectLive}}}, nil
		}
	}
	return nil, inventory.Errorf(inventory.ErrNotFound, "nothing is expected under the number %d; 'lodge policy expect list' shows what is", args.ID)
}

func (s *Service) unexpect(ctx context.Context, r *gate.Run) error {
	var args inventory.UnexpectArgs
	if err := r.Decode(&args); err != nil {
		return err
	}
	return s.Expectations.DropExpectation(ctx, args.ID)
}

// Policies are those in force, with all there is to know of them.
func (s *Service) Policies(ctx context.Context) (inventory.Policies, error) {
	host, err := s.Estate.HostSettings(ctx)
	if err != nil {
		return inventory.Policies{}, err
	}
	now, err := s.inForce(host)
	if err != nil {
		return inventory.Policies{}, err
	}
	out := inventory.Policies{Version: now.version, Revision: now.revision(), Text: now.text, BaseText: baseText,
		Schema: s.lang.text, Rows: []inventory.PolicyRow{}}
	for _, r := range now.rules {
		row := inventory.PolicyRow{Name: r.id, Base: r.base, Effect: effectOf(r), Reason: r.reason, Line: r.line}
		if r.holds() {
			row.Needs = r.needs.String()
		}
		out.Rows = append(out.Rows, row)
	}
	if now.broken != nil {
		out.Broken = now.broken.Error()
	}
	return out, nil
}
