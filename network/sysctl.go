package network

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"

	"github.com/vishvananda/netlink"

	"lodge/inventory"
)

// Kernel parameters: Documentation/networking/ip-sysctl.rst.
const sysctlRoot = "/proc/sys"

// HasIPv6 reports whether this host has IPv6 and it is not disabled: the wish of whoever disabled it on all
// interfaces holds for containers' networks, too.
func HasIPv6() bool {
	disabled, err := sysctl("net/ipv6/conf/all/disable_ipv6")
	return err == nil && disabled != "1"
}

func sysctl(key string) (string, error) {
	text, err := os.ReadFile(filepath.Join(sysctlRoot, key))
	return strings.TrimSpace(string(text)), err
}

// setSysctl writes only what differs: /proc/sys is read-only on some hosts that are set up right.
func setSysctl(key, value string) error {
	if now, err := sysctl(key); err == nil && now == value {
		return nil
	}
	if err := os.WriteFile(filepath.Join(sysctlRoot, key), []byte(value), 0); err != nil {
		return fmt.Errorf("set %s to %s: %w", strings.ReplaceAll(key, "/", "."), value, err)
	}
	return nil
}

// bridgeSysctls is what has to hold on the bridge before it has an address.
func (s *Service) bridgeSysctls(n inventory.Network) error {
	if !HasIPv6() {
		return nil
	}
	for _, kv := range [][2]string{
		{"disable_ipv6", "0"},
		// A router advertisement of a container must not change the host's routes.
		{"accept_ra", "0"},
		{"autoconf", "0"},
		{"accept_dad", "0"},
		{"dad_transmits", "0"},
	} {
		if err := setSysctl("net/ipv6/conf/"+n.Bridge+"/"+kv[0], kv[1]); err != nil {
			return err
		}
	}
	return nil
}

// forwarding makes the host route between the bridge and its uplinks.
func (s *Service) forwarding(n inventory.Network) error {
	if err := setSysctl("net/ipv4/ip_forward", "1"); err != nil {
		return err
	}
	if !n.IPv6.IsValid() || !HasIPv6() {
		return nil
	}
	if on, err := sysctl("net/ipv6/conf/all/forwarding"); err == nil && on == "1" {
		return nil // whoever turned it on has settled router advertisements too
	}
	if err := keepUplinks(); err != nil {
		return err
	}
	return setSysctl("net/ipv6/conf/all/forwarding", "1")
}

// keepUplinks lets links that learn their routes from router advertisements go on doing so. With
// accept_ra=1 the kernel ignores advertisements on a forwarding host, and drops the default route
// it had from them at once; 2 means "even when forwarding".
func keepUplinks() error {
	links, err := netlink.LinkList()
	if err != nil {
		return fmt.Errorf("list the host's links: %w", err)
	}
	learned := raRoutes()
	for _, link := range links {
		a := link.Attrs()
		uplink := learned[a.Index] || link.Type() == "device" || link.Type() == "vlan" || link.Type() == "bond"
		if !uplink || a.Flags&net.FlagLoopback != 0 {
			continue
		}
		key := "net/ipv6/conf/" + a.Name + "/accept_ra"
		// Only "1" is changed: with 0 somebody else (networkd, or nobody) handles advertisements.
		if now, err := sysctl(key); err != nil || now != "1" {
			continue
		}
		if err := setSysctl(key, "2"); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// raRoutes returns the links that have a route from a router advertisement (RTPROT_RA, rtnetlink(7)).
func raRoutes() map[int]bool {
	const protoRA = 9
	out := map[int]bool{}
	routes, err := netlink.RouteList(nil, netlink.FAMILY_V6)
	if err != nil {
		return out
	}
	for _, r := range routes {
		if r.Protocol == protoRA {
			out[r.LinkIndex] = true
		}
	}
	return out
}

func parseMAC(s string) net.HardwareAddr {
	mac, _ := net.ParseMAC(s)
	return mac
}
