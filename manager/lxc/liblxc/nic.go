package liblxc

import (
	"errors"
	"fmt"
	"net"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"lodge/inventory"
	"lodge/manager/lxc/mounts"
)

// A link is the host's view and the container's of the two ends of interfaces.
type link struct{ host, inside *netlink.Handle }

// links opens both views. No thread stays in the container's network namespace.
func (p process) links() (l link, namespace int, err error) {
	namespace, err = p.network()
	if err != nil {
		return l, -1, err
	}
	if l.host, err = netlink.NewHandle(unix.NETLINK_ROUTE); err == nil {
		err = elsewhere(func() error {
			err := unix.Setns(namespace, unix.CLONE_NEWNET)
			if err == nil {
				l.inside, err = netlink.NewHandle(unix.NETLINK_ROUTE)
			}
			return err
		})
	}
	if err != nil {
		l.close()
		unix.Close(namespace)
		return l, -1, fmt.Errorf("enter the container's network: %w", err)
	}
	return l, namespace, nil
}

// network opens the process's network namespace.
func (p process) network() (int, error) {
	fd, err := unix.Open(fmt.Sprintf("/proc/%d/ns/net", p.pid), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err == nil && unix.PidfdSendSignal(p.fd, 0, nil, 0) == nil { // so the number was still its own
		return fd, nil
	}
	if err == nil {
		unix.Close(fd)
	}
	return -1, errStopped
}

func (l link) close() {
	for _, h := range []*netlink.Handle{l.host, l.inside} {
		if h != nil {
			h.Close()
		}
	}
}

// plug gives the container of that init its interfaces. What is right already stays, so that no packet
// is lost; what is left of an earlier life of the container goes.
func plug(init process, all []mounts.Interface) error {
	if len(all) == 0 {
		return nil
	}
	l, namespace, err := init.links()
	if err != nil {
		return err
	}
	defer unix.Close(namespace)
	defer l.close()
	for _, i := range all {
		if err := l.plug(i, namespace); err != nil {
			return interfaceError(i, err)
		}
	}
	return nil
}

func (l link) plug(i mounts.Interface, namespace int) error {
	bridge, err := l.host.LinkByName(i.Bridge)
	if err != nil {
		return fmt.Errorf("find bridge %s: %w", i.Bridge, err)
	}
	end, err := l.end(i, bridge)
	if err != nil {
		return err
	}
	if end == nil {
		if end, err = l.pair(i, bridge, namespace); err != nil {
			return err
		}
	}
	for _, a := range i.Addresses {
		address, err := netlink.ParseAddr(a.String())
		if err != nil {
			return err
		}
		address.Flags = unix.IFA_F_NODAD // the plan gives no address twice
		if err := l.inside.AddrReplace(end, address); err != nil {
			return fmt.Errorf("give it %s: %w", a, err)
		}
	}
	host, err := l.host.LinkByName(i.Host)
	if err != nil {
		return err
	}
	return errors.Join(l.inside.LinkSetUp(end), l.host.LinkSetUp(host))
}

// end is the end inside the container of a pair that is there already, whatever it is called by now; nil
// for none. A pair whose other end is elsewhere is taken away.
func (l link) end(i mounts.Interface, bridge netlink.Link) (netlink.Link, error) {
	host, err := l.host.LinkByName(i.Host)
	if isMissing(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	inside, err := l.inside.LinkByIndex(host.Attrs().ParentIndex)
	if err == nil && inside.Type() == "veth" && inside.Attrs().ParentIndex == host.Attrs().Index {
		return inside, l.host.LinkSetMaster(host, bridge)
	}
	return nil, l.host.LinkDel(host)
}

// pair makes both ends, each where it belongs from the start.
func (l link) pair(i mounts.Interface, bridge netlink.Link, namespace int) (netlink.Link, error) {
	mac, err := net.ParseMAC(i.MAC)
	if err != nil {
		return nil, err
	}
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.MTU, attrs.MasterIndex = i.Host, i.MTU, bridge.Attrs().Index
	if attrs.MTU == 0 {
		attrs.MTU = bridge.Attrs().MTU
	}
	err = l.host.LinkAdd(&netlink.Veth{LinkAttrs: attrs, PeerName: i.Name, PeerMTU: uint32(attrs.MTU),
		PeerHardwareAddr: mac, PeerNamespace: netlink.NsFd(namespace)})
	if errors.Is(err, unix.EEXIST) {
		return nil, inventory.Errorf(inventory.ErrExists,
			"the container has an interface %s of its own; choose another name with interface=NAME", i.Name)
	}
	if err != nil {
		return nil, err
	}
	return l.inside.LinkByName(i.Name)
}

// unplug takes interfaces away, both ends at once. One that is not there is fine.
func unplug(all []mounts.Interface) error {
	for _, i := range all {
		host, err := netlink.LinkByName(i.Host)
		if err == nil {
			err = netlink.LinkDel(host)
		}
		if err != nil && !isMissing(err) {
			return interfaceError(i, err)
		}
	}
	return nil
}

func isMissing(err error) bool {
	return errors.As(err, new(netlink.LinkNotFoundError)) || errors.Is(err, unix.ENODEV)
}

func interfaceError(i mounts.Interface, err error) error {
	if kind, ok := inventory.Kind(err); ok {
		return inventory.Errorf(kind.Err, "device %s: %w", i.Device, err)
	}
	return inventory.Errorf(inventory.ErrUnavailable, "device %s: interface %s can't be had: %w", i.Device, i.Name, err)
}
