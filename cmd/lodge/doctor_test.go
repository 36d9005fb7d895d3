package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"lodge/inventory"
	"lodge/web/wire"
)

// A machine is a root folder of a host that is all right, as files by path.
func machine() map[string]string {
	return map[string]string{
		"/proc/self/ns/user":                          "",
		"/proc/sys/user/max_user_namespaces":          "96365",
		"/proc/sys/kernel/seccomp/actions_avail":      "kill_process",
		"/proc/filesystems":                           "nodev\tproc\n\tbtrfs\nnodev\toverlay\n",
		"/sys/module/bridge/version":                  "",
		"/sys/module/veth/version":                    "",
		"/sys/module/nf_tables/version":               "",
		"/sys/module/apparmor/parameters/enabled":     "Y",
		"/proc/self/mounts":                           "cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\nlxcfs /var/lib/lxcfs fuse.lxcfs rw 0 0\n",
		"/sys/fs/cgroup/cgroup.controllers":           "cpuset cpu io memory pids",
		"/var/lib/lxcfs/proc/meminfo":                 "MemTotal: 1 kB",
		"/etc/subuid":                                 "dev:100000:65536\nroot:1000000:134217728\n",
		"/etc/subgid":                                 "root:1000000:134217728\n",
		"/etc/group":                                  "root:x:0:\nlodge:x:995:dev\n",
		"/proc/sys/fs/inotify/max_user_instances":     "8192",
		"/proc/sys/fs/inotify/max_user_watches":       "2097152",
		"/proc/sys/kernel/keys/maxkeys":               "20000",
		"/proc/sys/kernel/keys/maxbytes":              "2000000",
		"/proc/sys/net/ipv4/neigh/default/gc_thresh3": "8192",
		"/proc/sys/net/ipv4/ip_forward":               "1",
		"/proc/sys/net/ipv6/conf/all/disable_ipv6":    "0",
		"/usr/sbin/nft":                               "",
		"/usr/sbin/mkfs.btrfs":                        "",
		"/usr/bin/newuidmap":                          "",
		"/sbin/mke2fs":                                "",
		"/usr/bin/mmdebstrap":                         "",
		"/usr/bin/lxcfs":                              "",
		"/lib/modules/6.1.0-18-amd64/modules.dep":     "kernel/net/sctp/sctp.ko:\n",
		"/lib/modules/6.1.0-18-amd64/modules.builtin": "",
	}
}

