package container

import (
	"context"
	"errors"
	"slices"
	"strings"

	"lodge/inventory"
	"lodge/manager/gate"
)

// deviceVerbs change what a container has beside its root file system. All of them are updates of the
// desired state, and what runs follows it: see changeDevices.
func (s *Service) deviceVerbs() []gate.Verb {
	verb := func(name, command string, prepare func(context.Context, *gate.Request) (*gate.Draft, error),
		more ...gate.Step) gate.Verb {
		return gate.Verb{Name: name, Right: inventory.RightManage, Mode: gate.ModeOperation, Command: command,
			Risk: inventory.RiskMedium, Prepare: prepare, Steps: append(s.updateSteps()[1:], more...)}
	}
	return []gate.Verb{
		verb("container.device.add", "device add", s.prepareDeviceAdd),
		verb("container.device.remove", "device remove", s.prepareDeviceRemove),
		verb("volume.attach", "volume attach", s.prepareAttach),
		verb("volume.detach", "volume detach", s.prepareDetach),
		verb("volume.move", "volume move", s.prepareMoveVolume,
			gate.Step{Name: "hand over", Do: s.handOver, Undo: s.takeBack}),
	}
}

// prepareDeviceAdd drafts one more device.
func (s *Service) prepareDeviceAdd(ctx context.Context, r *gate.Request) (*gate.Draft, error) {
	var d inventory.Device
	if err := r.Decode(&d); err != nil {
		return nil, err
	}
	return s.draftDevice(ctx, r, d)
}

func (s *Service) draftDevice(ctx context.Context, r *gate.Request, d inventory.Device) (*gate.Draft, error) {
	if old, ok := r.Container.Device(d.Name); ok {
		return nil, inventory.Errorf(inventory.ErrExists,
			"%s has a device %s already (%s); remove it first or choose another name", r.Container.Ref(), d.Name, old)
	}
	after := r.Container.Clone()
	after.SetDevice(d)
	return s.draftUpdate(ctx, r, after)
}

func (s *Service) prepareDeviceRemove(ctx context.Context, r *gate.Request) (*gate.Draft, error) {
	var args inventory.DeviceArgs
	if err := r.Decode(&args); err != nil {
		return nil, err
	}
	if _, ok := r.Container.Device(args.Name); !ok {
		return nil, inventory.Errorf(inventory.ErrNotFound, "%s has no device %s; 'lodge device list %s' shows those it has",
			r.Container.Ref(), args.Name, r.Container.Ref())
	}
	return s.draftWithout(ctx, r, args.Name)
}

func (s *Service) draftWithout(ctx context.Context, r *gate.Request, device string) (*gate.Draft, error) {
	after := r.Container.Clone()
	after.RemoveDevice(device)
	return s.draftUpdate(ctx, r, after)
}

// checkDevices checks the devices that after has and before has not, and puts them into canonical form.
// before is nil for a container that is to be made.
func (s *Service) checkDevices(ctx context.Context, r *gate.Request, before, after *inventory.Container) error {
	fresh, err := s.freshDevices(before, after)
	if err == nil {
		err = errors.Join(checkNICs(after), s.assignNICs(ctx, before, after))
	}
	if err != nil || len(fresh) == 0 {
		return err
	}
	for _, d := range fresh {
		if d.HostPath() != "" && !s.gate.Rights.Allowed(r.Principal, inventory.RightHostPath, r.Container) {
			return inventory.Errorf(inventory.ErrDenied,
				"%s may not give containers folders of the host: that takes the right %q", r.Principal.Name, inventory.RightHostPath)
		}
	}
	if err := s.Store.Attachable(ctx, after); err != nil {
		return err
	}
	b, err := s.boot(ctx, after)
	if err != nil {
		return err
	}
	for _, d := range fresh {
		if err := s.Devices.Check(ctx, b, d); err != nil {
			return err
		}
	}
	return nil
}

