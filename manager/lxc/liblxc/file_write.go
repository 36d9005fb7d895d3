package liblxc

import (
	"bufio"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"path"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"lodge/inventory"
)

// chunkLimit bounds one chunk of content, in bytes.
const chunkLimit = 1 << 20

// errBroken says that the content ended without saying that it is whole.
var errBroken = errors.New("the content broke off")

// An owner is who a new file belongs to, and its permission bits.
type owner struct {
	uid, gid int
	mode     uint32
}

// write makes a folder, or puts content into a regular file: all of it or nothing.
func (t tree) write(r inventory.FileArgs, in io.Reader, out io.Writer) error {
	o, err := wanted(r)
	if err != nil {
		return err
	}
	if r.Parents {
		if err := t.makeParents(path.Dir(path.Clean(r.Path)), o); err != nil {
			return refusal(r.Path, err)
		}
	}
	parent, base, err := t.parent(r.Path)
	if err != nil {
		return refusal(r.Path, err)
	}
	if r.Directory {
		err = t.makeFolder(parent, base, o)
		if err == unix.EEXIST && r.Parents && isFolder(parent, base) {
			err = nil
		}
	} else {
		err = t.replace(parent, base, r, o, in)
	}
	if err != nil {
		return refusal(r.Path, err)
	}
	info, err := describe(parent, base, base)
	if err != nil {
		return refusal(r.Path, err)
	}
	return answer(out, info)
}

func wanted(r inventory.FileArgs) (owner, error) {
	o := owner{mode: 0o644}
	if r.Directory {
		o.mode = 0o755
	}
	if r.Mode != "" {
		n, err := strconv.ParseUint(r.Mode, 8, 12)
		if err != nil {
			return o, inventory.Errorf(inventory.ErrInvalid,
				"%q is no mode; write it in octal, like 0644", r.Mode)
		}
		o.mode = uint32(n)
	}
	if r.UID != nil {
		o.uid = *r.UID
	}
	if r.GID != nil {
		o.gid = *r.GID
	}
	if o.uid < 0 || o.gid < 0 || o.uid > 65535 || o.gid > 65535 {
		return o, inventory.Errorf(inventory.ErrInvalid, "the container has ids from 0 to 65535 only")
	}
	return o, nil
}

// makeParents makes the folders of dir that are missing, from the root on.
func (t tree) makeParents(dir string, o owner) error {
	done := "/"
	for _, part := range strings.Split(strings.Trim(dir, "/"), "/") {
		if part == "" {
			continue
		}
		next := path.Join(done, part)
		fd, err := t.open(next, unix.O_PATH|unix.O_DIRECTORY)
		if err == unix.ENOENT {
			var parent int
			if parent, err = t.open(done, unix.O_PATH|unix.O_DIRECTORY); err == nil {
				err = t.makeFolder(parent, part, owner{o.uid, o.gid, 0o755})
				unix.Close(parent)
			}
		} else if err == nil {
			unix.Close(fd)
		}
		if err != nil {
			return err
		}
		done = next
	}
	return nil
}

// makeFolder makes a folder that is its owner's from the first moment somebody can enter it.
func (t tree) makeFolder(parent int, base string, o owner) error {
	if err := unix.Mkdirat(parent, base, 0); err != nil {
		return err
	}
	fd, err := unix.Openat(parent, base, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return own(fd, o)
}

func isFolder(parent int, base string) bool {
	info, err := describe(parent, base, base)
	return err == nil && info.Type == "directory"
}

// own sets owner and mode, in this order: chown takes setuid bits away.
func own(fd int, o owner) error {
	if err := unix.Fchown(fd, o.uid, o.gid); err != nil {
		return err
	}
	return unix.Fchmod(fd, o.mode)
}

// replace writes a file beside base and moves it there. A link of that name is replaced, never
// followed; the owner and mode of a file that is replaced stay where none were asked for.
func (t tree) replace(parent int, base string, r inventory.FileArgs, o owner, in io.Reader) error {
	var st unix.Stat_t
	err := unix.Fstatat(parent, base, &st, unix.AT_SYMLINK_NOFOLLOW)
	if err != nil && err != unix.ENOENT {
		return err
	}
	if err == nil {
		switch st.Mode & unix.S_IFMT {
		case unix.S_IFREG:
			o = keep(st, r, o)
		case unix.S_IFLNK:
		default:
			return unix.EEXIST
		}
	}
	temp, f, err := create(parent)
	if err != nil {
		return err
	}
	defer f.Close()
	if err = fill(f, in); err == nil {
		err = own(int(f.Fd()), o)
	}
	if err == nil {
		err = unix.Fdatasync(int(f.Fd())) // or a crash could leave the new name with no content
	}
	if err == nil {
		err = unix.Renameat(parent, temp, parent, base)
	}
	if err != nil {
		unix.Unlinkat(parent, temp, 0)
	}
	return err
}

func keep(st unix.Stat_t, r inventory.FileArgs, o owner) owner {
	if r.Mode == "" {
		o.mode = st.Mode & 0o7777
	}
	if r.UID == nil {
		o.uid = int(st.Uid)
	}
	if r.GID == nil {
		o.gid = int(st.Gid)
	}
	return o
}

// create makes a new file with a name nobody can have guessed.
func create(parent int) (name string, f *os.File, err error) {
	var random [8]byte
	rand.Read(random[:])
	name = ".lodge-" + hex.EncodeToString(random[:])
	fd, err := unix.Openat(parent, name,
		unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return "", nil, err
	}
	return name, os.NewFile(uintptr(fd), name), nil
}

func fill(f *os.File, in io.Reader) error {
	r := bufio.NewReaderSize(in, 64<<10)
	for {
		var head [4]byte
		if _, err := io.ReadFull(r, head[:]); err != nil {
			return inventory.Errorf(inventory.ErrInvalid, "nothing was written: %v", errBroken)
		}
		n := binary.BigEndian.Uint32(head[:])
		if n == 0 {
			return nil
		}
		if n > chunkLimit {
			return inventory.Errorf(inventory.ErrInvalid, "a chunk of %d bytes is too long", n)
		}
		if _, err := io.CopyN(f, r, int64(n)); err != nil {
			return err
		}
	}
}
