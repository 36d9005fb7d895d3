package lxc

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Caveat says what of a setting this host can't hold, "" when all holds. The root file system is that
// of the container it is for.
func (r *Runtime) Caveat(setting, value, rootfs string) string {
	h := r.layout()
	switch setting {
	case settingNesting:
		if value == "true" {
			return "its root may write to /proc, /sys and cgroups, mount proc and sysfs anew and make namespaces: more of the kernel is open to attack"
		}
	case settingIOWrite, settingIOWriteOps:
		if value != "0" && h.isV1("blkio") {
			return "on this host (cgroup v1) direct writes only: those through the page cache are not held back"
		}
	case settingIOWeight:
		if disks, err := disksOf(rootfs); err == nil && value != "100" && !h.weighs(disks) {
			return "no effect for now: none of the disks has the bfq scheduler or io.cost"
		}
	case settingMemoryKept:
		if value != "0" && h.isV1("memory") {
			return "on this host (cgroup v1) a soft limit: it is taken from later than others, and not never"
		}
	}
	return ""
}

// weighs reports whether one of the disks, or the one below a loop device, divides its time by weights.
func (h hierarchies) weighs(disks []string) bool {
	for _, disk := range disks {
		dir := filepath.Join("/sys/dev/block", disk)
		scheduler, _ := os.ReadFile(filepath.Join(dir, "queue/scheduler"))
		cost, _ := os.ReadFile(filepath.Join(h.unified, "io.cost.qos"))
		if strings.Contains(string(scheduler), "[bfq]") || strings.Contains(string(cost), disk+" enable=1") {
			return true
		}
		file, err := os.ReadFile(filepath.Join(dir, "loop/backing_file"))
		if err != nil {
			continue
		}
		below, err := disksOf(filepath.Dir(strings.TrimSpace(string(file))))
		if err == nil && !slices.Contains(below, disk) && h.weighs(below) {
			return true
		}
	}
	return false
}
