package liblxc

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	lxc "github.com/lxc/go-lxc"
	"golang.org/x/sys/unix"
)

// Started is what lodge-lxc start prints as one JSON object: the two processes of a running
// container, or why there are none.
type Started struct {
	InitPID    int    `json:"init_pid,omitempty"`
	MonitorPID int    `json:"monitor_pid,omitempty"`
	Error      string `json:"error,omitempty"`
}

// Start starts the container NAME of LXCPATH with the configuration file CONFIG, after it has
// mounted SOURCE on TARGET with ids from BASE on where those are given. It exits 0 once
// liblxc says RUNNING, which is before init's exec: whether init lives is for the caller to see.
func Start(args []string) int {
	if len(args) != 3 && len(args) != 6 {
		fmt.Fprintln(os.Stderr, "usage: lodge-lxc start NAME LXCPATH CONFIG [SOURCE TARGET BASE]")
		return 2
	}
	out, err := startOn(args[0], args[1], args[2], args[3:])
	if err != nil {
		out = Started{Error: err.Error()}
	}
	if json.NewEncoder(os.Stdout).Encode(out) != nil || err != nil {
		return 1
	}
	return 0
}

// startOn mounts the root first, and takes it away again if the start fails.
func startOn(name, lxcpath, config string, rootArgs []string) (Started, error) {
	r, err := parseRoot(rootArgs)
	if err != nil {
		return Started{}, err
	}
	if r == nil {
		return start(name, lxcpath, config)
	}
	if err := r.mount(); err != nil {
		return Started{}, err
	}
	out, err := start(name, lxcpath, config)
	if err != nil {
		r.unmount()
	}
	return out, err
}

func start(name, lxcpath, config string) (Started, error) {
	// Nothing a caller left open may reach the container: the monitor and init inherit all that
	// is not marked.
	if err := unix.CloseRange(3, ^uint(0), unix.CLOSE_RANGE_CLOEXEC); err != nil {
		return Started{}, fmt.Errorf("close_range: %w", err)
	}
	if err := os.Setenv("PATH", startPath()); err != nil {
		return Started{}, err
	}
	c, err := lxc.NewContainer(name, lxcpath)
	if err != nil {
		return Started{}, fmt.Errorf("open: %w", err)
	}
	// A defined container has its config loaded by now; liblxc would append the second load.
	c.ClearConfig()
	if err := c.LoadConfigFile(config); err != nil {
		return Started{}, fmt.Errorf("configuration: %w", err)
	}
	if err := c.Start(); err != nil {
		return Started{}, err
	}
	pid := c.InitPid()
	if pid <= 0 {
		return Started{}, errors.New("its init ended at once")
	}
	return Started{InitPID: pid, MonitorPID: parent(pid)}, nil
}

// startPath is where liblxc looks for programs: as few places as possible. With newuidmap in reach
// it would run that, even as root, and be refused every id range /etc/subuid does not give to root;
// without, it writes the maps itself (user_namespaces(7)), which is faster too. Only the parser of
// AppArmor is wanted.
func startPath() string {
	for _, dir := range []string{"/usr/sbin", "/sbin"} {
		if _, err := os.Stat(dir + "/apparmor_parser"); err == nil {
			return dir
		}
	}
	return "/nonexistent"
}

// parent returns the parent of a process, 0 when it is gone. The parent of a container's init is
// its monitor; liblxc has no call that tells.
func parent(pid int) int {
	status, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "PPid:"); ok {
			n, _ := strconv.Atoi(strings.TrimSpace(rest))
			return n
		}
	}
	return 0
}
