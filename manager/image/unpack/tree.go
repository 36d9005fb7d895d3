package unpack

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"

	"golang.org/x/sys/unix"
)

// A tree is a directory that entries are written below. No path is ever resolved through a
// symbolic link: a directory on the way that is one is a refusal.
type tree struct {
	root int
	// made is called with each directory that was made because an entry below it needed it.
	made func(p string)
	// The parent opened last: consecutive entries mostly share it.
	dir   string
	dirFD int
}

func newTree(root int) *tree { return &tree{root: root, dirFD: -1, made: func(string) {}} }

func (t *tree) close() {
	if t.dirFD >= 0 {
		unix.Close(t.dirFD)
		t.dirFD = -1
	}
}

var beneath = uint64(unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS | unix.RESOLVE_NO_XDEV)

// open opens a path below the root without following any link (openat2(2)).
func (t *tree) open(p string, flags int) (int, error) {
	return unix.Openat2(t.root, p, &unix.OpenHow{Flags: uint64(flags | unix.O_CLOEXEC), Resolve: beneath})
}

// parent returns the directory of p, which stays the tree's, and p's last name. Missing
// directories are made, as an archive may leave out what it did not have to say.
func (t *tree) parent(p string) (fd int, name string, err error) {
	dir, name := path.Dir(p), path.Base(p)
	if t.dirFD >= 0 && dir == t.dir {
		return t.dirFD, name, nil
	}
	fd, err = t.open(dir, unix.O_PATH|unix.O_DIRECTORY)
	if errors.Is(err, unix.ENOENT) {
		if err = t.makeAll(dir); err == nil {
			fd, err = t.open(dir, unix.O_PATH|unix.O_DIRECTORY)
		}
	}
	if errors.Is(err, unix.ELOOP) || errors.Is(err, unix.ENOTDIR) {
		return -1, "", refuse("%q lies below %q, which is no directory", p, dir)
	}
	if err != nil {
		return -1, "", fmt.Errorf("open %s: %w", dir, err)
	}
	t.close()
	t.dir, t.dirFD = dir, fd
	return fd, name, nil
}

func (t *tree) makeAll(dir string) error {
	made := "."
	for part := range strings.SplitSeq(dir, "/") {
		fd, err := t.open(made, unix.O_PATH|unix.O_DIRECTORY)
		if err != nil {
			return err
		}
		made = path.Join(made, part)
		err = unix.Mkdirat(fd, part, 0o755)
		if err == nil {
			t.made(made)
			err = unix.Fchownat(fd, part, 0, 0, unix.AT_SYMLINK_NOFOLLOW)
		} else if errors.Is(err, unix.EEXIST) {
			err = nil
		}
		unix.Close(fd)
		if err != nil {
			return err
		}
	}
	return nil
}

// makeWay removes what an earlier entry left under the same name; the later one wins, as in tar.
func makeWay(dir int, name, p string) error {
	err := unix.Unlinkat(dir, name, 0)
	switch {
	case err == nil || errors.Is(err, unix.ENOENT):
		return nil
	case errors.Is(err, unix.EISDIR) || errors.Is(err, unix.EPERM):
		return refuse("%q is a directory and something else in the same archive", p)
	}
	return fmt.Errorf("replace %s: %w", p, err)
}

// createFile makes a new regular file, readable by nobody until it is complete.
func createFile(dir int, name string) (*os.File, error) {
	fd, err := unix.Openat(dir, name,
		unix.O_RDWR|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, &fs.PathError{Op: "create", Path: name, Err: err}
	}
	return os.NewFile(uintptr(fd), name), nil
}
