package lxc_test

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"lodge/inventory"
	"lodge/manager/lxc"
)

// sampleBoot is a container with one NIC, as the gate hands it over.
func sampleBoot() inventory.Boot {
	return inventory.Boot{
		Container: &inventory.Container{
			ID: "01890000-0000-7000-8000-0123456789ab", Name: "web1", Project: "shop", IDBase: 1000000,
			NICs: []inventory.NIC{{Network: "lodge0", Name: "eth0", MAC: "02:16:3E:00:00:07",
				IPv4: netip.MustParseAddr("10.86.0.7"), IPv6: netip.MustParseAddr("fd4c::7")}},
		},
		Settings: map[string]string{"cpus": "1.5", "memory": "512MiB"},
		Rootfs:   "/lodge/pools/default/containers/x",
		Networks: map[string]inventory.Network{"lodge0": {Name: "lodge0", Bridge: "lodge0", MTU: 1450,
			IPv4: netip.MustParsePrefix("10.86.0.1/24"), IPv6: netip.MustParsePrefix("fd4c::1/64")}},
	}
}

// A configTest is a container on a kind of host, and what its configuration holds and does not.
type configTest struct {
	kind     string
	apparmor bool
	settings map[string]string
	has      []string
	hasNot   []string
}

var configTests = map[string]configTest{
	"hybrid": {"hybrid", false, nil, []string{
		"lxc.idmap = u 0 1000000 65536", "lxc.idmap = g 0 1000000 65536",
		"lxc.rootfs.path = dir:/lodge/roots/x/root",
		"lxc.uts.name = web1", "lxc.signal.halt = 37", "lxc.cgroup.relative = 0",
		"lxc.cgroup.dir.monitor = lxc.monitor.01890000-0000-7000-8000-0123456789ab",
		"lxc.cgroup.dir.container = lxc.payload.01890000-0000-7000-8000-0123456789ab",
		"lxc.net.0.hwaddr = 02:16:3e:00:00:07", "lxc.net.0.veth.pair = la23456789ab", "lxc.net.0.link = lodge0",
		"lxc.net.0.ipv4.address = 10.86.0.7/24", "lxc.net.0.ipv4.gateway = 10.86.0.1",
		"lxc.net.0.ipv6.address = fd4c::7/64", "lxc.net.0.ipv6.gateway = fd4c::1", "lxc.net.0.mtu = 1450", "lxc.net.0.flags = up",
		"lxc.cgroup.cpuset.cpus = 0,1", "lxc.cgroup.cpu.cfs_quota_us = 150000",
		"lxc.cgroup.memory.limit_in_bytes = 536870912", "lxc.cgroup.memory.memsw.limit_in_bytes = 536870912",
		"lxc.cgroup.pids.max = 4096", "lxc.cgroup.devices.deny = a", "lxc.mount.auto = proc:mixed sys:mixed cgroup:mixed",
		"lxc.cap.drop = mac_admin mac_override sys_time sys_module sys_rawio",
		"lxc.seccomp.profile = /lodge/run/seccomp",
		"lxc.console.logfile = /lodge/containers/shop_web1/console.log", "lxc.console.buffer.size = 128kB",
		"lxc.hook.version = 1", "lxc.mount.entry = /var/lib/lxcfs/proc/meminfo proc/meminfo none bind,optional 0 0",
	}, []string{"lxc.cgroup2.memory", "lxc.cgroup2.cpu", "lxc.cgroup.blkio", "apparmor", "lxc.cgroup.dir = ", ".pivot", "lxc.include"}},
	"v2": {"v2", false, nil, []string{
		"lxc.cgroup2.cpuset.cpus = 0,1", "lxc.cgroup2.cpu.max = 150000 100000", "lxc.cgroup2.memory.max = 536870912",
		"lxc.cgroup2.memory.swap.max = 0", "lxc.cgroup2.pids.max = 4096", "lxc.cgroup2.devices.deny = a", "lxc.cgroup.dir.monitor.pivot = lodge",
		"lxc.cgroup.dir.monitor = lodge/lxc.monitor.01890000-0000-7000-8000-0123456789ab",
		"lxc.cgroup.dir.container = lodge/lxc.payload.01890000-0000-7000-8000-0123456789ab",
	}, []string{"lxc.cgroup.memory", "lxc.cgroup.devices"}},
	"apparmor": {"v2", true, nil, []string{"lxc.apparmor.profile = generated",
		"lxc.apparmor.raw = mount fstype=proc -> /run/systemd/{unit-root,mount-rootfs}/proc/,"}, []string{"allow_nesting"}},
	"nesting": {"v2", true, map[string]string{"security.nesting": "true"}, []string{
		"lxc.apparmor.allow_nesting = 1", "lxc.mount.auto = proc:rw sys:rw cgroup:rw", "lxc.seccomp.allow_nesting = 1",
	}, nil},
	"nesting beside v1": {"hybrid", false, map[string]string{"security.nesting": "true"}, []string{
		"lxc.mount.auto = proc:rw sys:rw cgroup:rw:force"}, nil},
	"privileged": {"v2", false, map[string]string{"security.privileged": "true"}, []string{"lxc.cap.drop = mac_admin"},
		[]string{"lxc.idmap", "idmap=container"}},
	"whole CPUs need no quota": {"v2", false, map[string]string{"cpus": "3"}, []string{"lxc.cgroup2.cpuset.cpus = 0,1,2"}, []string{"cpu.max"}},
	"I/O on v1": {"hybrid", false, map[string]string{"io.read": "1MiB", "io.write.operations": "50", "io.weight": "300"}, []string{
		"lxc.cgroup.blkio.throttle.read_bps_device = 7:3 1048576", "lxc.cgroup.blkio.throttle.read_bps_device = 8:0 1048576",
		"lxc.cgroup.blkio.throttle.write_iops_device = 7:3 50", "lxc.cgroup.blkio.bfq.weight = 300",
	}, []string{"write_bps_device", "read_iops_device", "io.max"}},
	"I/O on v2": {"v2", false, map[string]string{"io.read": "1MiB", "io.write.operations": "50", "io.weight": "300"}, []string{
		"lxc.cgroup2.io.max = 7:3 rbps=1048576 wbps=max riops=max wiops=50", "lxc.cgroup2.io.max = 8:0 rbps=1048576", "lxc.cgroup2.io.weight = 300",
	}, []string{"blkio"}},
	"guarantees on v1": {"hybrid", false, map[string]string{"memory.guarantee": "64MiB", "cpus": "2", "cpus.guarantee": "1.5"}, []string{
		"lxc.cgroup.memory.soft_limit_in_bytes = 67108864", "lxc.cgroup.cpu.shares = 16384"}, nil},
	"guarantees on v2": {"v2", false, map[string]string{"memory.guarantee": "64MiB", "cpus": "2", "cpus.guarantee": "1.5"}, []string{
		"lxc.cgroup2.memory.min = 67108864", "lxc.cgroup2.cpu.weight = 1600"}, nil},
	"huge pages":    {"hybrid", false, map[string]string{"hugepages": "4MiB"}, []string{"lxc.cgroup2.hugetlb.2MB.max = 4194304", "lxc.cgroup2.hugetlb.2MB.rsvd.max = 4194304"}, nil},
	"kernel limits": {"v2", false, map[string]string{"kernel.nproc": "77", "kernel.core": "1MiB"}, []string{"lxc.prlimit.nproc = 77:77", "lxc.prlimit.core = 1048576:unlimited"}, nil},
	"swap":          {"hybrid", false, map[string]string{"memory": "1GiB", "swap": "1GiB"}, []string{"memsw.limit_in_bytes = 2147483648"}, nil},
}

