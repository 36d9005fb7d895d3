package lxc

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// findMonitors returns the monitors of containers below lxcpath by the container's name. liblxc
// names them "[lxc monitor] LXCPATH NAME".
func findMonitors(lxcpath string) map[string]process {
	found := map[string]process{}
	procs, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	prefix := []byte("[lxc monitor] " + lxcpath + " ")
	for _, path := range procs {
		title, err := os.ReadFile(path)
		if err != nil || !bytes.HasPrefix(title, prefix) {
			continue
		}
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		name, _, _ := strings.Cut(string(title[len(prefix):]), "\x00")
		if p, ok := lookUp(pid); ok {
			found[strings.TrimSpace(name)] = p
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
