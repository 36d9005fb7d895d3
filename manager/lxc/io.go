package lxc

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"lodge/inventory"
)

// ioLimits bound what a container does to the disks below its root; 0 is no bound.
type ioLimits struct {
	readBytes, writeBytes int64 // per second
	readOps, writeOps     int64 // per second
	weight                int
}

func (l ioLimits) isThrottled() bool {
	return l.readBytes != 0 || l.writeBytes != 0 || l.readOps != 0 || l.writeOps != 0
}

// isThrottle reports whether the setting bounds I/O per disk.
func isThrottle(setting string) bool {
	return slices.Contains([]string{settingIORead, settingIOWrite, settingIOReadOps,
		settingIOWriteOps}, setting)
}

// knobs are the files of all limits for all disks. On v2 one line holds four limits, so each of the
// four settings turns the same knob (cgroup-v2.rst, io.max; cgroup-v1/blkio-controller.rst).
func (l ioLimits) knobs(h hierarchies, disks []string) []knob {
	var ks []knob
	for _, disk := range disks {
		for _, t := range []struct {
			setting, file string
			value         int64
		}{
			{settingIORead, "blkio.throttle.read_bps_device", l.readBytes},
			{settingIOWrite, "blkio.throttle.write_bps_device", l.writeBytes},
			{settingIOReadOps, "blkio.throttle.read_iops_device", l.readOps},
			{settingIOWriteOps, "blkio.throttle.write_iops_device", l.writeOps},
		} {
			k := knob{t.setting, "blkio", t.file, disk + " " + strconv.FormatInt(t.value, 10)}
			if !h.isV1("blkio") {
				k = knob{t.setting, "io", "io.max", l.v2Line(disk)}
			}
			ks = append(ks, k)
		}
	}
	if controller, file := h.ioWeight(); file != "" {
		ks = append(ks, knob{settingIOWeight, controller, file, strconv.Itoa(l.weight)})
	}
	return ks
}

func (l ioLimits) v2Line(disk string) string {
	word := func(n int64) string {
		if n == 0 {
			return "max"
		}
		return strconv.FormatInt(n, 10)
	}
	return fmt.Sprintf("%s rbps=%s wbps=%s riops=%s wiops=%s", disk,
		word(l.readBytes), word(l.writeBytes), word(l.readOps), word(l.writeOps))
}

// isUnthrottled reports whether the knob takes a limit away that a fresh cgroup doesn't have.
func isUnthrottled(k knob) bool {
	_, value, _ := strings.Cut(k.value, " ")
	return isThrottle(k.setting) && (value == "0" || value == "rbps=max wbps=max riops=max wiops=max")
}

// ioWeight is the file that holds a container's share of its disks. Those files are in every cgroup
// but the root; that the kernel has them shows in others.
func (h hierarchies) ioWeight() (controller, file string) {
	if root := h.v1["blkio"]; root != "" {
		if isThere(filepath.Join(root, "blkio.bfq.io_service_bytes")) {
			return "blkio", "blkio.bfq.weight"
		}
		return "", ""
	}
	switch {
	case !h.has("io"):
	case isThere(filepath.Join(h.unified, "io.cost.qos")):
		return "io", "io.weight"
	case isThere("/sys/module/bfq"):
		return "io", "io.bfq.weight"
	}
	return "", ""
}

func isThere(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// check refuses what the kernel has no controller for.
func (l ioLimits) check(h hierarchies) error {
	if l.isThrottled() && !h.isV1("blkio") && !h.has("io") {
		return inventory.Errorf(inventory.ErrUnavailable,
			"the kernel's io controller is off, so %s could not be kept; boot with cgroup_enable=io",
			settingIORead)
	}
	if _, file := h.ioWeight(); file == "" && l.weight != 100 {
		return inventory.Errorf(inventory.ErrUnavailable,
			"%s can't be kept: the kernel has neither the bfq scheduler nor io.cost", settingIOWeight)
	}
	return nil
}
