package lxc

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
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
func readHost() (host, error) {
	text, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return host{}, err
	}
	online, err := os.ReadFile("/sys/devices/system/cpu/online")
	if err != nil {
		return host{}, err
	}
	return host{
		cgroups:  readHierarchies(string(text)),
		cpus:     parseCPUs(string(online)),
		apparmor: hasAppArmor(),
		lxcfs:    lxcfsBinds(lxcfsPoint(string(text))),

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

// lxcfsPoint is where lxcfs is mounted, "" when it is not.
func lxcfsPoint(mountinfo string) string {
	for line := range strings.Lines(mountinfo) {
		if m, ok := parseMount(line); ok && m.fstype == "fuse.lxcfs" {
			return m.point
		}
	}
	return ""
}

// fileNames lists a folder, nil if it can't be read. os.ReadDir would ask for the kind of each file,
// as FUSE does not tell, and lxcfs works out a whole file to answer.
func fileNames(dir string) []string {
	f, err := os.Open(dir)
	if err != nil {
		return nil
	}
	defer f.Close()
	names, err := f.Readdirnames(-1)
	if err != nil {
		return nil
	}
	slices.Sort(names)
	return names
}

// lxcfsBinds lists the files lxcfs has for /proc and /sys, which show a container's limits instead
// of the host's. Binding them one by one costs microseconds where lxcfs's own hook forks a shell
// and several programs per file.
func lxcfsBinds(point string) []bind {
	if point == "" {
		return nil
	}
	var binds []bind
	for _, name := range fileNames(filepath.Join(point, "proc")) {
		file := filepath.Join("proc", name)
		binds = append(binds, bind{filepath.Join(point, file), file})
	}
	cpus := "sys/devices/system/cpu"
	if _, err := os.Stat(filepath.Join(point, cpus, "uevent")); err == nil {
		return append(binds, bind{filepath.Join(point, cpus), cpus})
	}
	online := filepath.Join(cpus, "online")
	if _, err := os.Stat(filepath.Join(point, online)); err == nil {
		binds = append(binds, bind{filepath.Join(point, online), online})
	}
	return binds
}
