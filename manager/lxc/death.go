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

// deathReason says how init ended if it did so badly, "" if it exited with 0 or powered the
// container off. The kernel ends an init that calls reboot(2) to power off or halt by SIGINT
// (pid_namespaces(7)).
func (r *Runtime) deathReason(name string, init int) string {
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
	return parseDeath(string(text), init)
}

func parseDeath(log string, init int) string {
	all := ended.FindAllStringSubmatch(log, -1)
	for i := len(all) - 1; i >= 0; i-- {
		if all[i][1] != strconv.Itoa(init) {
			continue
		}
		n, _ := strconv.Atoi(all[i][2])
		if !strings.Contains(all[i][0], "on signal") {
			return fmt.Sprintf("init exited with code %d", n)
		}
		if unix.Signal(n) == unix.SIGINT {
			return ""
		}
		return fmt.Sprintf("init was killed by signal %d (%s)", n, unix.SignalName(unix.Signal(n)))
	}
	return ""
}
