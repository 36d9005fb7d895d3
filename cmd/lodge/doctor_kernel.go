package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// oldestKernel can mount btrfs with mapped ids (mount_setattr(2); btrfs since 5.15), which is how a
// container's root file system gets its owner without a chown of every file.
var oldestKernel = [2]int{5, 15}

func checkKernel(h *host) check {
	k := check{Name: "kernel", Verdict: verdictOK, Found: h.release + ", idmapped mounts"}
	major, minor, ok := kernelVersion(h.release)
	switch {
	case !ok:
		k.Verdict, k.Found, k.Advice = verdictWarn, h.release, "its version can't be read; 5.15 or newer is needed"
	case major < oldestKernel[0] || major == oldestKernel[0] && minor < oldestKernel[1]:
		k.Verdict, k.Found = verdictFail, h.release
		k.Advice = "no idmapped mounts on btrfs before 5.15; boot a newer kernel"
	}
	return k
}

func kernelVersion(release string) (major, minor int, ok bool) {
	parts := strings.SplitN(release, ".", 3)
	if len(parts) < 2 {
		return 0, 0, false
	}
	digits := strings.IndexFunc(parts[1]+" ", func(r rune) bool { return r < '0' || r > '9' })
	major, err1 := strconv.Atoi(parts[0])
	minor, err2 := strconv.Atoi(parts[1][:digits])
	return major, minor, err1 == nil && err2 == nil
}

func checkUserNamespaces(h *host) check {
	k := check{Name: "user namespaces", Verdict: verdictOK}
	most, _ := strconv.Atoi(h.text("/proc/sys/user/max_user_namespaces"))
	k.Found = fmt.Sprintf("at most %d", most)
	switch {
	case !h.exists("/proc/self/ns/user"):
		k.Verdict, k.Found, k.Advice = verdictFail, "missing", "boot a kernel with CONFIG_USER_NS"
	case most == 0:
		k.Verdict, k.Advice = verdictFail, "they are switched off; set user.max_user_namespaces in /etc/sysctl.d"
	case most < 1000:
		k.Verdict, k.Advice = verdictWarn, "a container takes one or more; raise user.max_user_namespaces in /etc/sysctl.d"
	}
	return k
}

func checkSeccomp(h *host) check {
	if h.exists("/proc/sys/kernel/seccomp/actions_avail") || strings.Contains(h.text("/proc/self/status"), "\nSeccomp:") {
		return check{Name: "seccomp", Verdict: verdictOK, Found: "there"}
	}
	return check{Name: "seccomp", Verdict: verdictFail, Found: "missing",
		Advice: "boot a kernel with CONFIG_SECCOMP_FILTER"}
}

// needPart turns what is there of a part of the kernel into a check.
func needPart(h *host, name, module, option string) check {
	k := check{Name: name, Verdict: verdictOK}
	p := h.part(module, option)
	k.Found = string(p)
	switch p {
	case loadable:
		k.fix = h.load(module)
	case absent:
		k.Verdict, k.Advice = verdictFail, "boot a kernel with "+option+", or install the package with its modules"
	case unknown:
		k.Verdict, k.Advice = verdictWarn, "see that the kernel has "+option
	}
	return k
}

func checkBtrfs(h *host) check {
	if slices.ContainsFunc(h.lines("/proc/filesystems"),
		func(l string) bool { return strings.TrimSpace(l) == "btrfs" }) {
		return check{Name: "btrfs", Verdict: verdictOK, Found: string(present)}
	}
	return needPart(h, "btrfs", "btrfs", "CONFIG_BTRFS_FS")
}

// checkNetworkDevices is about bridges and veth pairs: the worse of the two.
func checkNetworkDevices(h *host) check {
	bridge, veth := needPart(h, "bridge and veth", "bridge", "CONFIG_BRIDGE"), needPart(h,
		"bridge and veth", "veth", "CONFIG_VETH")
	worse := bridge
	if rank(veth.Verdict) > rank(bridge.Verdict) {
		worse = veth
	}
	worse.Found = "bridge " + bridge.Found + ", veth " + veth.Found
	var modules []string
	for name, k := range map[string]check{"bridge": bridge, "veth": veth} {
		if k.fix != nil {
			modules = append(modules, name)
		}
	}
	slices.Sort(modules)
	worse.fix = h.load(modules...)
	return worse
}

func rank(v verdict) int { return slices.Index([]verdict{verdictOK, verdictWarn, verdictFail}, v) }

func checkNftables(h *host) check { return needPart(h, "nf_tables", "nf_tables", "CONFIG_NF_TABLES") }

// checkOverlay is about what runs inside containers: Docker and podman want it, Lodge does not.
func checkOverlay(h *host) check {
	k := check{Name: "overlay", Verdict: verdictOK, Found: string(h.part("overlay", "CONFIG_OVERLAY_FS"))}
	if strings.Contains(h.text("/proc/filesystems"), "overlay") {
		k.Found = string(present)
	}
	if k.Found == string(absent) {
		k.Found += "; only Docker or podman inside a container would want it"
	}
	return k
}

func checkAppArmor(h *host) check {
	if h.text("/sys/module/apparmor/parameters/enabled") == "Y" {
		return check{Name: "AppArmor", Verdict: verdictOK, Found: "on"}
	}
	return check{Name: "AppArmor", Verdict: verdictWarn, Found: "off",
		Advice: "containers are held by user namespaces, seccomp and " +
			"capabilities alone; for one wall more boot with lsm=...,apparmor and install apparmor"}
}

// needed are the controllers limits are set with.
var needed = []string{"cpu", "memory", "pids"}

func checkCgroups(h *host) check {
	layout, controllers := cgroups(h)
	k := check{Name: "cgroups", Verdict: verdictOK, Found: layout + ": " + strings.Join(controllers, " ")}
	var missing []string
	for _, name := range needed {
		if !slices.Contains(controllers, name) {
			missing = append(missing, name)
		}
	}
	switch {
	case layout == "none":
		k.Verdict, k.Found, k.Advice = verdictFail, "none", "mount cgroup2 at /sys/fs/cgroup"
	case slices.Contains(missing, "memory"):
		k.Verdict, k.Advice = verdictFail, "the memory controller is off; boot with cgroup_enable=memory"
	case len(missing) > 0:
		k.Verdict, k.Advice = verdictFail, "the kernel offers no "+strings.Join(missing,
			", ")+" controller, so that limit can't be set"
	case layout == "v1":
		k.Verdict, k.Advice = verdictWarn, "cgroup v1 alone; images with a new systemd want v2: boot with systemd.unified_cgroup_hierarchy=1"
	}
	return k
}

// cgroups tells the layout, and the controllers of whichever hierarchy has them (cgroups(7)).
func cgroups(h *host) (layout string, controllers []string) {
	unified, old := "", false
	for _, m := range h.mounts() {
		switch m.kind {
		case "cgroup2":
			unified = m.point
		case "cgroup":
			for _, o := range strings.Split(m.options, ",") {
				if slices.Contains([]string{"cpu", "cpuset", "memory", "pids", "freezer", "devices",
					"blkio"}, o) {
					controllers, old = append(controllers, o), true
				}
			}
		}
	}
	if unified != "" {
		controllers = append(controllers, strings.Fields(h.text(unified+"/cgroup.controllers"))...)
	}
	slices.Sort(controllers)
	controllers = slices.Compact(controllers)
	switch {
	case unified != "" && old:
		return "hybrid", controllers
	case unified != "":
		return "v2", controllers
	case old:
		return "v1", controllers
	}
	return "none", nil
}
