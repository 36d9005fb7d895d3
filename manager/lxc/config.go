package lxc

import (
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"strconv"
	"strings"

	"lodge/inventory"
)

// idRange is how many ids a container's user namespace maps.
const idRange = 65536

// A setup is all a configuration is made from: the container as desired, its limits as numbers and
// what this host has.
type setup struct {
	boot   inventory.Boot
	limits limits
	init   initProgram
	at     place
	host   host
	dir    string // of the container below the lxcpath
	root   string // where its root is mounted with its ids
	hook   string // the command of the hooks

	seccomp string // the file with the policy, the same for all
}

// render writes the whole configuration. It includes no file of the distribution's: those change
// under us with upgrades, mount lxcfs by a shell script and sleep half a second at each stop.
func (s setup) render() ([]byte, error) {
	d := &document{}
	s.identity(d)
	s.users(d)
	s.rootfs(d)
	s.terminals(d)
	s.network(d)
	s.confinement(d)
	s.deviceNodes(d)
	s.resources(d)
	s.devices(d)
	s.hooks(d)
	return d.bytes()
}

func (s setup) identity(d *document) {
	c := s.boot.Container
	if err := inventory.CheckName("container", c.Name); err != nil {
		d.err = err
	}
	d.set("lxc.uts.name", c.Name)
	d.path("lxc.init.cmd", "", s.init.path)
	d.set("lxc.signal.halt", strconv.Itoa(s.init.halt))
	d.path("lxc.log.file", "", filepath.Join(s.dir, "lxc.log"))
	d.set("lxc.log.level", "INFO")
	// Count from PID 1's cgroup, not from that of the process that starts it.
	d.set("lxc.cgroup.relative", "0")
	// By the id, since another agent's container may have the name: one would sweep the other's.
	parent := ""
	if s.host.cgroups.isPureV2() {
		parent = cgroupParent
		d.set("lxc.cgroup.dir.monitor.pivot", cgroupParent)
	}
	d.set("lxc.cgroup.dir.monitor", filepath.Join(parent, monitorPrefix+string(c.ID)))
	d.set("lxc.cgroup.dir.container", filepath.Join(parent, payloadPrefix+string(c.ID)))
}

func (s setup) users(d *document) {
	if s.limits.privileged {
		return
	}
	base := s.boot.Container.IDBase
	if base < idRange {
		d.err = inventory.Errorf(inventory.ErrInvalid,
			"the id range of %s begins at %d, where the host's own users are", s.boot.Container.Name, base)
	}
	for _, kind := range []string{"u", "g"} {
		d.set("lxc.idmap", fmt.Sprintf("%s 0 %d %d", kind, base, idRange))
	}
}

func (s setup) rootfs(d *document) {
	// Files keep the container's ids on disk; what liblxc gets is a mount of ours that maps them.
	path := s.boot.Rootfs
	if d.isPath("lxc.rootfs.path", path) && !s.limits.privileged {
		path = s.root
	}
	d.path("lxc.rootfs.path", "dir:", path)
	d.set("lxc.rootfs.managed", "0") // lxc-destroy must not take it away
	d.set("lxc.mount.auto", s.autoMounts())
	d.set("lxc.mount.entry", "/sys/fs/fuse/connections sys/fs/fuse/connections none bind,optional 0 0")
	if s.limits.nesting {
		// Whoever mounts proc or sysfs in a namespace must see one that nothing is mounted over.
		d.set("lxc.mount.entry", "proc dev/.lxc/proc proc create=dir,optional 0 0")
		d.set("lxc.mount.entry", "sys dev/.lxc/sys sysfs create=dir,optional 0 0")
	}
	for _, file := range s.host.lxcfs {
		d.set("lxc.mount.entry", file.source+" "+file.target+" none bind,optional 0 0")
	}
}