// hostOf is a host with these files; programs answers for its programs.
func hostOf(t *testing.T, files, programs map[string]string) *host {
	t.Helper()
	root := t.TempDir()
	for path, text := range files {
		p := filepath.Join(root, path)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return &host{root: root, release: "6.1.0-18-amd64", isRoot: true,
		run: func(name string, args ...string) (string, error) {
			line := strings.Join(append([]string{name}, args...), " ")
			out, ok := programs[line]
			if !ok {
				return "", errors.New(line + ": no such program")
			}
			return out, nil
		},
		space:   func(string) (int64, int64, error) { return int64(100 * inventory.GiB), int64(50 * inventory.GiB), nil },
		agent:   func() (wire.Version, wire.Host, error) { return wire.Version{Version: version}, wire.Host{}, nil },
		strays:  func() ([]inventory.Stray, error) { return nil, nil },
		changes: func() ([]wire.Change, error) { return nil, nil },
		anchors: func() ([]wire.AuditAnchor, error) {
			return []wire.AuditAnchor{{Sink: "syslog", Target: "tls://logs:6514", State: "ok", Size: 9, Anchored: 9}}, nil
		},
	}
}

var healthy = map[string]string{"lxc-info --version": "5.0.2\n", "nft list chains": "table inet lodge_lodge0 {\n\tchain forward {\n\t\ttype filter hook forward priority filter; policy accept;\n\t}\n}\n"}

func TestDoctorHealthy(t *testing.T) {
	for _, k := range examine(hostOf(t, machine(), healthy), false) {
		if k.Verdict != verdictOK || k.Advice != "" {
			t.Errorf("%s is %s: %s; %s", k.Name, k.Verdict, k.Found, k.Advice)
		}
	}
}

// TestDoctorFinds breaks one thing at a time.
func TestDoctorFinds(t *testing.T) {
	const gone = "\x00"
	drop := "table ip filter {\n\tchain DOCKER-USER {\n\t}\n\tchain FORWARD {\n\t\ttype filter hook forward priority filter; policy drop;\n\t}\n}\n"
	for _, tt := range []struct {
		name     string
		change   map[string]string
		programs map[string]string
		check    string
		want     verdict
		says     string
	}{
		{"no user namespaces", map[string]string{"/proc/self/ns/user": gone}, nil, "user namespaces", verdictFail, "CONFIG_USER_NS"},
		{"user namespaces off", map[string]string{"/proc/sys/user/max_user_namespaces": "0"}, nil, "user namespaces", verdictFail, "max_user_namespaces"},
		{"no seccomp", map[string]string{"/proc/sys/kernel/seccomp/actions_avail": gone}, nil, "seccomp", verdictFail, "CONFIG_SECCOMP_FILTER"},
		{"no btrfs", map[string]string{"/proc/filesystems": "\text4\n"}, nil, "btrfs", verdictFail, "CONFIG_BTRFS_FS"},
		{"btrfs built in", map[string]string{"/proc/filesystems": "", "/lib/modules/6.1.0-18-amd64/modules.builtin": "kernel/fs/btrfs/btrfs.ko\n"}, nil, "btrfs", verdictOK, "there"},
		{"btrfs by config", map[string]string{"/proc/filesystems": "", "/boot/config-6.1.0-18-amd64": "CONFIG_BTRFS_FS=y\n"}, nil, "btrfs", verdictOK, "there"},
		{"btrfs as a module", map[string]string{"/proc/filesystems": "", "/lib/modules/6.1.0-18-amd64/modules.dep": "kernel/fs/btrfs/btrfs.ko.xz: a.ko\n"}, nil, "btrfs", verdictOK, "not loaded"},
		{"modules locked", map[string]string{"/proc/filesystems": "", "/proc/sys/kernel/modules_disabled": "1", "/lib/modules/6.1.0-18-amd64/modules.dep": "kernel/fs/btrfs/btrfs.ko:\n"}, nil, "btrfs", verdictFail, "missing"},
		{"nothing to be told", map[string]string{"/proc/filesystems": "", "/lib/modules/6.1.0-18-amd64/modules.dep": gone}, nil, "btrfs", verdictWarn, "see that"},
		{"no veth", map[string]string{"/sys/module/veth/version": gone}, nil, "bridge and veth", verdictFail, "veth missing"},
		{"no AppArmor", map[string]string{"/sys/module/apparmor/parameters/enabled": "N"}, nil, "AppArmor", verdictWarn, "off"},
		{"cgroup v1", map[string]string{"/proc/self/mounts": "cgroup /sys/fs/cgroup/cpu cgroup rw,cpu 0 0\ncgroup /m cgroup rw,memory 0 0\ncgroup /p cgroup rw,pids 0 0\n"}, nil, "cgroups", verdictWarn, "v1"},
		{"cgroup hybrid", map[string]string{"/proc/self/mounts": "cgroup2 /u cgroup2 rw 0 0\ncgroup /c cgroup rw,cpu,cpuacct 0 0\ncgroup /m cgroup rw,memory 0 0\ncgroup /p cgroup rw,pids 0 0\n"}, nil, "cgroups", verdictOK, "hybrid: cpu memory pids"},
		{"no memory controller", map[string]string{"/sys/fs/cgroup/cgroup.controllers": "cpu pids"}, nil, "cgroups", verdictFail, "cgroup_enable=memory"},
		{"no cgroups", map[string]string{"/proc/self/mounts": "proc /proc proc rw 0 0\n"}, nil, "cgroups", verdictFail, "none"},
		{"lxcfs dead", map[string]string{"/var/lib/lxcfs/proc/meminfo": gone}, nil, "lxcfs", verdictFail, "nobody answers"},
		{"lxcfs not running", map[string]string{"/proc/self/mounts": "cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n"}, nil, "lxcfs", verdictFail, "does not run"},
		{"lxcfs not installed", map[string]string{"/proc/self/mounts": "cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n", "/usr/bin/lxcfs": gone}, nil, "lxcfs", verdictFail, "apt-get install lxcfs"},
		{"no subuid", map[string]string{"/etc/subuid": "dev:100000:65536\n"}, nil, "subuid", verdictFail, "no range for root"},
		{"small subgid", map[string]string{"/etc/subgid": "root:1000000:1000\n"}, nil, "subgid", verdictFail, "65536"},
		{"overlapping subuid", map[string]string{"/etc/subuid": "root:1000000:134217728\ndev:1500000:65536\n"}, nil, "subuid", verdictWarn, "range of dev"},
		{"no group", map[string]string{"/etc/group": "root:x:0:\n"}, nil, "group lodge", verdictWarn, "groupadd"},
		{"few inotify instances", map[string]string{"/proc/sys/fs/inotify/max_user_instances": "128"}, nil, "inotify limits", verdictWarn, "fs.inotify.max_user_instances=8192"},
		{"few keys", map[string]string{"/proc/sys/kernel/keys/maxkeys": "200"}, nil, "keyring limits", verdictWarn, "kernel.keys.maxkeys=20000"},
		{"few neighbours", map[string]string{"/proc/sys/net/ipv4/neigh/default/gc_thresh3": "1024"}, nil, "neighbour tables", verdictWarn, "gc_thresh3=8192"},
		{"IPv6 off", map[string]string{"/proc/sys/net/ipv6/conf/all/disable_ipv6": "1"}, nil, "IPv6", verdictWarn, "disable_ipv6=0"},
		{"forwarding off", map[string]string{"/proc/sys/net/ipv4/ip_forward": "0"}, nil, "forwarding", verdictFail, "ip_forward=1"},
		{"Docker drops", map[string]string{"/sys/class/net/docker0/address": ""}, map[string]string{"nft list chains": drop}, "other firewalls", verdictWarn, "DOCKER-USER"},
		{"Docker that lets pass", nil, map[string]string{"nft list chains": drop, "iptables -C DOCKER-USER -i lodge0 -j ACCEPT": "",
			"iptables -C DOCKER-USER -o lodge0 -j ACCEPT": ""}, "other firewalls", verdictOK, "lets lodge0 pass"},
		{"iptables drops", nil, map[string]string{"nft list chains": strings.ReplaceAll(drop, "DOCKER-USER", "MINE")}, "other firewalls", verdictWarn,
			"iptables -I FORWARD -o lodge0 -j ACCEPT"},
		{"firewalld that trusts", nil, map[string]string{"nft list chains": "table inet firewalld {\n}\n",
			"firewall-cmd --get-zone-of-interface=lodge0": "trusted\n"}, "other firewalls", verdictOK, "firewalld"},
		{"ufw", map[string]string{"/etc/ufw/ufw.conf": "# x\nENABLED=yes\n"}, nil, "other firewalls", verdictWarn, "ufw route"},
		{"firewalld", map[string]string{"/run/firewalld/x": ""}, nil, "other firewalls", verdictWarn, "firewall-cmd"},
		{"no nft", map[string]string{"/usr/sbin/nft": gone}, nil, "programs", verdictFail, "apt-get install nftables"},
		{"no mmdebstrap", map[string]string{"/usr/bin/mmdebstrap": gone}, nil, "mmdebstrap", verdictWarn, "only imported"},
		{"old liblxc", nil, map[string]string{"lxc-info --version": "4.0.6\n"}, "liblxc", verdictFail, "5.0"},
		{"liblxc of the helper", map[string]string{"/usr/local/lib/lodge/lodge-lxc": ""}, map[string]string{"helper": `{"liblxc":"6.0.4"}`}, "liblxc", verdictOK, "6.0.4"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			files, programs := machine(), map[string]string{}
			for _, all := range []map[string]string{healthy, tt.programs} {
				for line, out := range all {
					programs[line] = out
				}
			}
			for path, text := range tt.change {
				files[path] = text
				if text == gone {
					delete(files, path)
				}
			}
			h := hostOf(t, files, programs)
			programs[h.path("/usr/local/lib/lodge/lodge-lxc")+" version"] = tt.programs["helper"]
			for _, k := range examine(h, false) {
				if k.Name != tt.check {
					continue
				}
				if k.Verdict != tt.want || !strings.Contains(k.Found+" "+k.Advice, tt.says) {
					t.Errorf("%s is %s: %s; %s", k.Name, k.Verdict, k.Found, k.Advice)
				}
			}
		})
	}
}

