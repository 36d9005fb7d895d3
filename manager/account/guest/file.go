package guest

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"path"
	"time"

	"golang.org/x/sys/unix"

	"lodge/inventory"
)

const (
	// lockWait is how long the container's own programs may keep us waiting; lckpwdf(3) gives up after 15 s.
	lockWait = 10 * time.Second
	// lockLook is how often the lock is tried meanwhile.
	lockLook = 20 * time.Millisecond
)

// lock takes the lock of lckpwdf(3), by which useradd, passwd and others keep out of each other's way.
// It ends with the file's closing.
func (r rootfs) lock() (*os.File, error) {
	const name = ".pwd.lock"
	f, _, err := regular(r.etc, name, unix.O_WRONLY|unix.O_CREAT)
	if err != nil {
		return nil, refusal("/etc/"+name, err)
	}
	for end := time.Now().Add(lockWait); ; time.Sleep(lockLook) {
		err = unix.FcntlFlock(f.Fd(), unix.F_SETLK, &unix.Flock_t{Type: unix.F_WRLCK})
		if err == nil {
			return f, nil
		}
		if err != unix.EACCES && err != unix.EAGAIN || time.Now().After(end) {
			f.Close()
			return nil, inventory.Errorf(inventory.ErrUnavailable, "the container's accounts are being edited inside: /etc/%s is locked (%v); try again", name, err)
		}
	}
}

// replace puts a text in the place of a file, whose owner and mode stay.
func (r rootfs) replace(name string, text []byte) error {
	st := unix.Stat_t{Mode: 0o644}
	if err := unix.Fstatat(r.etc, name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil && err != unix.ENOENT {
		return err
	}
	temp := newName()
	fd, err := openAt(r.etc, temp, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL, beneath)
	if err != nil {
		return err
	}
	f := os.NewFile(uintptr(fd), temp)
	defer f.Close()
	if _, err = f.Write(text); err == nil {
		err = own(fd, int(st.Uid), int(st.Gid), st.Mode&0o7777)
	}
	if err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = unix.Renameat(r.etc, temp, r.etc, name)
	}
	if err != nil {
		unix.Unlinkat(r.etc, temp, 0)
	}
	return err
}

// newName is one that nobody can have guessed.
func newName() string {
	var random [8]byte
	rand.Read(random[:])
	return ".lodge-" + hex.EncodeToString(random[:])
}

// own sets owner and mode, in this order: chown takes setuid bits away.
func own(fd, uid, gid int, mode uint32) error {
	if err := unix.Fchown(fd, uid, gid); err != nil {
		return err
	}
	return unix.Fchmod(fd, mode)
}

// shells are tried in this order; the last is what every system has.
var shells = []string{"/bin/bash", "/bin/ash", "/bin/sh"}

// shell is one that the container has. It may be a link, and is only looked at.
func (r rootfs) shell() string {
	for _, name := range shells {
		fd, err := openAt(r.root, name, unix.O_PATH, unix.RESOLVE_IN_ROOT|unix.RESOLVE_NO_MAGICLINKS)
		if err != nil {
			continue
		}
		var st unix.Stat_t
		err = unix.Fstat(fd, &st)
		unix.Close(fd)
		if err == nil && st.Mode&unix.S_IFMT == unix.S_IFREG && st.Mode&0o111 != 0 {
			return name
		}
	}
	return shells[len(shells)-1]
}

// homeless reports whether the account's home has to be made. What lies in its place is left alone
// where it can't be the account's.
func (r rootfs) homeless(a Account, t *tables, state State) (bool, error) {
	if line, ok := t.ours(a); ok && line.field(5) != a.home() {
		return false, nil // somebody inside has moved it
	}
	fd, err := openAt(r.root, a.home()[1:], unix.O_PATH|unix.O_NOFOLLOW, beneath)
	if err == unix.ENOENT {
		return true, nil
	}
	if err != nil && state == StateMissing {
		return false, refusal(a.home(), err)
	}
	if err != nil {
		return false, nil
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return false, refusal(a.home(), err)
	}
	mine := a.Known && st.Mode&unix.S_IFMT == unix.S_IFDIR && int(st.Uid) == a.UID
	if !mine && state == StateMissing {
		return false, inventory.Errorf(inventory.ErrState,
			"account %s can't be made: the container has a %s of somebody else; nothing was changed", a.Name, a.home())
	}
	return false, nil
}

