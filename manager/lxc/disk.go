package lxc

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"lodge/inventory"
)

// disksOf returns the block devices, as "major:minor", that the file system at path writes to.
// Partitions are replaced by their disk, since the kernel takes limits for whole disks only
// (bdev_is_partition in block/blk-cgroup.c). A loop device stays one: its requests carry the
// container's cgroup, and what it does to the disk below is the same traffic again.
func disksOf(path string) ([]string, error) {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return nil, fmt.Errorf("find the disk of %s: %w", path, err)
	}
	numbers := []uint64{st.Dev}
	if unix.Major(st.Dev) == 0 { // a device of the file system's own, as btrfs has
		var err error
		if numbers, err = membersOf(path); err != nil {
			return nil, err
		}
	}
	var disks []string
	for _, n := range numbers {
		disks = append(disks, wholeDisk(fmt.Sprintf("%d:%d", unix.Major(n), unix.Minor(n))))
	}
	slices.Sort(disks)
	return slices.Compact(disks), nil
}

// membersOf returns the devices of the btrfs that path lies on, as sysfs has them under the file
// system's id; else that of the mount.
func membersOf(path string) ([]uint64, error) {
	source, err := mountSource(path)
	if err != nil {
		return nil, err
	}
	numbers := []uint64{}
	for _, device := range btrfsDevices(filepath.Base(source)) {
		if n, ok := deviceNumber(filepath.Join("/dev", device)); ok {
			numbers = append(numbers, n)
		}
	}
	if n, ok := deviceNumber(source); ok && len(numbers) == 0 {
		numbers = append(numbers, n)
	}
	if len(numbers) == 0 {
		return nil, inventory.Errorf(inventory.ErrUnavailable,
			"limits of I/O can't be kept: %s lies on %s, which is no disk", path, source)
	}
	return numbers, nil
}

// btrfsDevices names all devices of the btrfs that has this one.
func btrfsDevices(member string) []string {
	own, _ := filepath.Glob("/sys/fs/btrfs/*/devices/" + member)
	if len(own) == 0 {
		return nil
	}
	return fileNames(filepath.Dir(own[0]))
}

func deviceNumber(path string) (uint64, bool) {
	var st unix.Stat_t
	if unix.Stat(path, &st) != nil || st.Mode&unix.S_IFMT != unix.S_IFBLK {
		return 0, false
	}
	return st.Rdev, true
}

// mountSource is the device of the mount that path lies on: the last of those with the longest mount
// point above it.
func mountSource(path string) (string, error) {
	text, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return "", err
	}
	if path, err = filepath.EvalSymlinks(path); err != nil {
		return "", err
	}
	var found mount
	for line := range strings.Lines(string(text)) {
		m, ok := parseMount(line)
		below := m.point == "/" || path == m.point || strings.HasPrefix(path, m.point+"/")
		if ok && below && len(m.point) >= len(found.point) {
			found = m
		}
	}
	return found.source, nil
}

// wholeDisk is the disk a partition is on.
func wholeDisk(number string) string {
	dir := filepath.Join("/sys/dev/block", number)
	if !isThere(filepath.Join(dir, "partition")) {
		return number
	}
	if text, err := os.ReadFile(filepath.Join(dir, "..", "dev")); err == nil { // the kernel follows the link first
		return strings.TrimSpace(string(text))
	}
	return number
}
