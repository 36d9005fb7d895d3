package liblxc

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"lodge/inventory"
	"lodge/manager/lxc/mounts"
)

// Device gives devices to a running container or takes them away: ARGS are "attach" or "detach" and the
// pid of its init, or "check" alone, which only opens what is to be seen; standard input holds a mounts.Set as JSON, descriptor 3 is init's pidfd. It prints {} or {error, kind}. What is
// attached or detached already is fine. Nothing in the container is run, and no path of the host is
// resolved by the container or one of the container's by the host's rules: what is mounted is opened
// out here, as is the container's root folder in there, and the two meet as descriptors.
func Device(args []string) int {
	var set mounts.Set
	if err := json.NewDecoder(os.Stdin).Decode(&set); err != nil {
		return reply(err)
	}
	act := map[string]func(process, mounts.Set) error{"attach": give, "detach": take}[word(args, 0)]
	pid, err := strconv.Atoi(word(args, 1))
	switch {
	case len(args) == 1 && args[0] == "check":
		return reply(check(set))
	case len(args) != 2 || act == nil || err != nil:
		fmt.Fprintln(os.Stderr, "usage: lodge-lxc device check | attach|detach PID < SET")
		return 2
	}
	return reply(elsewhere(func() error { return act(process{pid, 3}, set) }))
}

func word(args []string, n int) string {
	if n < len(args) {
		return args[n]
	}
	return ""
}

// check opens what the set shows and lets it go.
func check(set mounts.Set) error {
	all, err := openAll(set, -1)
	closeAll(all)
	return err
}

func reply(err error) int {
	if err == nil {
		fmt.Println("{}")
		return 0
	}
	answer := fileReply{Error: err.Error()}
	if kind, ok := inventory.Kind(err); ok {
		answer.Kind = kind.Name
	}
	json.NewEncoder(os.Stdout).Encode(answer)
	return 1
}

// Hook goes on where lodge-hook leaves off: it attaches the devices that RUNDIR/devices/ID
// lists to a container that is about to run its init, on its first boot and on every reboot. A container
// that lacks a device does not start: a database on an empty folder would be worse. The reason lies
// beside the list.
func Hook(args []string) int {
	if len(args) != 2 {
		return 2
	}
	list := filepath.Join(args[0], "devices", args[1])
	os.Remove(list + ".error")
	err := attachListed(list)
	if err == nil {
		return 0
	}
	os.WriteFile(list+".error", []byte(err.Error()), 0o600)
	fmt.Fprintln(os.Stderr, err)
	return 1
}

func attachListed(list string) error {
	raw, err := os.ReadFile(list)
	if err != nil {
		return err
	}
	var set mounts.Set
	if err := json.Unmarshal(raw, &set); err != nil {
		return err
	}
	pid, err := strconv.Atoi(os.Getenv("LXC_PID"))
	if err != nil {
		return errors.New("liblxc did not tell the pid of init")
	}
	fd, err := unix.PidfdOpen(pid, 0) // liblxc waits for the hook, so init is what it was
	if err != nil {
		return err
	}
	return elsewhere(func() error { return give(process{pid, fd}, set) })
}

// give attaches all of a set: what is mounted last, since the thread is in the container then.
func give(init process, set mounts.Set) error {
	if err := plug(init, set); err != nil || len(set.Mounts) == 0 {
		return err
	}
	return attach(init, set)
}

// take is give's opposite.
func take(init process, set mounts.Set) error {
	if err := unplug(init, set.Interfaces); err != nil || len(set.Mounts) == 0 {
		return err
	}
	return detach(init, set)
}

// elsewhere does something on a thread that goes from namespace to namespace and ends with it. Whoever
// waits stays outside: a path it uses afterwards is the host's.
func elsewhere(do func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		done <- do()
	}()
	return <-done
}

// A process is the init of a container.
type process struct{ pid, fd int }

// enter moves this thread into the mount namespace of the process: its / is the container's root folder.
func (p process) enter() error {
	if err := enter(p.fd); err == unix.ESRCH {
		return errStopped
	} else if err != nil {
		return fmt.Errorf("enter the container: %w", err)
	}
	return nil
}

var errStopped = inventory.Errorf(inventory.ErrState, "the container has stopped")

// opened is a mount on its way into a container.
type opened struct {
	mounts.Mount
	tree     int // a detached copy of what is to be seen
	dev, ino uint64
}

func closeAll(all []opened) {
	for _, o := range all {
		unix.Close(o.tree)
	}
}

// identify notes by which folder the mount is known again.
func (o *opened) identify() error {
	var st unix.Stat_t
	err := unix.Fstat(o.tree, &st)
	o.dev, o.ino = uint64(st.Dev), st.Ino
	return err
}

// A tableLine is what /proc/PID/mountinfo says of one mount (proc_pid_mountinfo(5)).
type tableLine struct {
	id, device, root, point, source string
}

// mountsAt returns the mounts a process sees at a path, the topmost last.
func mountsAt(pid int, path string) ([]tableLine, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/mountinfo", pid))
	if err != nil {
		return nil, errStopped
	}
	var found []tableLine
	for line := range strings.Lines(string(text)) {
		if l, ok := parseMount(line); ok && l.point == path {
			found = append(found, l)
		}
	}
	return found, nil
}

func parseMount(line string) (tableLine, bool) {
	f := strings.Fields(line)
	before, after, ok := strings.Cut(line, " - ")
	rest := strings.Fields(after)
	if !ok || len(strings.Fields(before)) < 6 || len(rest) < 2 {
		return tableLine{}, false
	}
	return tableLine{id: f[0], device: f[2], root: f[3], point: unescape(f[4]), source: unescape(rest[1])}, true
}

// unescape undoes \040 and the like.
func unescape(s string) string {
	for i := strings.IndexByte(s, '\\'); i >= 0 && i+3 < len(s); {
		n, err := strconv.ParseUint(s[i+1:i+4], 8, 8)
		if err != nil {
			break
		}
		s = s[:i] + string([]byte{byte(n)}) + s[i+4:]
		next := strings.IndexByte(s[i+1:], '\\')
		if next < 0 {
			break
		}
		i += 1 + next
	}
	return s
}