func TestConfig(t *testing.T) {
	for name, test := range configTests {
		t.Run(name, func(t *testing.T) {
			boot := sampleBoot()
			if test.settings != nil {
				boot.Settings = test.settings
			}
			text, err := lxc.NewFakeHost(t.TempDir(), test.kind).Render(boot, test.apparmor)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.HasPrefix(text, "# Made by Lodge") {
				t.Error("no header")
			}
			for _, line := range test.has {
				if !strings.Contains(text, line) {
					t.Errorf("%q is missing", line)
				}
			}
			for _, part := range test.hasNot {
				if strings.Contains(text, part) {
					t.Errorf("%q should not be there", part)
				}
			}
			if t.Failed() {
				t.Log(text)
			}
		})
	}
}

func TestConfigRefuses(t *testing.T) {
	tests := map[string]func(*inventory.Boot){
		"line break in a name":       func(b *inventory.Boot) { b.Container.Name = "web\nlxc.idmap = u 0 0 65536" },
		"line break in the rootfs":   func(b *inventory.Boot) { b.Rootfs = "/x\nlxc.hook.start-host = /bin/evil" },
		"relative rootfs":            func(b *inventory.Boot) { b.Rootfs = "x" },
		"rootfs that goes up":        func(b *inventory.Boot) { b.Rootfs = "/x/../etc" },
		"line break in a NIC":        func(b *inventory.Boot) { b.Container.NICs[0].Name = "eth0\nlxc.cap.keep = all" },
		"line break in a MAC":        func(b *inventory.Boot) { b.Container.NICs[0].MAC = "02:00:00:00:00:01\nx" },
		"unknown network":            func(b *inventory.Boot) { b.Container.NICs[0].Network = "other" },
		"ids of the host":            func(b *inventory.Boot) { b.Container.IDBase = 0 },
		"more CPUs than there are":   func(b *inventory.Boot) { b.Settings["cpus"] = "5" },
		"memory below the least":     func(b *inventory.Boot) { b.Settings["memory"] = "1MiB" },
		"line break in a setting":    func(b *inventory.Boot) { b.Settings["processes"] = "5\nlxc.cap.drop =" },
		"memory that is no size":     func(b *inventory.Boot) { b.Settings["memory"] = "lots" },
		"infinitely many CPUs":       func(b *inventory.Boot) { b.Settings["cpus"] = "Inf" },
		"more kept than may be used": func(b *inventory.Boot) { b.Settings["memory.guarantee"] = "1GiB" },
		"more CPUs kept":             func(b *inventory.Boot) { b.Settings["cpus.guarantee"] = "1.6" },
		"CPUs that are no number":    func(b *inventory.Boot) { b.Settings["cpus"] = "NaN" },
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			boot := sampleBoot()
			change(&boot)
			text, err := lxc.NewFakeHost(t.TempDir(), "v2").Render(boot, false)
			if !errors.Is(err, inventory.ErrInvalid) {
				t.Errorf("got %v and\n%s", err, text)
			}
		})
	}
}

