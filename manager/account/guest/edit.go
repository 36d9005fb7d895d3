package guest

import (
	"bytes"
	"io"
	"os"

	"golang.org/x/sys/unix"

	"lodge/inventory"
)

// Op is what is done.
type Op string

const (
	OpLook Op = "look" // changes nothing
	OpMake Op = "make" // what is missing, and unlocks
	OpLock Op = "lock" // does nothing where the account is gone, or not Lodge's
)

// fileMax bounds each of the files, in bytes: a line of passwd has some 60.
const fileMax = 4 << 20

// beneath resolves a path in the container: no link, and nothing outside.
const beneath = unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS

// A rootfs is a root file system whose ids are the container's.
type rootfs struct {
	root int // O_PATH
	etc  int
}

// Do does op to an account below root, a folder opened with O_PATH, and says what there was before of
// it. The error is ErrExists where the name is an account's that Lodge did not make.
func Do(root int, op Op, a Account) (State, error) {
	if err := inventory.CheckUnixName(a.Name); err != nil {
		return "", err
	}
	if a.UID < inventory.FirstUnixUID || a.UID > inventory.LastUnixUID {
		return "", inventory.Errorf(inventory.ErrInvalid, "uid %d is none of Lodge's, which are %d to %d", a.UID, inventory.FirstUnixUID, inventory.LastUnixUID)
	}
	etc, err := openAt(root, "etc", unix.O_RDONLY|unix.O_DIRECTORY, beneath)
	if err != nil {
		return "", refusal("/etc", err)
	}
	defer unix.Close(etc)
	r := rootfs{root, etc}
	if op != OpLook {
		lock, err := r.lock()
		if err != nil {
			return "", err
		}
		defer lock.Close()
	}
	return r.do(op, a)
}

func (r rootfs) do(op Op, a Account) (State, error) {
	t, err := r.read()
	if err != nil {
		return "", err
	}
	if !t[passwd].there {
		return "", inventory.Errorf(inventory.ErrState, "the container has no /etc/passwd, so no account can be made in it")
	}
	before := t
	state, err := t.look(a)
	if op == OpLock {
		if t.lock(a); state == StateOpen {
			return state, r.write(before, t)
		}
		return state, nil
	}
	if err != nil {
		return state, err
	}
	homeless, err := r.homeless(a, &t, state)
	if err != nil {
		return state, err
	}
	if homeless {
		state = StateMissing
	}
	if op == OpLook || state == StateOpen {
		return state, nil
	}
	t.make(a, r.shell())
	if homeless {
		if err := r.makeHome(a); err != nil {
			return state, err
		}
	}
	return state, r.write(before, t)
}

// openAt is openat2(2). EAGAIN means that something moved meanwhile.
func openAt(dir int, name string, flags, resolve uint64) (fd int, err error) {
	how := unix.OpenHow{Flags: flags | unix.O_CLOEXEC, Resolve: resolve}
	if flags&unix.O_CREAT != 0 {
		how.Mode = 0o600
	}
	for range 20 {
		if fd, err = unix.Openat2(dir, name, &how); err != unix.EAGAIN && err != unix.EINTR {
			break
		}
	}
	return fd, err
}

// regular opens a regular file: neither a fifo nor a device may hold us up.
func regular(dir int, name string, flags uint64) (*os.File, unix.Stat_t, error) {
	var st unix.Stat_t
	fd, err := openAt(dir, name, flags|unix.O_NONBLOCK|unix.O_NOCTTY, beneath)
	if err != nil {
		return nil, st, err
	}
	if err = unix.Fstat(fd, &st); err == nil && st.Mode&unix.S_IFMT != unix.S_IFREG {
		err = unix.ENXIO
	}
	if err != nil {
		unix.Close(fd)
		return nil, st, err
	}
	return os.NewFile(uintptr(fd), name), st, nil
}

func (r rootfs) read() (t tables, err error) {
	for n, name := range fileNames {
		f, _, err := regular(r.etc, name, unix.O_RDONLY)
		if err == unix.ENOENT {
			continue
		}
		if err != nil {
			return t, refusal("/etc/"+name, err)
		}
		text, err := io.ReadAll(io.LimitReader(f, fileMax+1))
		f.Close()
		if err != nil {
			return t, refusal("/etc/"+name, err)
		}
		if len(text) > fileMax {
			return t, inventory.Errorf(inventory.ErrInvalid, "/etc/%s of the container is larger than %s", name, inventory.Bytes(fileMax))
		}
		t[n] = table{text, true}
	}
	return t, nil
}

// write replaces the files that differ, and makes it durable.
func (r rootfs) write(before, now tables) error {
	for n, name := range fileNames {
		if bytes.Equal(before[n].text, now[n].text) && before[n].there == now[n].there {
			continue
		}
		if err := r.replace(name, now[n].text); err != nil {
			return refusal("/etc/"+name, err)
		}
	}
	return unix.Fsync(r.etc)
}