func TestDoctorDiskAndAgent(t *testing.T) {
	h := hostOf(t, machine(), healthy)
	h.space = func(string) (int64, int64, error) { return int64(100 * inventory.GiB), int64(200 * inventory.MiB), nil }
	h.agent = func() (wire.Version, wire.Host, error) {
		return wire.Version{}, wire.Host{}, inventory.Errorf(inventory.ErrUnavailable, "no agent answers")
	}
	want := map[string]verdict{"disk space": verdictFail, "agent": verdictFail, "forwarding": verdictOK}
	for _, k := range examine(h, false) {
		if w, ok := want[k.Name]; ok && k.Verdict != w {
			t.Errorf("%s is %s: %s", k.Name, k.Verdict, k.Found)
		}
	}
	h.agent = func() (wire.Version, wire.Host, error) { return wire.Version{Version: "v0.1"}, wire.Host{}, nil }
	if k := checkAgent(h); k.Verdict != verdictWarn {
		t.Errorf("an agent of another version is %s", k.Verdict)
	}
}

func TestDoctorHostNames(t *testing.T) {
	found := map[string]string{"getent ahosts lodge.internal": "10.86.0.1 STREAM lodge.internal\n"}
	for _, c := range []struct {
		facts    map[string]string
		programs map[string]string
		want     verdict
		says     string
	}{
		{map[string]string{"names": "resolved"}, found, verdictOK, "systemd-resolved"},
		{map[string]string{"names": "hosts"}, found, verdictOK, "/etc/hosts"},
		{map[string]string{"names": "off"}, nil, verdictOK, "dns.host"},
		{map[string]string{"names": "hosts"}, nil, verdictWarn, "nothing is found"},
		{map[string]string{"names": "hosts", "names.trouble": "no space"}, found, verdictWarn, "no space"},
	} {
		h := hostOf(t, machine(), c.programs)
		h.agent = func() (wire.Version, wire.Host, error) { return wire.Version{}, wire.Host{Facts: c.facts}, nil }
		if k := checkHostNames(h); k.Verdict != c.want || !strings.Contains(k.Found+k.Advice, c.says) {
			t.Errorf("%v: %+v", c.facts, k)
		}
	}
}

