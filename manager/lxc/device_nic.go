package lxc

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"

	"lodge/inventory"
	"lodge/manager/lxc/mounts"
)

// nicKind is one more interface of a container. The address is picked with the plan of the change that
// adds the device, and is part of the container (inventory.NIC), not of the device. liblxc knows
// nothing of the interface: it remembers only those of the first boot.
var nicKind = deviceKind{
	row: inventory.DeviceType{Name: inventory.DeviceNIC, Effect: inventory.EffectLive, Risk: inventory.RiskMedium, IsCloned: true,
		Rule: checkNIC,
		Doc:  "One more interface, on a network or as a plain pair; the first one alone leads out and to the names.",
		Properties: []inventory.Setting{
			{Name: inventory.PropertyNetwork, Type: inventory.TypeText, Risk: inventory.RiskMedium,
				Doc: "The network it is on; default when absent."},
			{Name: inventory.PropertyNICType, Type: inventory.TypeEnum, Values: []string{nicBridged, nicRouted, inventory.NICTypeP2P},
				Risk: inventory.RiskMedium,
				Doc:  "How it is connected: as its network is when absent; p2p is a plain pair on no network, whose end on the host is yours."},
			{Name: inventory.PropertyIP, Type: inventory.TypeText, Risk: inventory.RiskLow,
				Doc: "The IPv4 address it is to hold; the next free one when absent."},
			{Name: inventory.PropertyInterface, Type: inventory.TypeText, Risk: inventory.RiskLow,
				Doc: "Its name inside the container; eth1 and so on when absent."},
		}},
	interfaces: nicInterfaces,
}

const (
	nicBridged = "bridged" // a port of the network's bridge
	nicRouted  = "routed"
)

func checkNIC(d inventory.Device) error {
	network, on := d.Properties[inventory.PropertyNetwork]
	ip, asked := d.Properties[inventory.PropertyIP]
	if d.Properties[inventory.PropertyNICType] == inventory.NICTypeP2P && (on || asked) {
		return inventory.Errorf(inventory.ErrInvalid,
			"device %s: a plain pair is on no network and has no address of ours; leave network and ip out, or nictype", d.Name)
	}
	if on {
		if err := inventory.CheckName("the network", network); err != nil {
			return err
		}
	}
	if name, ok := d.Properties[inventory.PropertyInterface]; ok && (!isInterfaceName(name) || name == "lo" || name == "eth0") {
		return inventory.Errorf(inventory.ErrInvalid,
			"device %s: an interface can't be called %.20q; 1 to 15 letters, digits, dots, dashes and underscores can, but for lo and eth0",
			d.Name, name)
	}
	if asked {
		if a, err := netip.ParseAddr(ip); err != nil || !a.Is4() {
			return inventory.Errorf(inventory.ErrInvalid, "device %s: %.40q is no IPv4 address", d.Name, ip)
		}
	}
	return nil
}

func nicInterfaces(b inventory.Boot, d inventory.Device) ([]mounts.Interface, error) {
	nic, ok := b.Container.NIC(d.Name)
	if !ok { // as a plan checks it, before an address is picked
		return nil, nil
	}
	i, err := interfaceOf(b, nic)
	if err != nil {
		return nil, fmt.Errorf("device %s: %w", d.Name, err)
	}
	is := nicBridged
	if b.Networks[nic.Network].IsRouted() {
		is = nicRouted
	}
	if want := cmp.Or(d.Properties[inventory.PropertyNICType], is); want != is && want != inventory.NICTypeP2P {
		return nil, inventory.Errorf(inventory.ErrInvalid, "device %s: network %s is not %s but %s; leave nictype out, or choose another network",
			d.Name, nic.Network, want, is)
	}
	return []mounts.Interface{i}, nil
}

// interfaceOf is a NIC as lodge-lxc makes it. The first one of a container leads out.
func interfaceOf(b inventory.Boot, nic inventory.NIC) (mounts.Interface, error) {
	i := mounts.Interface{Device: nic.Device, Host: b.Container.HostInterface(nic.Index), Name: nic.Name, MAC: nic.MAC}
	if nic.IsPlain() {
		i.Plain = true
		return i, nil
	}
	n, ok := b.Networks[nic.Network]
	switch {
	case !ok:
		return i, inventory.Errorf(inventory.ErrNotFound, "there is no network %s", nic.Network)
	case n.Type == inventory.NetworkMACVLAN:
		return i, inventory.Errorf(inventory.ErrInvalid,
			"network %s is macvlan, which only the first interface of a container can be on; a network of type routed with the same parent takes more",
			nic.Network)
	}
	i.MTU = n.MTU
	if n.IsRouted() {
		i.Like = n.Bridge
	} else {
		i.Bridge = n.Bridge
	}
	for _, f := range []struct {
		ip      netip.Addr
		network netip.Prefix
		gateway netip.Addr // of routed networks
	}{{nic.IPv4, n.IPv4, inventory.RoutedGateway4}, {nic.IPv6, n.IPv6, inventory.RoutedGateway6}} {
		if !f.ip.IsValid() || !f.network.IsValid() {
			continue
		}
		route := mounts.Route{Via: f.network.Addr()}
		if n.IsRouted() {
			alone := netip.PrefixFrom(f.ip, f.ip.BitLen())
			i.Addresses = append(i.Addresses, alone)
			i.HostRoutes = append(i.HostRoutes, alone)
			i.HostAddresses = append(i.HostAddresses, netip.PrefixFrom(f.gateway, f.gateway.BitLen()))
			route = mounts.Route{To: f.network.Masked(), Via: f.gateway} // its neighbours are reached by the host, too
		} else {
			i.Addresses = append(i.Addresses, netip.PrefixFrom(f.ip, f.network.Bits()))
		}
		if nic.Index == 0 {
			route.To = netip.PrefixFrom(f.ip, 0).Masked()
		}
		if route.To.IsValid() {
			i.Routes = append(i.Routes, route)
		}
	}
	return i, nil
}

// firstInterface is that of a container whose first NIC liblxc does not make.
func firstInterface(b inventory.Boot) ([]mounts.Interface, error) {
	for _, nic := range b.Container.NICs {
		if nic.Device == "" && b.Networks[nic.Network].IsRouted() {
			i, err := interfaceOf(b, nic)
			return []mounts.Interface{i}, err
		}
	}
	return nil, nil
}

// Plug gives a running container interfaces again that somebody took away, with what they had: name, MAC,
// addresses, and the routes of the first one. What is there stays.
func (r *Runtime) Plug(ctx context.Context, b inventory.Boot, nics ...inventory.NIC) error {
	set, err := r.mountsOf(b)
	if err != nil {
		return err
	}
	for _, nic := range nics {
		i, err := interfaceOf(b, nic)
		if err != nil {
			return err
		}
		set.Interfaces = append(set.Interfaces, i)
	}
	run, state := r.look(b.Container)
	if !state.IsLive() {
		return nil
	}
	return r.callDevice(ctx, "attach", &run.init, set)
}
