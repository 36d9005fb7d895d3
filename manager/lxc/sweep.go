package lxc

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"lodge/inventory"
)

// monitorPrefix begins the cgroup directory of a container's monitor.
const monitorPrefix = "lxc.monitor."

// cgroupParent is the directory below the root all cgroups of Lodge's containers lie in on a host
// with only cgroup v2. There systemd turns off controllers in the root that none of its own units
// needs, and with them the limits of a container directly below it; it can't where a child has
// passed the controller on, and this directory has.
const cgroupParent = "lodge"

// sweepTries bounds how long a sweep waits for the kernel to empty a cgroup whose last process has
// just died.
const (
	sweepTries = 100
	sweepWait  = 10 * time.Millisecond
)

// leftovers names the cgroup directories of a container. A clean stop leaves the monitor's behind, a
// killed monitor both, and liblxc starts none whose directories are there.
func leftovers(h hierarchies, id inventory.ContainerID) []string {
	text, _ := os.ReadFile("/proc/1/cgroup")
	var dirs []string
	for _, root := range append(h.roots(), h.bases(string(text))...) {
		for _, parent := range []string{"", cgroupParent} {
			dirs = append(dirs,
				filepath.Join(root, parent, payloadPrefix+string(id)),
				filepath.Join(root, parent, monitorPrefix+string(id)))
		}
	}
	return dirs
}

// sweep removes the cgroup trees that hold no process. A tree with one is left alone: it may be
// another's. It waits a little for processes that are about to be gone.
func sweep(dirs []string) {
	for range sweepTries {
		busy := false
		for _, dir := range dirs {
			busy = !removeCgroup(dir) || busy
		}
		if !busy {
			return
		}
		time.Sleep(sweepWait)
	}
}

// sweepOnce is sweep without the wait.
func sweepOnce(dirs []string) {
	for _, dir := range dirs {
		removeCgroup(dir)
	}
}

// removeCgroup removes a cgroup tree from the leaves up and reports whether it is gone. Nothing is
// removed from a tree that holds a process, since a live systemd counts on its empty cgroups.
func removeCgroup(dir string) bool {
	tree, err := cgroupTree(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return true
	}
	for _, d := range tree {
		procs, err := os.ReadFile(filepath.Join(d, "cgroup.procs"))
		if err == nil && strings.TrimSpace(string(procs)) != "" {
			return false
		}
	}
	for i := len(tree) - 1; i >= 0; i-- {
		if err := unix.Rmdir(tree[i]); err != nil && err != unix.ENOENT {
			return false
		}
	}
	return true
}

// cgroupTree lists a cgroup directory and all below it, parents first.
func cgroupTree(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	tree := []string{dir}
	for _, e := range entries {
		if !e.IsDir() {
			continue
		}
		below, err := cgroupTree(filepath.Join(dir, e.Name()))
		if err == nil {
			tree = append(tree, below...)
		}
	}
	return tree, nil
}