// autoMounts keeps /proc/sys and /sys read-only in the main: with a writable /sys a systemd without
// udev waits for devices that never come.
func (s setup) autoMounts() string {
	switch {
	case s.limits.nesting && !s.host.cgroups.isPureV2():
		// systemd inside mounts cpu and cpuacct as one, which fails where the host has them apart,
		// and Podman finds no cgroup to put a container into. liblxc mounts what the host has.
		return "proc:rw sys:rw cgroup:rw:force"
	case s.limits.nesting:
		return "proc:rw sys:rw cgroup:rw"
	}
	return "proc:mixed sys:mixed cgroup:mixed"
}

// devices adds what the container's devices need of liblxc. What they mount is none of it: see
// deviceKind.
func (s setup) devices(d *document) {
	for _, device := range s.boot.Container.Devices {
		if k, err := kindOf(device); err != nil {
			d.err = err
		} else if k.configure != nil {
			k.configure(s, d, device)
		}
	}
}

func (s setup) terminals(d *document) {
	d.set("lxc.tty.max", "4")
	d.set("lxc.pty.max", "1024")
	d.path("lxc.console.logfile", "", filepath.Join(s.dir, "console.log"))
	// Without a buffer liblxc can't give the log (bad address), without a size the file grows for
	// ever; rotate keeps one older file.
	d.set("lxc.console.buffer.size", "128kB")
	d.set("lxc.console.size", "1MB")
	d.set("lxc.console.rotate", "1")
}

func (s setup) network(d *document) {
	none := true
	for _, nic := range s.boot.Container.NICs {
		if nic.Device != "" {
			continue // comes with the devices, at every boot: see nicKind
		}
		network, ok := s.boot.Networks[nic.Network]
		if !ok {
			d.err = inventory.Errorf(inventory.ErrInvalid,
				"%s is on network %q, which does not exist", s.boot.Container.Name, nic.Network)
			return
		}
		if network.IsRouted() {
			continue // comes in the same way
		}
		none = false
		s.configureNIC(d, nic.Index, nic, network)
	}
	if none {
		// A namespace with nothing but loopback; without any key liblxc would share the host's.
		d.set("lxc.net.0.type", "empty")
	}
}

// configureNIC sets one NIC with its addresses, so that they hold before init runs and whatever it
// runs.
func (s setup) configureNIC(d *document, n int, nic inventory.NIC, network inventory.Network) {
	set := func(key, value string) { d.set(fmt.Sprintf("lxc.net.%d.%s", n, key), value) }
	mac, err := net.ParseMAC(nic.MAC)
	if err != nil || !isInterfaceName(nic.Name) || !isInterfaceName(network.Bridge) {
		d.err = inventory.Errorf(inventory.ErrInvalid,
			"interface %q (%s) on bridge %q is not possible: a name has to have 1 to 15 letters, digits, dots, dashes or underscores",
			nic.Name, nic.MAC, network.Bridge)
		return
	}
	if network.Type == inventory.NetworkMACVLAN {
		set("type", "macvlan")
		set("macvlan.mode", "bridge") // neighbours on the same interface reach each other
	} else {
		set("type", "veth")
		set("veth.pair", s.boot.Container.HostInterface(n))
	}
	set("link", network.Bridge)
	set("flags", "up")
	set("name", nic.Name)
	set("hwaddr", mac.String())
	if network.MTU > 0 {
		set("mtu", strconv.Itoa(network.MTU))
	}
	address := func(family string, ip netip.Addr, gateway netip.Prefix) {
		if !ip.IsValid() || !gateway.IsValid() {
			return
		}
		set(family+".address", netip.PrefixFrom(ip.WithZone(""), gateway.Bits()).String())
		// One default route per family: that of the first NIC.
		if n == 0 {
			set(family+".gateway", gateway.Addr().String())
		}
	}
	address("ipv4", nic.IPv4, network.IPv4)
	address("ipv6", nic.IPv6, network.IPv6)
}

// isInterfaceName holds names to less than the kernel does (dev_valid_name in net/core/dev.c).
func isInterfaceName(name string) bool {
	return name != "" && len(name) <= 15 && name != "." && name != ".." &&
		strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_") == ""
}
