package lxc

import "fmt"

// droppedCapabilities are those no container needs and a user namespace would let it have over
// things outside, through a mistake in the kernel (lxc's common.conf has the same list).
const droppedCapabilities = "mac_admin mac_override sys_time sys_module sys_rawio"

func (s setup) confinement(d *document) {
	d.set("lxc.cap.drop", droppedCapabilities)
	d.path("lxc.seccomp.profile", "", s.seccomp)
	if s.limits.nesting {
		d.set("lxc.seccomp.allow_nesting", "1")
	}
	if !s.host.apparmor {
		return
	}
	d.set("lxc.apparmor.profile", "generated")
	// A kernel without mediation of mounts or sockets is still better with the rest of the profile.
	d.set("lxc.apparmor.allow_incomplete", "1")
	if s.limits.nesting {
		d.set("lxc.apparmor.allow_nesting", "1")
	}
	for _, rule := range initMounts {
		d.set("lxc.apparmor.raw", rule)
	}
}

// initMounts is what systemd mounts for its own services and liblxc's profile does not know:
// ProtectProc= (logind, udevd) wants a /proc of its own below unit-root, in newer ones mount-rootfs,
// and credentials a file system that is never swapped out. Refused by AppArmor (EACCES) the service
// fails; allowed there, the kernel still refuses a second /proc that shows more than the first
// (EPERM), and systemd goes on with the first. Then it turns setuid bits and devices off on the binds
// it made there (ProtectKernelTunables=, ProtectControlGroups=).
var initMounts = []string{
	"mount fstype=proc -> /run/systemd/{unit-root,mount-rootfs}/proc/,",
	"mount fstype=sysfs -> /run/systemd/{unit-root,mount-rootfs}/sys/,",
	"mount fstype=ramfs -> /dev/shm/,",
	"mount options in (rw,remount,bind,nosuid,nodev,noexec,noatime,relatime) -> /run/systemd/{unit-root,mount-rootfs}/{,**},",
}

// allowedDevices may be used by everybody; all others can be made (mknod) but not opened. A rootfs
// may hold device nodes, and an id-mapped mount does not stop their use.
var allowedDevices = []string{
	"c 1:3 rwm",    // null
	"c 1:5 rwm",    // zero
	"c 1:7 rwm",    // full
	"c 1:8 rwm",    // random
	"c 1:9 rwm",    // urandom
	"c 5:0 rwm",    // tty
	"c 5:1 rwm",    // console
	"c 5:2 rwm",    // ptmx
	"c 136:* rwm",  // pts
	"c 10:200 rwm", // net/tun
	"c 10:229 rwm", // fuse
	"c *:* m",
	"b *:* m",
}

// sharedDevices are bound into /dev beside those liblxc makes. Both act within the namespaces of
// whoever opens them.
var sharedDevices = []string{"dev/fuse", "dev/net/tun"}

func (s setup) deviceNodes(d *document) {
	key := "lxc.cgroup2.devices"
	if s.host.cgroups.isV1("devices") {
		key = "lxc.cgroup.devices"
	}
	d.set(key+".deny", "a")
	for _, rule := range allowedDevices {
		d.set(key+".allow", rule)
	}
	for _, device := range sharedDevices {
		d.set("lxc.mount.entry", fmt.Sprintf("/%s %s none bind,create=file,optional 0 0", device, device))
	}
}

// resources sets limits by cgroup and by process. The latter are the same whoever starts it, with
// systemd or without.
func (s setup) resources(d *document) {
	for _, k := range s.limits.knobs(s.host.cgroups, s.at) {
		if isDefault(k) || !s.host.cgroups.has(k.controller) {
			continue
		}
		d.set(s.host.cgroups.key(k), k.value)
	}
	for _, l := range s.processLimits() {
		d.set("lxc.prlimit."+l.name, s.host.limit(l))
	}
	d.set("lxc.proc.oom_score_adj", "0")
}

// isDefault reports whether a fresh cgroup holds that value already: one write less per start.
func isDefault(k knob) bool {
	switch k.file + "=" + k.value {
	case "cpu.cfs_quota_us=-1", "cpu.shares=1024", "cpu.weight=100", "cpu.max=max 100000",
		"blkio.bfq.weight=100", "io.weight=100", "io.bfq.weight=100", "memory.min=0":
		return true
	}
	return isUnthrottled(k)
}

func (s setup) hooks(d *document) {
	d.set("lxc.hook.version", "1")
	d.set("lxc.hook.start-host", s.hook)
	d.set("lxc.hook.post-stop", s.hook)
}
