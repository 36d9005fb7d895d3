package container

import (
	"context"
	"slices"

	"lodge/inventory"
	"lodge/manager/gate"
)

// assignNICs gives an interface with its addresses to every nic device of after that before had not, and
// takes those of devices that are gone. before is nil for a container that is to be made.
func (s *Service) assignNICs(ctx context.Context, before, after *inventory.Container) error {
	after.NICs = slices.DeleteFunc(slices.Clone(after.NICs), func(n inventory.NIC) bool {
		return n.Device != "" && !isKept(before, after, n.Device)
	})
	for _, d := range after.Devices {
		if _, has := after.NIC(d.Name); d.Type != inventory.DeviceNIC || has {
			continue
		}
		nic, err := s.assignNIC(ctx, after, d)
		if err != nil {
			return err
		}
		after.NICs = append(after.NICs, nic)
	}
	return nil
}

// isKept reports whether both have the same device of that name.
func isKept(before, after *inventory.Container, device string) bool {
	now, has := after.Device(device)
	if before == nil || !has {
		return false
	}
	was, had := before.Device(device)
	return had && was.Equal(now)
}

func (s *Service) assignNIC(ctx context.Context, c *inventory.Container, d inventory.Device) (inventory.NIC, error) {
	want := d.Properties[inventory.PropertyIP]
	nic, err := s.Addresses.Assign(ctx, AddressRequest{Network: d.Properties[inventory.PropertyNetwork],
		Want: want, Container: c, Index: freeIndex(c), Plain: d.Properties[inventory.PropertyNICType] == inventory.NICTypeP2P})
	if err != nil {
		return nic, err
	}
	nic.Device, nic.Pinned = d.Name, want != ""
	nic.Name = orElse(d.Properties[inventory.PropertyInterface], nic.Name)
	if slices.ContainsFunc(c.NICs, func(n inventory.NIC) bool { return n.Name == nic.Name }) {
		return nic, inventory.Errorf(inventory.ErrExists,
			"%s has an interface %s already; give device %s another name with interface=NAME", c.Ref(), nic.Name, d.Name)
	}
	return nic, nil
}

// mostNICs is how many interfaces a container can have: their ends on the host are told by a letter.
const mostNICs = 26

// freeIndex is the lowest number no interface of c has. One taken for good is never 0.
func freeIndex(c *inventory.Container) int {
	for n := 1; ; n++ {
		if !slices.ContainsFunc(c.NICs, func(nic inventory.NIC) bool { return nic.Index == n }) {
			return n
		}
	}
}

// checkNICs bounds the number of interfaces.
func checkNICs(c *inventory.Container) error {
	nics := 1
	for _, d := range c.Devices {
		if d.Type == inventory.DeviceNIC {
			nics++
		}
	}
	if nics > mostNICs {
		return inventory.Errorf(inventory.ErrInvalid, "%s can't have %d interfaces; the most is %d", c.Ref(), nics, mostNICs)
	}
	return nil
}

// cloneNICs gives a clone addresses of its own for every interface of its source. None is pinned.
func (s *Service) cloneNICs(ctx context.Context, from, c *inventory.Container) error {
	c.NICs = nil
	for _, nic := range from.NICs {
		fresh, err := s.Addresses.Assign(ctx, AddressRequest{Network: nic.Network, Container: c, Index: nic.Index,
			Plain: nic.IsPlain()})
		if err != nil {
			return err
		}
		fresh.Name, fresh.Device = nic.Name, nic.Device
		c.NICs = append(c.NICs, fresh)
	}
	for i, d := range c.Devices {
		if d.Type == inventory.DeviceNIC {
			c.Devices[i] = d.Without(inventory.PropertyIP)
		}
	}
	return nil
}

// publishNICs makes the names right where interfaces come or go.
func (s *Service) publishNICs(ctx context.Context, r *gate.Run) error {
	if slices.Equal(r.Before.NICs, r.After.NICs) {
		return nil
	}
	return s.publishNames(ctx, r)
}

// publishNICsBack is publishNICs' undo.
func (s *Service) publishNICsBack(ctx context.Context, r *gate.Run) error {
	if slices.Equal(r.Before.NICs, r.After.NICs) {
		return nil
	}
	return s.publishBack(ctx, r)
}

// boundNICs holds the interfaces of devices that came to a running container to its settings.
func (s *Service) boundNICs(ctx context.Context, b inventory.Boot, devices []inventory.Device) error {
	return s.shapeNICs(ctx, b, devices, b.Settings)
}

// unboundNICs takes the bounds of interfaces that went.
func (s *Service) unboundNICs(ctx context.Context, b inventory.Boot, devices []inventory.Device) error {
	return s.shapeNICs(ctx, b, devices, nil)
}

func (s *Service) shapeNICs(ctx context.Context, b inventory.Boot, devices []inventory.Device,
	values map[string]string) error {
	if !boundsTraffic(b.Settings) {
		return nil
	}
	for _, d := range devices {
		if nic, ok := b.Container.NIC(d.Name); ok {
			if err := s.Traffic.Shape(ctx, b.Container.HostInterface(nic.Index), values); err != nil {
				return err
			}
		}
	}
	return nil
}

// guardNICs lets interfaces that are about to come send only as the container.
func (s *Service) guardNICs(ctx context.Context, from, to *inventory.Container) error {
	if slices.Equal(from.NICs, to.NICs) {
		return nil
	}
	networks, err := s.Addresses.Networks(ctx)
	if err != nil {
		return err
	}
	return s.Traffic.Guard(ctx, networks, to)
}

// unguardNICs takes away the rules of interfaces that have gone. The others are guarded again: a kernel
// that hangs no rules on what comes later has them now.
func (s *Service) unguardNICs(ctx context.Context, from, to *inventory.Container) error {
	if slices.Equal(from.NICs, to.NICs) {
		return nil
	}
	networks, err := s.Addresses.Networks(ctx)
	if err != nil {
		return err
	}
	gone := from.Clone()
	gone.NICs = slices.DeleteFunc(gone.NICs, func(n inventory.NIC) bool {
		return slices.ContainsFunc(to.NICs, func(o inventory.NIC) bool { return n.Index == o.Index && n.Network == o.Network })
	})
	if len(gone.NICs) > 0 {
		if err := s.Traffic.Unguard(ctx, networks, gone); err != nil {
			return err
		}
	}
	return s.Traffic.Guard(ctx, networks, to)
}
