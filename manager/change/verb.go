package change

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"lodge/inventory"
	"lodge/manager/gate"
)

const (
	keepSetting     = "change.approval.keep" // how long an approval counts
	reviewSetting   = "change.review.due"    // how soon an emergency is to be looked at
	standardSetting = "change.standard"      // the verbs whose changes are approved beforehand
)

// Settings returns the rows this package reads.
func Settings() []inventory.Setting {
	host := []inventory.Scope{inventory.ScopeHost}
	return []inventory.Setting{
		{Name: standardSetting, Scopes: host, Type: inventory.TypeVerbs, Effect: inventory.EffectLive, Risk: inventory.RiskHigh,
			Doc: "Verbs whose changes are approved beforehand: they wait for windows, and for nobody's approval: snapshot.create container.restart."},
		{Name: reviewSetting, Scopes: host, Type: inventory.TypeDuration, Default: "72h0m0s", Min: "1m", Max: "90d",
			Effect: inventory.EffectLive, Risk: inventory.RiskLow, Doc: "How soon an emergency change has to be reviewed."},
		{Name: signSetting, Scopes: host, Type: inventory.TypeEnum, Default: signRegistered,
			Values: []string{signAlways, signRegistered, signNever}, Effect: inventory.EffectLive, Risk: inventory.RiskHigh,
			Doc: "Whether approvals have to be signed with an SSH key of the approver: always, by those who have registered one, or never."},
		{Name: keepSetting, Scopes: host, Type: inventory.TypeDuration, Default: "72h0m0s", Min: "1m", Max: "90d",
			Effect: inventory.EffectLive, Risk: inventory.RiskMedium,
			Doc: "How long an approval counts; a change that has not begun by then needs it again."},
	}
}

// value is what is set on the host, or the default.
func (s *Service) value(ctx context.Context, name string) (string, error) {
	set, err := s.Store.HostSettings(ctx)
	if err != nil || set[name] != "" {
		return set[name], err
	}
	for _, row := range Settings() {
		if row.Name == name {
			return row.Default, nil
		}
	}
	return "", nil
}

func (s *Service) duration(ctx context.Context, name string) (time.Duration, error) {
	text, err := s.value(ctx, name)
	if err != nil {
		return 0, err
	}
	return inventory.ParseDuration(text)
}

// Verbs returns the rows of this package. What decides about a change is a method of Service, and
// one record; what a change releases passes the gate like any request.
func (s *Service) Verbs() []gate.Verb {
	decisions := []gate.Verb{
		{Name: "change.approve", Right: inventory.RightApprove, Risk: inventory.RiskHigh},
		{Name: "change.reject", Right: inventory.RightApprove, Risk: inventory.RiskLow},
		{Name: "change.withdraw", Right: inventory.RightApprove, Risk: inventory.RiskLow},
		{Name: "change.cancel", Right: inventory.RightView, Risk: inventory.RiskLow},
		{Name: "change.review", Right: inventory.RightApprove, Risk: inventory.RiskLow},
		{Name: "change.close", Right: inventory.RightView, Risk: inventory.RiskLow},
	}
	for i := range decisions {
		decisions[i].Mode, decisions[i].Command = gate.ModeDecision, "change "+decisions[i].Name[len("change."):]
	}
	return slices.Concat(s.windowVerbs(), decisions, []gate.Verb{
		{Name: "change.view", Right: inventory.RightEnter, Mode: gate.ModeRead, Risk: inventory.RiskLow, Command: "change list"},
		{Name: "change.release", Right: inventory.RightEnter, Mode: gate.ModeOperation, Risk: inventory.RiskHigh,
			Command: "change release", Recovery: gate.RecoverFinish, Subject: subject, Prepare: s.prepareRelease,
			Steps: []gate.Step{{Name: "release", Do: s.doRelease}}}})
}

// subject makes releases of one change exclude each other.
func subject(r *gate.Request) (subject, name string, err error) {
	var args inventory.ChangeArgs
	if err := json.Unmarshal(r.Args, &args); err != nil || args.Change == "" {
		return "", "", inventory.Errorf(inventory.ErrInvalid, "say which change is meant, by its number or id")
	}
	return "change:" + args.Change, args.Change, nil
}

func (s *Service) prepareRelease(ctx context.Context, r *gate.Request) (*gate.Draft, error) {
	var args inventory.ChangeArgs
	if err := r.Decode(&args); err != nil {
		return nil, err
	}
	c, err := s.Store.Change(ctx, inventory.ChangeID(args.Change))
	if err != nil {
		return nil, err
	}
	own := r.Principal.SpeaksFor(c.Requester)
	switch {
	case c.State == inventory.ChangeDraft && !own, c.State != inventory.ChangeDraft && !own && !s.Rights.Allowed(r.Principal, inventory.RightApprove, s.subject(ctx, c)):
		return nil, inventory.Errorf(inventory.ErrDenied, "%s may not release change %s: it is %s's", r.Principal.Name, c.Label(), c.Requester.Name)
	case c.State != inventory.ChangeDraft && !c.State.IsWaiting():
		return nil, inventory.Errorf(inventory.ErrState, "change %s is %s; there is nothing to release", c.Label(), c.State)
	}
	args.Change = string(c.ID)
	return &gate.Draft{Args: args, Effects: []inventory.EffectLine{
		{Field: "state", Before: string(c.State), After: string(inventory.ChangeRunning), Effect: inventory.EffectLive}}}, nil
}

// doRelease asks for a draft, and lets a change begin or wait on; run again after a crash it finds it
// begun.
func (s *Service) doRelease(ctx context.Context, r *gate.Run) error {
	var args inventory.ChangeArgs
	if err := r.Decode(&args); err != nil {
		return err
	}
	c, err := s.Store.Change(ctx, inventory.ChangeID(args.Change))
	if err != nil || c.State != inventory.ChangeDraft && !c.State.IsWaiting() {
		return err
	}
	answer, err := s.Release(ctx, c.ID)
	if err != nil {
		return err
	}
	if answer.Change != nil {
		return r.Result(inventory.ReleaseResult{Change: answer.Change.Number})
	}
	return r.Result(inventory.ReleaseResult{Change: c.Number, Operation: answer.Operation.ID})
}
