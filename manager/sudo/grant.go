package sudo

import (
	"cmp"
	"context"
	"errors"
	"time"

	"lodge/inventory"
	"lodge/manager/gate"
)

// shortest is the least sudo is given for: less is over before somebody has typed the command.
const shortest = time.Minute

// prepareGrant checks that the account is there and may be given sudo.
func (s *Service) prepareGrant(ctx context.Context, r *gate.Request) (*gate.Draft, error) {
	var args inventory.SudoArgs
	if err := r.Decode(&args); err != nil {
		return nil, err
	}
	if r.Container.IsTrashed() {
		return nil, inventory.Errorf(inventory.ErrState, "%s is in the trash; 'lodge trash restore %[1]s' brings it back", r.Container.Ref())
	}
	length, err := s.length(ctx, r.Container, args.For)
	if err != nil {
		return nil, err
	}
	holder, err := s.holder(ctx, r.Principal, args.User)
	if err != nil {
		return nil, err
	}
	args.For, args.User, args.Account = inventory.DurationText(length), holder.Name, cmp.Or(args.Account, holder.Name)
	if err := inventory.CheckSudoAccount(args.Account); err != nil {
		return nil, err
	}
	if err := s.mayHold(r, holder); err != nil {
		return nil, err
	}
	g, err := s.open(r.Container)
	if err != nil {
		return nil, err
	}
	defer g.close()
	if err := g.check(args.Account); err != nil {
		return nil, err
	}
	effect := inventory.EffectLine{Field: "sudo " + args.Account, After: "for " + args.For, Effect: inventory.EffectLive}
	if args.Account != holder.Name {
		effect.Note = "whoever logs in as " + args.Account + " has it"
	}
	return &gate.Draft{Args: args, Effects: []inventory.EffectLine{effect}}, nil
}

// length reads how long it is for, within sudo.max.
func (s *Service) length(ctx context.Context, c *inventory.Container, text string) (time.Duration, error) {
	if text == "" {
		return 0, inventory.Errorf(inventory.ErrInvalid, "say for how long: --for 30m")
	}
	d, err := inventory.ParseDuration(text)
	if err != nil {
		return 0, err
	}
	above, err := s.Settings.Layers(ctx, c.Project)
	if err != nil {
		return 0, err
	}
	longest := longest(above)
	switch {
	case longest == 0:
		return 0, inventory.Errorf(inventory.ErrDenied, "nobody is given sudo in %s: %s of its project or the host is 0s", c.Ref(), SettingMax)
	case d < shortest:
		return 0, inventory.Errorf(inventory.ErrInvalid, "sudo for %s is no use; give it for %s at least", text, shortest)
	case d > longest:
		return 0, inventory.Errorf(inventory.ErrInvalid, "sudo in %s may be given for %s at most, not for %s; %s of its project or the host says so",
			c.Ref(), inventory.DurationText(longest), text, SettingMax)
	}
	return d, nil
}

// longest is the shortest of what the layers say, or the default.
func longest(above []inventory.Layer) time.Duration {
	limit, err := inventory.ParseDuration(Settings()[0].Default)
	said := false
	for _, l := range above {
		var d time.Duration
		if d, err = inventory.ParseDuration(l.Values[SettingMax]); err == nil && l.Values[SettingMax] != "" && (!said || d < limit) {
			limit, said = d, true
		}
	}
	return limit
}

// holder is whom it is for. What the caller has proved this call with may be over before the grant is.
func (s *Service) holder(ctx context.Context, p inventory.Principal, name string) (inventory.Principal, error) {
	if name == "" || name == p.Name {
		p.Until, p.BreakGlass, p.Override = time.Time{}, false, false
		return p, nil
	}
	d, err := s.Rights.Directory(ctx)
	if err != nil {
		return p, err
	}
	m, _ := d.Named(name)
	u, ok := d.User(m.User)
	if !ok {
		return p, inventory.Errorf(inventory.ErrNotFound, "there is no user %s; 'lodge user list' shows them, and --account names an account of the container", name)
	}
	return inventory.Principal{Name: u.Name, Kind: inventory.KindPerson, User: u.ID, Proof: "sudo"}, nil
}

