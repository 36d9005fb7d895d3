package lxc

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
)

// lxcfsFiles remembers what a mounted lxcfs has. Each look goes through FUSE to a process that takes
// its turn on the host's CPUs, and the files are the same as long as that process lives.
type lxcfsFiles struct {
	mu    sync.Mutex
	mount string // the line of mountinfo the files were listed for
	binds []bind
}

// list returns the files of the lxcfs in a mountinfo text, none if there is no lxcfs or it is dead.
func (f *lxcfsFiles) list(mountinfo string) []bind {
	line, point := lxcfsMount(mountinfo)
	f.mu.Lock()
	defer f.mu.Unlock()
	if line != f.mount || f.binds == nil {
		f.mount, f.binds = line, lxcfsBinds(point)
	}
	return f.binds
}

// forget has the files listed anew: another lxcfs may have the same line.
func (f *lxcfsFiles) forget() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.binds = nil
}

// lxcfsMount finds the lxcfs in a mountinfo text, its line and where it is mounted; both are empty
// when there is none.
func lxcfsMount(mountinfo string) (line, point string) {
	for line := range strings.Lines(mountinfo) {
		if m, ok := parseMount(line); ok && m.fstype == "fuse.lxcfs" {
			return line, m.point
		}
	}
	return "", ""
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
