package lxc

import (
	"net/netip"

	"lodge/inventory"
	"lodge/manager/lxc/mounts"
)

// nicKind is one more interface of a container. The address is picked with the plan of the change that
// adds the device, and is part of the container (inventory.NIC), not of the device. liblxc knows
// nothing of the interface: it remembers only those of the first boot.
var nicKind = deviceKind{
	row: inventory.DeviceType{Name: "nic", Effect: inventory.EffectLive, Risk: inventory.RiskMedium, IsCloned: true,
		Rule: checkNIC,
		Doc:  "One more interface, on a network; the first one alone leads out and to the names.",
		Properties: []inventory.Setting{
			{Name: inventory.PropertyNetwork, Type: inventory.TypeText, Default: inventory.DefaultNetwork, Risk: inventory.RiskMedium,
				Doc: "The network it is on."},
			{Name: "nictype", Type: inventory.TypeEnum, Values: []string{"bridged"}, Default: "bridged", Risk: inventory.RiskMedium,
				Doc: "How it is connected: bridged is a port of the network's bridge."},
			{Name: inventory.PropertyIP, Type: inventory.TypeText, Risk: inventory.RiskLow,
				Doc: "The IPv4 address it is to hold; the next free one when absent."},
			{Name: inventory.PropertyInterface, Type: inventory.TypeText, Risk: inventory.RiskLow,
				Doc: "Its name inside the container; eth1 and so on when absent."},
		}},
	interfaces: nicInterfaces,
}

func checkNIC(d inventory.Device) error {
	if err := inventory.CheckName("the network", d.Properties[inventory.PropertyNetwork]); err != nil {
		return err
	}
	if name, ok := d.Properties[inventory.PropertyInterface]; ok && (!isInterfaceName(name) || name == "lo" || name == "eth0") {
		return inventory.Errorf(inventory.ErrInvalid,
			"device %s: an interface can't be called %.20q; 1 to 15 letters, digits, dots, dashes and underscores can, but for lo and eth0",
			d.Name, name)
	}
	if ip, ok := d.Properties[inventory.PropertyIP]; ok {
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
	network, ok := b.Networks[nic.Network]
	if !ok {
		return nil, inventory.Errorf(inventory.ErrNotFound, "device %s: there is no network %s", d.Name, nic.Network)
	}
	i := mounts.Interface{Device: d.Name, Host: b.Container.HostInterface(nic.Index), Bridge: network.Bridge,
		Name: nic.Name, MAC: nic.MAC, MTU: network.MTU}
	for ip, gateway := range map[netip.Addr]netip.Prefix{nic.IPv4: network.IPv4, nic.IPv6: network.IPv6} {
		if ip.IsValid() && gateway.IsValid() {
			i.Addresses = append(i.Addresses, netip.PrefixFrom(ip, gateway.Bits()))
		}
	}
	return []mounts.Interface{i}, nil
}
