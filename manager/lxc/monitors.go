package lxc

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// findMonitors returns the monitors of containers below lxcpath by the container's name. liblxc
// names them "[lxc monitor] LXCPATH NAME", and what they fork has that name too until its exec: a
// hook's shell, the next init. So of those with one name it is the one that is no child of another.
func findMonitors(lxcpath string) map[string]process {
	named := map[int]string{}
	procs, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	prefix := []byte("[lxc monitor] " + lxcpath + " ")
	for _, path := range procs {
		title, err := os.ReadFile(path)
		if err != nil || !bytes.HasPrefix(title, prefix) {
			continue
		}
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		name, _, _ := strings.Cut(string(title[len(prefix):]), "\x00")
		named[pid] = strings.TrimSpace(name)
	}
	found := map[string]process{}
	for pid, name := range named {
		parent, err := strconv.Atoi(statusField(pid, "PPid"))
		if p, ok := lookUp(pid); ok && err == nil && named[parent] != name {
			found[name] = p
		}
	}
	return found
}

// monitorCgroups lists the cgroups of a monitor, to be swept when it is gone.
func monitorCgroups(h hierarchies, pid int) []string {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cgroup")
	if err != nil {
		return nil
	}
	return parsePayload(h, string(text), monitorPrefix).all
}

// childInit returns the init a monitor runs: its child in a pid namespace of its own.
func childInit(monitor process) (process, bool) {
	for _, pid := range children(monitor.pid) {
		// "NSpid: 1234 1": its number outside and that inside (proc_pid_status(5)).
		numbers := strings.Fields(statusField(pid, "NSpid"))
		if len(numbers) > 1 && numbers[len(numbers)-1] == "1" {
			return lookUp(pid)
		}
	}
	return process{}, false
}

// children returns the child processes of a single-threaded process. /proc/PID/task/PID/children
// would be cheaper but is not in every kernel.
func children(parent int) []int {
	var pids []int
	procs, _ := filepath.Glob("/proc/[0-9]*")
	for _, path := range procs {
		pid, _ := strconv.Atoi(filepath.Base(path))
		if statusField(pid, "PPid") == strconv.Itoa(parent) {
			pids = append(pids, pid)
		}
	}
	return pids
}
