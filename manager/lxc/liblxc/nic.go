package liblxc

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"

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
// is lost; what is left of an earlier life of the container goes. All are guarded before one is up.
func plug(init process, set mounts.Set) error {
	if len(set.Interfaces) == 0 {
		return nil
	}
	l, namespace, err := init.links()
	if err != nil {
		return err
	}
	defer unix.Close(namespace)
	defer l.close()
	ends := make([]netlink.Link, len(set.Interfaces))
	for n, i := range set.Interfaces {
		if ends[n], err = l.make(i, namespace); err != nil {
			return interfaceError(i, err)
		}
	}
	if err := runGuard(set.Guard); err != nil {
		return err
	}
	for n, i := range set.Interfaces {
		if err := l.wire(i, ends[n]); err != nil {
			return interfaceError(i, err)
		}
	}
	return nil
}

// runGuard runs the rules that kernels before 6.16 can't hang on an interface that is to come.
func runGuard(script string) error {
	if _, err := os.Stat(script); script == "" || errors.Is(err, os.ErrNotExist) {
		return nil
	}
	cmd := exec.Command("nft", "-f", script)
	if cmd.Err != nil { // the agent's helpers may have no path
		cmd = exec.Command("/usr/sbin/nft", "-f", script)
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		return inventory.Errorf(inventory.ErrUnavailable, "the container can't be kept from forging addresses: %v: %.200s", err, out)
	}
	return nil
}

// make returns the end inside of a pair that is there, or has been made and is down.
func (l link) make(i mounts.Interface, namespace int) (netlink.Link, error) {
	var bridge netlink.Link
	if i.Bridge != "" {
		var err error
		if bridge, err = l.host.LinkByName(i.Bridge); err != nil {
			return nil, fmt.Errorf("find bridge %s: %w", i.Bridge, err)
		}
	}
	end, err := l.end(i, bridge)
	if err != nil || end != nil {
		return end, err
	}
	return l.pair(i, bridge, namespace)
}

// wire brings both ends up, with what they have.
func (l link) wire(i mounts.Interface, end netlink.Link) error {
	for _, a := range i.Addresses { // the plan gives no address twice
		if err := addTo(l.inside, end, a, unix.RT_SCOPE_UNIVERSE); err != nil {
			return err
		}
	}
	if err := l.inside.LinkSetUp(end); err != nil {
		return err
	}
	host, err := l.host.LinkByName(i.Host)
	if isMissing(err) && i.Plain {
		return nil // it is where the operator has put it
	}
	if err != nil {
		return err
	}
	return errors.Join(l.wireHost(host, i), l.wireInside(end, i))
}

// wireHost brings the host's end up, with its addresses and what is routed over it.
func (l link) wireHost(host netlink.Link, i mounts.Interface) error {
	if err := l.host.LinkSetUp(host); err != nil {
		return err
	}
	for _, a := range i.HostAddresses {
		if err := addTo(l.host, host, a, unix.RT_SCOPE_LINK); err != nil {
			return err
		}
	}
	for _, to := range i.HostRoutes {
		route := &netlink.Route{LinkIndex: host.Attrs().Index, Dst: ipNet(to), Scope: unix.RT_SCOPE_LINK}
		if err := unlessNoIPv6(to.Addr(), l.host.RouteReplace(route)); err != nil {
			return fmt.Errorf("route %s over %s: %w", to, i.Host, err)
		}
	}
	return nil
}

func (l link) wireInside(end netlink.Link, i mounts.Interface) error {
	for _, r := range i.Routes {
		route := &netlink.Route{LinkIndex: end.Attrs().Index, Dst: ipNet(r.To), Gw: r.Via.AsSlice(), Flags: int(netlink.FLAG_ONLINK)}
		if err := unlessNoIPv6(r.Via, l.inside.RouteReplace(route)); err != nil {
			return fmt.Errorf("route %s by %s: %w", r.To, r.Via, err)
		}
	}
	return nil
}

