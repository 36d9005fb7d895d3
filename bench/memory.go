package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// usage is what the processes of Lodge hold at one moment, in bytes.
type usage struct {
	running  int
	agent    int64 // RSS
	roles    int64 // RSS
	monitors int64 // RSS
	private  int64 // PSS of the monitors: shared pages divided among those that share them
	holders  int
}

// memory adds up RSS of the agent and its roles, and of the monitors of the named containers.
func (b *bench) memory(_ context.Context, names []string) usage {
	u := usage{running: len(names)}
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		argv, _ := os.ReadFile(filepath.Join("/proc", e.Name(), "cmdline"))
		text := strings.ReplaceAll(string(argv), "\x00", " ")
		exe, _ := os.Readlink(filepath.Join("/proc", e.Name(), "exe"))
		switch {
		case pid == b.agent.cmd.Process.Pid:
			u.agent += rollup(pid, "Rss")
		case exe == filepath.Join(b.bin, "lodged") && strings.Contains(text, b.agent.root()):
			u.roles += rollup(pid, "Rss")
		case exe == filepath.Join(b.bin, "lodge-lxc") && strings.Contains(text, " session"):
			u.holders++
		case strings.Contains(text, filepath.Join(b.agent.root(), "containers")):
			u.monitors += rollup(pid, "Rss")
			u.private += rollup(pid, "Pss")
		}
	}
	return u
}

// rollup reads one line of /proc/PID/smaps_rollup (proc_pid_smaps(5)).
func rollup(pid int, key string) int64 {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	return kilobytes(string(text), key)
}

func kilobytes(text, key string) int64 {
	for line := range strings.Lines(text) {
		if rest, ok := strings.CutPrefix(line, key+":"); ok {
			n, _ := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest),
				"kB")), 10, 64)
			return n << 10
		}
	}
	return 0
}

// available is what the host could still give out.
func available() int64 {
	text, _ := os.ReadFile("/proc/meminfo")
	return kilobytes(string(text), "MemAvailable")
}

func mib(n int64) float64 { return float64(n) / (1 << 20) }

// line says it in a sentence, with what each container costs beyond its own processes.
func (u usage) line(none usage) string {
	line := fmt.Sprintf("%d running: agent %.1f MiB RSS, roles %.1f MiB", u.running, mib(u.agent),
		mib(u.roles))
	if u.running == 0 {
		return line
	}
	n := int64(u.running)
	grown := max(0, u.agent+u.roles-none.agent-none.roles)
	return line + fmt.Sprintf("; per container %.2f MiB: its monitor %.2f MiB PSS (%.2f MiB RSS), agent and roles %.2f MiB more; session holders: %d",
		mib((u.private+grown)/n), mib(u.private/n), mib(u.monitors/n), mib(grown/n), u.holders)
}