func TestDoctorStrays(t *testing.T) {
	h := hostOf(t, machine(), healthy)
	h.strays = func() ([]inventory.Stray, error) {
		return []inventory.Stray{{Kind: inventory.StrayRogue, Name: "rogue"}}, nil
	}
	if k := checkStrays(h); k.Verdict != verdictWarn || !strings.Contains(k.Found, "rogue") {
		t.Errorf("%+v", k)
	}
}

func TestDoctorReviews(t *testing.T) {
	h := hostOf(t, machine(), healthy)
	late := wire.Change{Number: 42, Review: &wire.Review{Due: time.Now().Add(-time.Hour)}}
	due, done := wire.Change{Review: &wire.Review{Due: time.Now().Add(time.Hour)}}, late
	done.Review = &wire.Review{Due: late.Review.Due, At: time.Now()}
	for want, all := range map[verdict][]wire.Change{verdictOK: {{}, due, done}, verdictWarn: {{}, due, late, done}} {
		h.changes = func() ([]wire.Change, error) { return all, nil }
		if k := checkReviews(h); k.Verdict != want || strings.Contains(k.Found, "change 42") != (want == verdictWarn) {
			t.Errorf("%+v", k)
		}
	}
}

func TestDoctorFix(t *testing.T) {
	files := machine()
	files["/proc/sys/fs/inotify/max_user_instances"] = "128"
	files["/proc/sys/kernel/keys/maxkeys"] = "200"
	files["/etc/subuid"] = "dev:100000:65536" // no newline at its end
	delete(files, "/etc/subgid")
	files["/proc/filesystems"] = ""
	files["/lib/modules/6.1.0-18-amd64/modules.dep"] = "kernel/fs/btrfs/btrfs.ko:\n"
	files["/proc/self/mounts"] = "cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n"
	files["/run/systemd/system/x"] = ""
	files["/etc/group"] = ""
	ran := map[string]string{"modprobe -a btrfs": "", "systemctl enable lxcfs": "", "systemctl restart lxcfs": "", "groupadd --system lodge": ""}
	for line, out := range healthy {
		ran[line] = out
	}
	h := hostOf(t, files, ran)
	fixed := map[string]string{}
	for _, k := range examine(h, true) {
		fixed[k.Name] = k.Fixed
	}
	for name, says := range map[string]string{"inotify limits": "max_user_instances=8192", "keyring limits": "maxkeys=20000",
		"subuid": "root:1000000", "subgid": "root:1000000", "btrfs": "loaded btrfs", "lxcfs": "started lxcfs", "group lodge": "made"} {
		if !strings.Contains(fixed[name], says) {
			t.Errorf("%s: fixed %q, want %q", name, fixed[name], says)
		}
	}
	if got := h.text("/etc/subuid"); got != "dev:100000:65536\n"+subIDs {
		t.Errorf("/etc/subuid is %q", got)
	}
	if got := h.text("/proc/sys/fs/inotify/max_user_instances"); got != "8192" {
		t.Errorf("max_user_instances is %s", got)
	}
	// The host had more watches than we ask for: that is kept, and written down.
	if got := h.text("/proc/sys/fs/inotify/max_user_watches"); got != "2097152" {
		t.Errorf("max_user_watches was lowered to %s", got)
	}
	if text := h.text(limitsFile); !strings.Contains(text, "max_user_watches = 2097152\n") || !strings.Contains(text, "maxkeys = 20000\n") {
		t.Errorf("%s holds:\n%s", limitsFile, text)
	}
	again := examine(h, true)
	for _, k := range again {
		if k.Fixed != "" && !strings.Contains("btrfs lxcfs group lodge", k.Name) { // those need more than files
			t.Errorf("the second run fixed %s again: %s", k.Name, k.Fixed)
		}
	}
}

// The installer and doctor write the same file.
func TestDoctorLimitsAreThoseOfTheInstaller(t *testing.T) {
	want, err := os.ReadFile("../../packaging/sysctl.conf")
	if err != nil {
		t.Fatal(err)
	}
	if limitsText != string(want) {
		t.Error("limitsText is not packaging/sysctl.conf")
	}
}

func TestKernelVersion(t *testing.T) {
	for release, want := range map[string]verdict{"6.1.0-18-amd64": verdictOK, "5.15.0-rc1": verdictOK, "5.10.0-28-amd64": verdictFail,
		"4.19": verdictFail, "6.18.44-fc": verdictOK, "strange": verdictWarn} {
		if k := checkKernel(&host{release: release}); k.Verdict != want {
			t.Errorf("%s is %s", release, k.Verdict)
		}
	}
}
