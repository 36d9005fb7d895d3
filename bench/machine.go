package main

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// A machine is what a table was measured on.
type machine struct {
	cpu, kernel, distribution, fs, liblxc string
	cpus                                  int
	memory                                int64
	date                                  time.Time
	load                                  string // when the run began
}

func describe(dir string) machine {
	m := machine{cpus: runtime.NumCPU(), date: time.Now().UTC(), load: load()}
	cpuinfo, _ := os.ReadFile("/proc/cpuinfo")
	m.cpu = after(string(cpuinfo), "model name", ":")
	var uts unix.Utsname
	if unix.Uname(&uts) == nil {
		m.kernel = unix.ByteSliceToString(uts.Release[:])
	}
	release, _ := os.ReadFile("/etc/os-release")
	m.distribution = strings.Trim(after(string(release), "PRETTY_NAME", "="), `"`)
	meminfo, _ := os.ReadFile("/proc/meminfo")
	m.memory = kilobytes(string(meminfo), "MemTotal")
	out, _ := exec.Command("findmnt", "-no", "FSTYPE", "-T", dir).Output()
	m.fs = strings.TrimSpace(string(out))
	out, _ = exec.Command("lxc-start", "--version").Output()
	m.liblxc = strings.TrimSpace(string(out))
	return m
}

// after returns what follows key and sep in the first line that begins with key.
func after(text, key, sep string) string {
	for line := range strings.Lines(text) {
		if k, v, ok := strings.Cut(line, sep); ok && strings.TrimSpace(k) == key {
			return strings.TrimSpace(v)
		}
	}
	return "unknown"
}

// roomForMany refuses limits of one desktop. The systemd of every guest takes some inotify instances,
// all from the host root's account; one that gets none ends at once.
func roomForMany() error {
	const enough = 1024 // of 150 guests
	text, err := os.ReadFile("/proc/sys/fs/inotify/max_user_instances")
	if err != nil {
		return err
	}
	if n, err := strconv.Atoi(strings.TrimSpace(string(text))); err != nil || n < enough {
		return fmt.Errorf("fs.inotify.max_user_instances is %d, too few for many containers; "+
			"sudo sysctl -p packaging/sysctl.conf raises it, as an installation does", n)
	}
	return nil
}

// load is the load average of the last one and five minutes.
func load() string {
	text, _ := os.ReadFile("/proc/loadavg")
	fields := strings.Fields(string(text))
	if len(fields) < 2 {
		return "unknown"
	}
	return fields[0] + " " + fields[1]
}

func (m machine) String() string {
	return fmt.Sprintf("%s, %s, %d CPUs (%s), %.0f GiB, liblxc %s, btrfs on a loop file over %s. Load average %s when it began, %s at its end.",
		m.date.Format("2006-01-02 15:04 MST"), m.distribution+", kernel "+m.kernel, m.cpus, m.cpu, float64(m.memory)/(1<<30), m.liblxc, m.fs, m.load, load())
}