func addTo(where *netlink.Handle, link netlink.Link, a netip.Prefix, scope int) error {
	address := &netlink.Addr{IPNet: ipNet(a), Flags: unix.IFA_F_NODAD, Scope: scope}
	if err := unlessNoIPv6(a.Addr(), where.AddrReplace(link, address)); err != nil {
		return fmt.Errorf("give it %s: %w", a, err)
	}
	return nil
}

// unlessNoIPv6 forgives what a kernel, a host or a container without IPv6 refuses (ip-sysctl.rst,
// disable_ipv6).
func unlessNoIPv6(a netip.Addr, err error) error {
	if a.Is6() && (errors.Is(err, unix.EACCES) || errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.EAFNOSUPPORT)) {
		return nil
	}
	return err
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}

// end is the end inside the container of a pair that is there already, whatever it is called by now; nil
// for none. A pair whose other end is elsewhere is taken away.
func (l link) end(i mounts.Interface, bridge netlink.Link) (netlink.Link, error) {
	host, err := l.host.LinkByName(i.Host)
	if isMissing(err) {
		return l.orphan(i)
	}
	if err != nil {
		return nil, err
	}
	inside, err := l.inside.LinkByIndex(host.Attrs().ParentIndex)
	if err == nil && inside.Type() == "veth" && inside.Attrs().ParentIndex == host.Attrs().Index {
		if bridge == nil {
			return inside, nil
		}
		return inside, l.host.LinkSetMaster(host, bridge)
	}
	return nil, l.host.LinkDel(host)
}

// orphan is the end inside of a plain pair whose other end was moved away. Of other pairs it goes, so that
// they can be made again.
func (l link) orphan(i mounts.Interface) (netlink.Link, error) {
	all, err := l.inside.LinkList()
	if err != nil {
		return nil, err
	}
	for _, inside := range all {
		if inside.Type() != "veth" || inside.Attrs().HardwareAddr.String() != i.MAC {
			continue
		}
		if i.Plain {
			return inside, nil
		}
		return nil, l.inside.LinkDel(inside)
	}
	return nil, nil
}

// pair makes both ends, each where it belongs from the start.
func (l link) pair(i mounts.Interface, bridge netlink.Link, namespace int) (netlink.Link, error) {
	mac, err := net.ParseMAC(i.MAC)
	if err != nil {
		return nil, err
	}
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.MTU = i.Host, i.MTU
	like := bridge
	if bridge != nil {
		attrs.MasterIndex = bridge.Attrs().Index
	} else if i.Like != "" {
		if like, err = l.host.LinkByName(i.Like); err != nil {
			return nil, fmt.Errorf("find %s: %w", i.Like, err)
		}
	}
	if attrs.MTU == 0 && like != nil {
		attrs.MTU = like.Attrs().MTU
	} else if attrs.MTU == 0 {
		attrs.MTU = ethernetMTU
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

// ethernetMTU is that of a veth pair by itself.
const ethernetMTU = 1500

// unplug takes interfaces away, both ends at once. One that is not there is fine.
func unplug(init process, all []mounts.Interface) error {
	for _, i := range all {
		host, err := netlink.LinkByName(i.Host)
		switch {
		case err == nil:
			err = netlink.LinkDel(host)
		case isMissing(err) && i.Plain:
			err = pull(init, i)
		}
		if err != nil && !isMissing(err) {
			return interfaceError(i, err)
		}
	}
	return nil
}

// pull takes away a pair of which only the end inside is to be found.
func pull(init process, i mounts.Interface) error {
	l, namespace, err := init.links()
	if err != nil {
		return err
	}
	defer unix.Close(namespace)
	defer l.close()
	inside, err := l.orphan(i)
	if err != nil || inside == nil {
		return err
	}
	return l.inside.LinkDel(inside)
}

func isMissing(err error) bool {
	return errors.As(err, new(netlink.LinkNotFoundError)) || errors.Is(err, unix.ENODEV)
}

func interfaceError(i mounts.Interface, err error) error {
	of := ""
	if i.Device != "" {
		of = "device " + i.Device + ": "
	}
	if kind, ok := inventory.Kind(err); ok {
		return inventory.Errorf(kind.Err, "%s%w", of, err)
	}
	return inventory.Errorf(inventory.ErrUnavailable, "%sinterface %s can't be had: %w", of, i.Name, err)
}