// freshDevices are the devices of after that before has not, each and all together checked as far as
// words go.
func (s *Service) freshDevices(before, after *inventory.Container) (fresh []inventory.Device, err error) {
	names, volumes := map[string]bool{}, map[string]bool{}
	for i, d := range after.Devices {
		if d, err = s.DeviceTypes.Check(d); err != nil {
			return nil, err
		}
		if volume := d.Volume(); names[d.Name] || volume != "" && volumes[volume] {
			return nil, inventory.Errorf(inventory.ErrExists, "%s would have device %s twice, or its volume", after.Ref(), d.Name)
		} else {
			names[d.Name], volumes[volume] = true, true
		}
		after.Devices[i] = d
		if before != nil {
			if old, had := before.Device(d.Name); had && old.Equal(d) {
				continue
			}
		}
		fresh = append(fresh, d)
	}
	return fresh, inventory.CheckApart(after.Devices)
}

// explainDevices says of each device in a plan how it comes about and what it risks.
func (s *Service) explainDevices(effects []inventory.EffectLine, before, after *inventory.Container, live bool) {
	s.DeviceTypes.Explain(effects, before, after)
	for i, line := range effects {
		if live && line.Effect == inventory.EffectRestart && strings.HasPrefix(line.Field, inventory.DeviceField) {
			effects[i].Note = "holds after the next restart"
		}
	}
}

// changeDevices brings a running container from the devices of one desired state to those of another:
// what is to go goes first. Done twice, or over its own half, it gives the same.
func (s *Service) changeDevices(ctx context.Context, from, to *inventory.Container) error {
	going, coming := differ(from, to), differ(to, from)
	if len(going) > 0 {
		b, err := s.boot(ctx, from)
		if err != nil {
			return err
		}
		for _, d := range going {
			if err := s.Devices.Detach(ctx, b, d); err != nil {
				return err
			}
		}
		if err := s.unboundNICs(ctx, b, going); err != nil {
			return err
		}
	}
	if len(coming) == 0 {
		return nil
	}
	b, err := s.boot(ctx, to)
	if err != nil {
		return err
	}
	for _, d := range coming {
		if err := s.Devices.Attach(ctx, b, d); err != nil {
			return err
		}
	}
	return s.boundNICs(ctx, b, coming)
}

// differ returns the devices of a that b has not.
func differ(a, b *inventory.Container) []inventory.Device {
	return slices.DeleteFunc(slices.Clone(a.Devices), func(d inventory.Device) bool {
		other, ok := b.Device(d.Name)
		return ok && other.Equal(d)
	})
}

// cloneDevices keeps the devices a clone gets of its own, and tells of the others.
func (s *Service) cloneDevices(c *inventory.Container) (left []inventory.EffectLine) {
	c.Devices = slices.DeleteFunc(slices.Clone(c.Devices), func(d inventory.Device) bool {
		if s.DeviceTypes[d.Type].IsCloned {
			return false
		}
		left = append(left, inventory.EffectLine{Field: inventory.DeviceField + d.Name, Before: d.String(),
			Note: "is not cloned along"})
		return true
	})
	return left
}

// bootDevices adds to b what the devices of c need to know of the host.
func (s *Service) bootDevices(ctx context.Context, b *inventory.Boot) error {
	if len(b.Container.Devices) == 0 {
		return nil
	}
	host, err := s.Store.HostSettings(ctx)
	if err != nil {
		return err
	}
	b.HostPaths = hostPaths(host)
	b.Volumes = map[string]string{}
	for _, name := range b.Container.Volumes() {
		v, err := s.Store.Volume(ctx, inventory.Ref{Project: b.Container.Project, Name: name})
		if err != nil {
			return err
		}
		b.Volumes[name] = s.Pools.Pool(v.Pool).Path(string(v.ID))
	}
	return nil
}

// hostPaths are the folders of the host that the setting names.
func hostPaths(values map[string]string) []string {
	return strings.FieldsFunc(values["storage.host_paths"], func(r rune) bool { return r == ',' || r == ' ' })
}