// Every setting changes the configuration, and Mapped says so.
func TestEverySettingIsMapped(t *testing.T) {
	other := map[string]string{"cpus": "2", "cpus.weight": "200", "memory": "2GiB", "swap": "1GiB", "processes": "100",
		"kernel.nofile": "2048", "kernel.memlock": "1MiB", "kernel.nproc": "99", "kernel.core": "1MiB", "hugepages": "2MiB",
		"io.read": "1MiB", "io.write": "1MiB", "io.read.operations": "9", "io.write.operations": "9", "io.weight": "200",
		"memory.guarantee": "64MiB", "cpus.guarantee": "0.5", "security.nesting": "true", "security.privileged": "true"}
	for _, kind := range []string{"hybrid", "v2"} {
		host := lxc.NewFakeHost(t.TempDir(), kind)
		boot := sampleBoot()
		boot.Settings = nil
		plain, err := host.Render(boot, false)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range lxc.Settings() {
			if _, err := s.Check(s.Default); err != nil {
				t.Errorf("the default of %s is refused: %v", s.Name, err)
			}
			if !slices.Contains(lxc.Mapped(), s.Name) {
				t.Errorf("%s is not mapped", s.Name)
			}
			boot.Settings = map[string]string{s.Name: other[s.Name]}
			changed, err := host.Render(boot, false)
			if err != nil {
				t.Fatal(err)
			}
			if changed == plain {
				t.Errorf("%s: %s=%s changes nothing", kind, s.Name, other[s.Name])
			}
		}
		if len(lxc.Mapped()) != len(lxc.Settings()) {
			t.Error("Mapped has names that are no settings")
		}
	}
}

func TestSeccompRefusesSubvolumes(t *testing.T) {
	profile := string(lxc.SeccompProfile())
	for _, call := range []string{"0x5000940e", "0x50009418", "0x50009401", "0x50009417"} {
		if !strings.Contains(profile, "ioctl errno 25 [1,"+call+",SCMP_CMP_MASKED_EQ,0xffffffff]\n") {
			t.Errorf("%s is not refused", call)
		}
	}
}
