package firewall

import (
	"context"
	"encoding/json"
	"time"

	"lodge/inventory"
	"lodge/manager/gate"
)

// beforeKey is where an operation keeps what it replaces or removes.
const beforeKey = "before"

// admission is longer than a request takes from its plan, which sets the deadline, to its start, which the
// rule's own time counts from.
const admission = 10 * time.Second

// before is a rule or forward as it was; nil for none.
type before struct {
	ID      string
	Rule    *inventory.FirewallRule
	Forward *inventory.Forward
}

func (s *Service) resolved(ctx context.Context, a inventory.FirewallArgs,
	action inventory.FirewallAction) (inventory.FirewallRule, error) {
	return a.Rule(action, func(name string) (inventory.ContainerID, error) {
		c, err := s.container(ctx, name)
		if err != nil {
			return "", err
		}
		return c.ID, nil
	})
}

func (s *Service) prepareRule(action inventory.FirewallAction) func(context.Context, *gate.Request) (*gate.Draft, error) {
	return func(ctx context.Context, r *gate.Request) (*gate.Draft, error) {
		var args inventory.FirewallArgs
		if err := r.Decode(&args); err != nil {
			return nil, err
		}
		rule, err := s.resolved(ctx, args, action)
		if err != nil {
			return nil, err
		}
		line := inventory.EffectLine{Field: "firewall", After: s.said(ctx, rule), Effect: inventory.EffectLive}
		d := &gate.Draft{Args: args}
		if args.For != "" {
			if d.Deadlines, err = s.expiry(args.For, &rule, r); err != nil {
				return nil, err
			}
			line.Note = "for " + args.For
		}
		old, err := s.Rules.FirewallRule(ctx, rule.ID)
		if err != nil {
			return nil, err
		}
		if old != nil {
			line.Before = s.said(ctx, *old)
		}
		// Names may be given to others before it is done: what was meant is the container.
		args.From, args.To = rule.From.String(), rule.To.String()
		d.Args, d.Effects = args, []inventory.EffectLine{line}
		return d, nil
	}
}

// said is a rule in a plan, with the names its containers have now: who is to agree knows no ids.
func (s *Service) said(ctx context.Context, r inventory.FirewallRule) string {
	text := r.Named(func(id inventory.ContainerID) string { return s.name(ctx, id) })
	if r.Log {
		text += ", logged"
	}
	return text
}

// expiry is the deadline that removes a rule.
func (s *Service) expiry(text string, rule *inventory.FirewallRule, r *gate.Request) ([]inventory.Deadline, error) {
	d, err := inventory.ParseDuration(text)
	if err != nil {
		return nil, err
	}
	if d <= 0 {
		return nil, inventory.Errorf(inventory.ErrInvalid, "a rule can't hold for %s", text)
	}
	rule.Expires = s.Now().Add(d).UTC()
	args, err := json.Marshal(inventory.FirewallEndArgs{ID: rule.ID, Expired: rule.Expires})
	return []inventory.Deadline{{ID: inventory.DeadlineID(inventory.NewID(s.Now())), Due: rule.Expires,
		Verb: "firewall.remove", Args: args, Principal: r.Principal, Missed: inventory.MissedRun,
		Reason: "it was to hold for " + text}}, err
}

func (s *Service) prepareRemove(ctx context.Context, r *gate.Request) (*gate.Draft, error) {
	var args inventory.FirewallEndArgs
	if err := r.Decode(&args); err != nil {
		return nil, err
	}
	old, err := s.Rules.FirewallRule(ctx, args.ID)
	if err != nil {
		return nil, err
	}
	if old == nil {
		return nil, inventory.Errorf(inventory.ErrNotFound, "there is no rule %s; 'lodge firewall list' shows those there are", args.ID)
	}
	if !args.Expired.IsZero() && (old.Expires.IsZero() || old.Expires.Sub(args.Expired) > admission) {
		return nil, inventory.Errorf(inventory.ErrState, "rule %s was given more time", args.ID)
	}
	return &gate.Draft{Args: args, Effects: []inventory.EffectLine{
		{Field: "firewall", Before: s.said(ctx, *old), Effect: inventory.EffectLive}}}, nil
}

// look notes what is to be replaced or removed, for the way back.
func (s *Service) look(ctx context.Context, r *gate.Run) error {
	var args struct {
		inventory.FirewallArgs
		ID, Listen string
	}
	if err := json.Unmarshal(r.Operation.Args, &args); err != nil {
		return err
	}
	was := before{ID: args.ID}
	switch r.Operation.Verb {
	case "firewall.allow", "firewall.deny":
		action := inventory.FirewallAllow
		if r.Operation.Verb == "firewall.deny" {
			action = inventory.FirewallDeny
		}
		rule, err := s.resolved(ctx, args.FirewallArgs, action)
		if err != nil {
			return err
		}
		was.ID = rule.ID
	case "forward.add":
		f, err := inventory.ParseListen(args.Listen)
		if err != nil {
			return err
		}
		was.ID = f.ID
	}
	var err error
	if was.Rule, err = s.Rules.FirewallRule(ctx, was.ID); err != nil {
		return err
	}
	if was.Forward, err = s.forward(ctx, was.ID); err != nil {
		return err
	}
	return r.Save(beforeKey, was)
}

func (s *Service) save(action inventory.FirewallAction) func(context.Context, *gate.Run) error {
	return func(ctx context.Context, r *gate.Run) error {
		var args inventory.FirewallArgs
		if err := r.Decode(&args); err != nil {
			return err
		}
		rule, err := s.resolved(ctx, args, action)
		if err != nil {
			return err
		}
		rule.Reason, rule.CreatedAt = r.Operation.Reason, r.Operation.StartedAt
		if args.For != "" {
			d, err := inventory.ParseDuration(args.For)
			if err != nil {
				return err
			}
			rule.Expires = r.Operation.StartedAt.Add(d).UTC()
		}
		if err := s.Rules.SaveFirewallRule(ctx, rule); err != nil {
			return err
		}
		return s.Applier.ApplyRules(ctx)
	}
}

func (s *Service) remove(ctx context.Context, r *gate.Run) error {
	var args inventory.FirewallEndArgs
	if err := r.Decode(&args); err != nil {
		return err
	}
	if err := s.Rules.DeleteFirewallRule(ctx, args.ID); err != nil {
		return err
	}
	return s.Applier.ApplyRules(ctx)
}

// saveBack makes it as it was.
func (s *Service) saveBack(ctx context.Context, r *gate.Run) (err error) {
	var was before
	if !r.Load(beforeKey, &was) {
		return nil
	}
	switch {
	case was.Rule != nil:
		err = s.Rules.SaveFirewallRule(ctx, *was.Rule)
	case was.Forward != nil:
		err = s.Forwards.SaveForward(ctx, *was.Forward)
	default:
		if err = s.Rules.DeleteFirewallRule(ctx, was.ID); err == nil {
			err = s.Forwards.DeleteForward(ctx, was.ID)
		}
	}
	if err != nil {
		return err
	}
	return s.Applier.ApplyRules(ctx)
}