// mayHold refuses a grant to who may not go in, and one that somebody gives to another without the right to
// say who may what.
func (s *Service) mayHold(r *gate.Request, holder inventory.Principal) error {
	if !holder.IsSame(r.Principal) && !s.Rights.Allowed(r.Principal, inventory.RightGrant, r.Container) {
		return inventory.Errorf(inventory.ErrDenied, "%s may not give others sudo in %s: that takes the right %q", r.Principal.Name,
			r.Container.Ref(), inventory.RightGrant)
	}
	if !s.Rights.Allowed(holder, inventory.RightSession, r.Container) {
		return inventory.Errorf(inventory.ErrDenied, "%s may not go into %s, so sudo there is no use to them: that takes the right %q",
			holder.Name, r.Container.Ref(), inventory.RightSession)
	}
	return nil
}

// note keeps the grant and its end before there is anything to end.
func (s *Service) note(ctx context.Context, r *gate.Run) error {
	var args inventory.SudoArgs
	if err := r.Decode(&args); err != nil {
		return err
	}
	length, err := inventory.ParseDuration(args.For)
	if err != nil {
		return err
	}
	holder, err := s.holder(ctx, r.Operation.Principal, args.User)
	if err != nil {
		return err
	}
	now := s.Now().UTC()
	err = s.Store.AddSudo(ctx, inventory.SudoGrant{ID: r.Operation.ID, Container: r.Container().ID, Account: args.Account,
		Holder: holder, GivenBy: r.Operation.Principal.Name, Reason: r.Operation.Reason, GivenAt: now, Until: now.Add(length)})
	if err != nil {
		return err
	}
	return s.Look(ctx)
}

func (s *Service) unnote(ctx context.Context, r *gate.Run) error {
	return s.Store.EndSudo(ctx, r.Operation.ID, s.Now(), "it was not given")
}

// give writes the file once the container's visudo has accepted it under a name that sudo leaves out.
// It is written again before it is moved: what was checked lay in the container's hands meanwhile.
func (s *Service) give(ctx context.Context, r *gate.Run) error {
	grant, err := s.grant(ctx, r.Operation.ID)
	if err != nil {
		return err
	}
	c := r.Container()
	g, err := s.open(c)
	if err != nil {
		return err
	}
	defer g.close()
	if err := g.put(grant.Candidate(), grant.Sudoers()); err != nil {
		return err
	}
	r.Progress(50, "visudo checks it")
	if err := s.visudo(ctx, c, grant); err != nil {
		return errors.Join(err, g.remove(grant.Candidate()))
	}
	if err := g.put(grant.Candidate(), grant.Sudoers()); err != nil {
		return err
	}
	if err := g.rename(grant.Candidate(), grant.File()); err != nil {
		return err
	}
	return r.Result(map[string]any{"account": grant.Account, "until": grant.Until.UTC()})
}

func (s *Service) ungive(_ context.Context, r *gate.Run) error {
	return s.clear(r.Container(), inventory.SudoGrant{ID: r.Operation.ID})
}

func (s *Service) grant(ctx context.Context, id inventory.OperationID) (inventory.SudoGrant, error) {
	all, err := s.Store.SudoGrants(ctx, inventory.SudoQuery{ID: id})
	if err == nil && len(all) == 0 {
		err = inventory.Errorf(inventory.ErrNotFound, "there is no grant %s", id)
	}
	if err != nil {
		return inventory.SudoGrant{}, err
	}
	return all[0], nil
}

// visudo asks the container's own whether sudo would read the file.
func (s *Service) visudo(ctx context.Context, c *inventory.Container, grant inventory.SudoGrant) error {
	code, output, err := s.Guest.Run(ctx, c, "visudo", "-c", "-f", folderPath+"/"+grant.Candidate())
	switch {
	case err != nil:
		return err
	case code == inventory.ExitNoCommand:
		return noSudo(c)
	case code != 0:
		return inventory.Errorf(inventory.ErrState, "%s is given no sudo in %s: its visudo does not accept the file: %s",
			grant.Account, c.Ref(), cmp.Or(output, "it gives no reason"))
	}
	return nil
}

func noSudo(c *inventory.Container) error {
	return inventory.Errorf(inventory.ErrState, "there is no sudo in %s; install the package sudo in it first", c.Ref())
}
