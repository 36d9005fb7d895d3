package container

import (
	"cmp"
	"context"
	"slices"

	"lodge/inventory"
	"lodge/manager/gate"
)

// Attaching a volume is adding a disk that shows it.

func (s *Service) prepareAttach(ctx context.Context, r *gate.Request) (*gate.Draft, error) {
	var args inventory.AttachArgs
	if err := r.Decode(&args); err != nil {
		return nil, err
	}
	return s.draftDevice(ctx, r, diskOf(args))
}

func diskOf(args inventory.AttachArgs) inventory.Device {
	d := inventory.Device{Name: cmp.Or(args.Device, args.Volume), Type: "disk", Properties: map[string]string{
		inventory.PropertyVolume: args.Volume, inventory.PropertyPath: cmp.Or(args.Path, "/mnt/"+args.Volume)}}
	if args.ReadOnly {
		d.Properties[inventory.PropertyReadOnly] = "true"
	}
	return d
}

// attached finds the disk that shows the volume the parameters name.
func attached(r *gate.Request) (args inventory.AttachArgs, d inventory.Device, err error) {
	if err := r.Decode(&args); err != nil {
		return args, d, err
	}
	i := slices.IndexFunc(r.Container.Devices, func(d inventory.Device) bool { return d.Volume() == args.Volume })
	if i < 0 || args.Volume == "" {
		return args, d, inventory.Errorf(inventory.ErrState, "volume %s is not attached to %s", args.Volume, r.Container.Ref())
	}
	return args, r.Container.Devices[i], nil
}

func (s *Service) prepareDetach(ctx context.Context, r *gate.Request) (*gate.Draft, error) {
	_, d, err := attached(r)
	if err != nil {
		return nil, err
	}
	return s.draftWithout(ctx, r, d.Name)
}

// prepareMoveVolume drafts the container without the volume, which another one gets as the last step.
func (s *Service) prepareMoveVolume(ctx context.Context, r *gate.Request) (*gate.Draft, error) {
	args, d, err := attached(r)
	if err != nil {
		return nil, err
	}
	to, err := s.Store.Container(ctx, inventory.Ref{Project: r.Container.Project, Name: args.To})
	if err != nil {
		return nil, err
	}
	args.To, args.Path = to.Name, cmp.Or(args.Path, d.Properties[inventory.PropertyPath])
	args.Device, args.ReadOnly = cmp.Or(args.Device, d.Name), args.ReadOnly || d.IsReadOnly()
	if err := s.checkTaker(r, to, diskOf(args)); err != nil {
		return nil, err
	}
	draft, err := s.draftWithout(ctx, r, d.Name)
	if err != nil {
		return nil, err
	}
	draft.Args = args
	draft.Effects = append(draft.Effects, inventory.EffectLine{Field: "volume " + args.Volume, Before: r.Container.Name,
		After: to.Name + ":" + args.Path, Effect: inventory.EffectLive})
	return draft, nil
}

// checkTaker checks what can be known of the container that is to get a volume, before the other one has
// given it up.
func (s *Service) checkTaker(r *gate.Request, to *inventory.Container, d inventory.Device) error {
	if !s.gate.Rights.Allowed(r.Principal, inventory.RightView, to) {
		return inventory.Errorf(inventory.ErrNotFound, "there is no container %s", to.Ref())
	}
	if !s.gate.Rights.Allowed(r.Principal, inventory.RightManage, to) {
		return inventory.Errorf(inventory.ErrDenied, "%s may not change %s: that takes the right %q", r.Principal.Name,
			to.Ref(), inventory.RightManage)
	}
	if to.ID == r.Container.ID {
		return inventory.Errorf(inventory.ErrInvalid, "%s has the volume already", to.Ref())
	}
	if _, has := to.Device(d.Name); has {
		return inventory.Errorf(inventory.ErrExists, "%s has a device %s already", to.Ref(), d.Name)
	}
	after := to.Clone()
	after.SetDevice(d)
	if _, err := s.freshDevices(to, after); err != nil {
		return err
	}
	return notInTrash(to)
}

// handOver attaches the volume to the container that is to have it, as an operation of its own on that
// container, asked for by the same caller. Its key makes a second try find the first.
func (s *Service) handOver(ctx context.Context, r *gate.Run) error {
	var args inventory.AttachArgs
	if err := r.Decode(&args); err != nil {
		return err
	}
	to := args.To
	args.To = ""
	return s.ask(ctx, r, "volume.attach", to, args)
}

// takeBack is handOver's undo.
func (s *Service) takeBack(ctx context.Context, r *gate.Run) error {
	var args inventory.AttachArgs
	if err := r.Decode(&args); err != nil {
		return err
	}
	to, err := s.Store.Container(ctx, inventory.Ref{Project: r.Before.Project, Name: args.To})
	if err != nil || !slices.Contains(to.Volumes(), args.Volume) {
		return err
	}
	return s.ask(ctx, r, "volume.detach", args.To, inventory.AttachArgs{Volume: args.Volume})
}

// ask passes the gate as the operation's own caller and waits for the end.
func (s *Service) ask(ctx context.Context, r *gate.Run, verb, container string, args inventory.AttachArgs) error {
	ctx = inventory.WithPrincipal(ctx, r.Operation.Principal)
	request := gate.Request{Verb: verb, Ref: inventory.Ref{Project: r.Before.Project, Name: container}, Args: s.encode(args),
		Reason: r.Operation.Reason, Ticket: r.Operation.Ticket, Key: "part of " + string(r.Operation.ID)}
	shown := request
	shown.PlanOnly, shown.Key = true, ""
	plan, err := s.gate.Begin(ctx, shown)
	if err == nil && plan.Plan != nil && plan.Plan.Verdict == string(gate.Hold) {
		err = inventory.Errorf(inventory.ErrDenied, "%s of %s needs approval; detach and attach it by themselves", verb, container)
	}
	if err != nil && !r.Resumed { // what is done already can't be planned again
		return err
	}
	answer, err := s.gate.Begin(ctx, request)
	if err != nil {
		return err
	}
	op, err := s.gate.Wait(ctx, answer.Operation.ID)
	if err != nil || op.State == inventory.OperationDone {
		return err
	}
	kind, ok := inventory.KindNamed(op.Kind)
	if !ok {
		kind.Err = inventory.ErrUnavailable
	}
	return inventory.Errorf(kind.Err, "%s: %s", container, op.Error)
}
