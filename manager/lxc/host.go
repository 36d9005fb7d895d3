package lxc

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// A host is what the machine has that a configuration depends on.
type host struct {
	cgroups  hierarchies
	cpus     []int
	apparmor bool
	lxcfs    []bind
	// raisesLimits: a container may have higher resource limits than the agent.
	raisesLimits bool
}

// A bind is a file of the host and where a container sees it.
type bind struct{ source, target string }

// readHost looks at the machine. It is cheap enough to be done for every start, so lxcfs may come
// and go.
func (r *Runtime) readHost() (host, error) {
	text, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return host{}, err
	}
	online, err := os.ReadFile("/sys/devices/system/cpu/online")
	if err != nil {
		return host{}, err
	}
	cgroups := readHierarchies(string(text))
	cgroups.hugepages = hugepageSizes()
	cgroups.enableHugetlb()
	return host{
		cgroups:  cgroups,
		cpus:     parseCPUs(string(online)),
		apparmor: hasAppArmor(),
		lxcfs:    r.lxcfs.list(string(text)),

		raisesLimits: raisesLimits(),
	}, nil
}

// hasAppArmor reports whether liblxc can make and load a profile: the kernel has AppArmor and the
// parser is there.
func hasAppArmor() bool {
	enabled, err := os.ReadFile("/sys/module/apparmor/parameters/enabled")
	if err != nil || strings.TrimSpace(string(enabled)) != "Y" {
		return false
	}
	if _, err := os.Stat("/sys/kernel/security/apparmor"); err != nil {
		return false
	}
	for _, dir := range []string{"/usr/sbin", "/sbin", "/usr/bin"} {
		if _, err := exec.LookPath(filepath.Join(dir, "apparmor_parser")); err == nil {
			return true
		}
	}
	return false
}
