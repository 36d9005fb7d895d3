package liblxc

import (
	"fmt"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"golang.org/x/sys/unix"

	"lodge/inventory"
	"lodge/manager/lxc/mounts"
)

// detach unmounts the set in the container of that init. What is not there any more is fine; what
// is in use is ErrBusy and says by whom. The thread is in the container when it returns.
func detach(init process, set mounts.Set) (err error) {
	lines := make([][]tableLine, len(set.Mounts))
	for i, m := range set.Mounts {
		if lines[i], err = mountsAt(init.pid, m.Target); err != nil {
			return err
		}
	}
	if err := init.enter(); err != nil {
		return err
	}
	for i, m := range set.Mounts {
		if len(lines[i]) == 0 {
			continue
		}
		top := lines[i][len(lines[i])-1]
		if m.Kind == mounts.Tmpfs && top.source != m.Label() || len(lines[i]) > 1 {
			return inventory.Errorf(inventory.ErrBusy,
				"device %s: something else is mounted on %s in the container; unmount it there first", m.Device, m.Target)
		}
		if err := unmount(m, init.pid, top, set.IDBase); err != nil {
			return err
		}
	}
	return nil
}

// unmount unmounts one path of the container this thread is in. The last part of the path is given to
// the kernel alone, in its folder, so that no descriptor of ours keeps the mount busy.
func unmount(m mounts.Mount, pid int, line tableLine, base uint32) error {
	above := m
	above.Kind, above.Target = mounts.Folder, path.Dir(m.Target)
	dir, err := findTarget(above, base)
	if err != nil {
		return err
	}
	defer unix.Close(dir)
	if err := unix.Fchdir(dir); err != nil {
		return err
	}
	switch err := unix.Unmount(path.Base(m.Target), unix.UMOUNT_NOFOLLOW); err {
	case nil, unix.EINVAL, unix.ENOENT: // nothing is mounted there
		return nil
	case unix.EBUSY:
		return inventory.Errorf(inventory.ErrBusy, "device %s: %s is in use by %s; end it and repeat, or stop the container",
			m.Device, m.Target, usersOf(pid, line, base))
	default:
		return inventory.Errorf(inventory.ErrUnavailable, "device %s: %s can't be unmounted: %v", m.Device, m.Target, err)
	}
}

// mostUsers is how many processes an error names.
const mostUsers = 5

// usersOf names the processes of a container that have a file or folder of a mount open. It runs on a
// thread of its own: this one sees the container's /proc.
func usersOf(pid int, line tableLine, base uint32) string {
	found := make(chan []string)
	go func() { found <- users(pid, line, base) }()
	names := <-found
	switch {
	case len(names) == 0:
		return "a mount of the container's own below it, or in a namespace of one of its services"
	case len(names) > mostUsers:
		return strings.Join(names[:mostUsers], ", ") + fmt.Sprintf(" and %d more", len(names)-mostUsers)
	}
	return strings.Join(names, ", ")
}

func users(init int, line tableLine, base uint32) []string {
	var names []string
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || !belongs(pid, init, base) || !uses(pid, line) {
			continue
		}
		names = append(names, nameOf(pid))
	}
	return names
}

// belongs reports whether a process is one of the container's: by its user, which no other container's
// has, or by the namespace of a container that shares the host's users.
func belongs(pid, init int, base uint32) bool {
	if base == 0 {
		own, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/mnt", pid))
		theirs, _ := os.Readlink(fmt.Sprintf("/proc/%d/ns/mnt", init))
		return err == nil && own == theirs
	}
	uid, err := strconv.ParseUint(field(pid, "Uid:"), 10, 32)
	return err == nil && uint32(uid) >= base && uint32(uid) < base+idRange
}

// uses reports whether a process has something of the mount open, by the ids of mounts alone: no file
// of the container is looked at.
func uses(pid int, line tableLine) bool {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/mountinfo", pid))
	var ids []string
	for l := range strings.Lines(string(text)) {
		if m, ok := parseMount(l); ok && m.device == line.device && m.root == line.root {
			ids = append(ids, m.id)
		}
	}
	if len(ids) == 0 {
		return false
	}
	for _, name := range []string{"cwd", "root", "exe"} {
		fd, err := unix.Open(fmt.Sprintf("/proc/%d/%s", pid, name), unix.O_PATH|unix.O_CLOEXEC, 0)
		if err != nil {
			continue
		}
		id := mountOf(fmt.Sprintf("/proc/self/fdinfo/%d", fd))
		unix.Close(fd)
		if slices.Contains(ids, id) {
			return true
		}
	}
	dir := fmt.Sprintf("/proc/%d/fdinfo", pid)
	entries, _ := os.ReadDir(dir)
	return slices.ContainsFunc(entries, func(e os.DirEntry) bool {
		return slices.Contains(ids, mountOf(dir+"/"+e.Name()))
	})
}

func mountOf(fdinfo string) string {
	text, _ := os.ReadFile(fdinfo)
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "mnt_id:"); ok {
			return strings.TrimSpace(rest)
		}
	}
	return ""
}

// nameOf names a process as people inside know it: "sleep (17)".
func nameOf(pid int) string {
	inside := strings.Fields(fieldLine(pid, "NSpid:"))
	name := strings.Map(func(r rune) rune { // the container chose it
		if unicode.IsPrint(r) {
			return r
		}
		return '?'
	}, strings.ToValidUTF8(fieldLine(pid, "Name:"), "?"))
	if len(inside) == 0 {
		return name
	}
	return fmt.Sprintf("%s (%s)", name, inside[len(inside)-1])
}

func field(pid int, name string) string {
	words := strings.Fields(fieldLine(pid, name))
	if len(words) == 0 {
		return ""
	}
	return words[0]
}

// fieldLine is a line of /proc/PID/status (proc_pid_status(5)) without its name.
func fieldLine(pid int, name string) string {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, name); ok {
			return strings.TrimSpace(rest)
		}
	}
	return ""
}