const (
	skelFiles = 64
	skelMax   = 1 << 20 // bytes of one file
)

// makeHome makes the home beside its place, with what /etc/skel has for it, and moves it there.
func (r rootfs) makeHome(a Account) error {
	parent, err := openAt(r.root, "home", unix.O_RDONLY|unix.O_DIRECTORY, beneath)
	if err == unix.ENOENT {
		if err = unix.Mkdirat(r.root, "home", 0o755); err == nil {
			parent, err = openAt(r.root, "home", unix.O_RDONLY|unix.O_DIRECTORY, beneath)
		}
	}
	if err != nil {
		return refusal("/home", err)
	}
	defer unix.Close(parent)
	temp := newName()
	err = unix.Mkdirat(parent, temp, 0o700)
	if err == nil {
		err = r.furnish(parent, temp, a)
	}
	if err == nil {
		err = unix.Renameat2(parent, temp, parent, path.Base(a.home()), unix.RENAME_NOREPLACE)
	}
	if err != nil {
		discard(parent, temp)
		return refusal(a.home(), err)
	}
	return unix.Fsync(parent)
}

// furnish fills a new home and gives it to the account.
func (r rootfs) furnish(parent int, temp string, a Account) error {
	home, err := openAt(parent, temp, unix.O_RDONLY|unix.O_DIRECTORY, beneath)
	if err != nil {
		return err
	}
	defer unix.Close(home)
	for _, name := range r.skel() {
		if err := r.copyIn(home, name, a.UID); err != nil {
			return err
		}
	}
	return own(home, a.UID, a.UID, 0o700)
}

// skel names what is in /etc/skel, to a bound.
func (r rootfs) skel() (names []string) {
	fd, err := openAt(r.etc, "skel", unix.O_RDONLY|unix.O_DIRECTORY, beneath)
	if err != nil {
		return nil
	}
	dir := os.NewFile(uintptr(fd), "skel")
	defer dir.Close()
	names, _ = dir.Readdirnames(skelFiles) // a home without them is one, too
	return names
}

// copyIn copies one regular file of /etc/skel; of what else there is, a home can do without.
func (r rootfs) copyIn(home int, name string, uid int) error {
	from, st, err := regular(r.etc, "skel/"+name, unix.O_RDONLY)
	if err != nil || st.Size > skelMax {
		if err == nil {
			from.Close()
		}
		return nil
	}
	defer from.Close()
	fd, err := openAt(home, name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL, beneath)
	if err != nil {
		return err
	}
	to := os.NewFile(uintptr(fd), name)
	defer to.Close()
	if _, err := io.Copy(to, io.LimitReader(from, skelMax)); err != nil {
		return err
	}
	return own(fd, uid, uid, st.Mode&0o755)
}

// discard removes a home that was not finished.
func discard(parent int, temp string) {
	if fd, err := openAt(parent, temp, unix.O_RDONLY|unix.O_DIRECTORY, beneath); err == nil {
		dir := os.NewFile(uintptr(fd), temp)
		names, _ := dir.Readdirnames(skelFiles)
		for _, name := range names {
			unix.Unlinkat(fd, name, 0)
		}
		dir.Close()
	}
	unix.Unlinkat(parent, temp, unix.AT_REMOVEDIR)
}

// refusal gives an errno the kind and words people can act on.
func refusal(path string, err error) error {
	if _, ok := inventory.Kind(err); ok {
		return err
	}
	switch {
	case errors.Is(err, unix.ELOOP), errors.Is(err, unix.EXDEV):
		return inventory.Errorf(inventory.ErrState, "%s of the container is a link, or below one, which is not followed", path)
	case errors.Is(err, unix.ENXIO), errors.Is(err, unix.ENOTDIR), errors.Is(err, unix.EISDIR):
		return inventory.Errorf(inventory.ErrState, "%s of the container is not what it should be", path)
	case errors.Is(err, unix.ENOENT):
		return inventory.Errorf(inventory.ErrState, "the container has no %s", path)
	case errors.Is(err, unix.EDQUOT), errors.Is(err, unix.ENOSPC):
		return inventory.Errorf(inventory.ErrQuota, "the account does not fit: the container's disk is full")
	case errors.Is(err, unix.EROFS):
		return inventory.Errorf(inventory.ErrState, "%s lies on a read-only file system", path)
	}
	return inventory.Errorf(inventory.ErrUnavailable, "%s of the container: %v", path, err)
}
