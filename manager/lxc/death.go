package lxc

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// deathRead bounds how much of the end of liblxc's log is searched for how init ended.
const deathRead = 16 << 10

// ended matches what liblxc logs when it has reaped init (src/lxc/error.c, lxc_error_set_and_log):
// "Child <4643> ended on signal Killed(9)", "Child <4643> ended on error (1)".
var ended = regexp.MustCompile(`Child <(\d+)> ended on (?:signal [^(]*|error )\((\d+)\)`)

// unseen is the reason of an init of whose end nobody knows anything.
const unseen = "nobody saw how its init ended: its monitor was gone as well"

// A death is how an init ended.
type death struct {
	reason string // what was wrong with it, "" for nothing
	clean  bool   // it powered the container off, or exited with 0
}

// deathOf says how init ended. A monitor that has reaped it logs what was not an exit with 0, and
// runs its hook after that; so when nothing is logged it is the hook, reaped, that tells a clean end
// from one nobody saw.
func (r *Runtime) deathOf(name string, init int, reaped bool) death {
	d, logged := parseDeath(r.logEnd(name), init)
	switch {
	case logged:
		return d
	case reaped:
		return death{clean: true}
	}
	return death{reason: unseen}
}

// logEnd returns the end of what liblxc has logged of a container.
func (r *Runtime) logEnd(name string) string {
	f, err := os.Open(filepath.Join(r.lxcpath, name, "lxc.log"))
	if err != nil {
		return ""
	}
	defer f.Close()
	offset := int64(0)
	if info, err := f.Stat(); err == nil {
		offset = max(0, info.Size()-deathRead)
	}
	text, _ := io.ReadAll(io.NewSectionReader(f, offset, deathRead))
	return string(text)
}

// parseDeath finds how liblxc says that init ended, if it does. The kernel ends an init that calls
// reboot(2) to power off or halt by SIGINT (pid_namespaces(7)).
func parseDeath(log string, init int) (d death, ok bool) {
	all := ended.FindAllStringSubmatch(log, -1)
	for i := len(all) - 1; i >= 0; i-- {
		if all[i][1] != strconv.Itoa(init) {
			continue
		}
		n, _ := strconv.Atoi(all[i][2])
		if !strings.Contains(all[i][0], "on signal") {
			return death{reason: fmt.Sprintf("init exited with code %d", n)}, true
		}
		if unix.Signal(n) == unix.SIGINT {
			return death{clean: true}, true
		}
		return death{reason: fmt.Sprintf("init was killed by signal %d (%s)", n,
			unix.SignalName(unix.Signal(n)))}, true
	}
	return death{}, false
}
