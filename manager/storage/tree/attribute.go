package tree

import (
	"errors"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// attributes gives an open file or folder the owner, mode, extended attributes and time of another,
// in this order: a change of owner takes setuid bits and capabilities away.
func (j *job) attributes(from, to int, st *unix.Stat_t) error {
	if err := unix.Fchown(to, int(st.Uid), int(st.Gid)); err != nil {
		return err
	}
	if err := unix.Fchmod(to, st.Mode&0o7777); err != nil {
		return err
	}
	if err := j.extended(from, to); err != nil {
		return err
	}
	return setTimes(to, "", st)
}

// dress does the same for what can't be opened without harm: links, pipes, sockets, devices. They
// are reached through the open folder they are in, so that nothing can be put in their place.
func (j *job) dress(src, dst int, name string, st *unix.Stat_t) error {
	if err := unix.Fchownat(dst, name, int(st.Uid), int(st.Gid), unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFLNK {
		// The file is new and in a folder nobody else can enter yet: it is what we made.
		if err := unix.Fchmodat(dst, name, st.Mode&0o7777, 0); err != nil {
			return err
		}
	}
	if err := j.extendedOf(src, dst, name); err != nil {
		return err
	}
	return setTimes(dst, name, st)
}

// setTimes sets the time of last change of a name in an open folder, or of the open file itself.
func setTimes(fd int, name string, st *unix.Stat_t) error {
	times := []unix.Timespec{{Nsec: unix.UTIME_OMIT}, st.Mtim}
	if name != "" {
		return unix.UtimesNanoAt(fd, name, times, unix.AT_SYMLINK_NOFOLLOW)
	}
	_, _, errno := unix.Syscall6(unix.SYS_UTIMENSAT, uintptr(fd), 0, uintptr(unsafe.Pointer(&times[0])), 0, 0, 0)
	if errno != 0 {
		return errno
	}
	return nil
}

// inFolder is a path to a name in an open folder, for the calls that have no variant with a
// descriptor and a name.
func inFolder(fd int, name string) string { return "/proc/self/fd/" + strconv.Itoa(fd) + "/" + name }

// most bounds the names and a value of extended attributes: the kernel's own limits (limits.h).
const most = 64 << 10

// extended copies all extended attributes of one open file to another.
func (j *job) extended(from, to int) error {
	return j.eachAttribute(
		func(names []byte) (int, error) { return unix.Flistxattr(from, names) },
		func(name string, value []byte) (int, error) { return unix.Fgetxattr(from, name, value) },
		func(name string, value []byte) error { return unix.Fsetxattr(to, name, value, 0) })
}

// extendedOf does it for a name in two folders, without following it if it is a link.
func (j *job) extendedOf(src, dst int, name string) error {
	from, to := inFolder(src, name), inFolder(dst, name)
	return j.eachAttribute(
		func(names []byte) (int, error) { return unix.Llistxattr(from, names) },
		func(name string, value []byte) (int, error) { return unix.Lgetxattr(from, name, value) },
		func(name string, value []byte) error { return unix.Lsetxattr(to, name, value, 0) })
}

func (j *job) eachAttribute(list func([]byte) (int, error), get func(string, []byte) (int, error),
	set func(string, []byte) error) error {
	if j.names == nil {
		j.names, j.value = make([]byte, most), make([]byte, most)
	}
	n, err := list(j.names)
	if errors.Is(err, unix.EOPNOTSUPP) {
		return nil
	}
	if err != nil {
		return err
	}
	for name := range strings.SplitSeq(strings.TrimSuffix(string(j.names[:n]), "\x00"), "\x00") {
		if name == "" {
			continue
		}
		length, err := get(name, j.value)
		if errors.Is(err, unix.ENODATA) {
			continue
		}
		if err != nil {
			return err
		}
		if err := set(name, j.value[:length]); err != nil && !isLabel(name, err) {
			return err
		}
	}
	return nil
}

// isLabel lets the labels of security modules be, which the file system copied to may keep by itself
// or not have.
func isLabel(name string, err error) bool {
	return (name == "security.selinux" || name == "btrfs.compression") &&
		(errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.EINVAL))
}
