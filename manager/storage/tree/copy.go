// Package tree copies and measures root file systems file by file, for pools without snapshots of
// their own and between pools.
//
// A copy keeps what an image may hold: owners, modes with setuid bits, times, extended attributes
// with ACLs and file capabilities among them, hard links, holes, links, pipes, sockets and device
// nodes. What was written by a container is hostile: no link is ever followed, every name is opened
// below the folder it was read from, and a file that is something else when it is opened than when
// it was looked at is an error. Names from inside never become part of a path.
//
// Not kept: the flags of chattr(1), which need a capability no container has, and access times.
package tree

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// A Copier copies trees. The zero value is ready; one may be used by many goroutines.
type Copier struct {
	// Plain is set once the kernel has said that these file systems don't share extents: then it
	// isn't asked again for every file.
	Plain atomic.Bool
	// Shared counts files whose contents were shared with the source instead of copied.
	Shared atomic.Int64
}

// Copy makes the folder to, which exists and is empty, a copy of the folder from, the attributes of
// the folder itself among them. Both are opened without following a link in the last part. What was
// copied is in the kernel's memory when it returns; syncing is the caller's.
func (c *Copier) Copy(ctx context.Context, from, to string) error {
	src, err := openFolder(unix.AT_FDCWD, from)
	if err != nil {
		return &os.PathError{Op: "open", Path: from, Err: err}
	}
	defer unix.Close(src)
	dst, err := openFolder(unix.AT_FDCWD, to)
	if err != nil {
		return &os.PathError{Op: "open", Path: to, Err: err}
	}
	defer unix.Close(dst)
	j := &job{Copier: c, ctx: ctx, top: dst, links: map[inode]string{}, buffer: make([]byte, bufferSize)}
	var st unix.Stat_t
	if err := unix.Fstat(src, &st); err != nil {
		return err
	}
	j.device = st.Dev
	return j.folder(src, dst, "", &st)
}

const (
	// bufferSize is how much is read at once: files up to it cost one read and one write.
	bufferSize = 256 << 10
	// deepest is how far folders may be nested: two files are held open for each level.
	deepest = 1000

	openAny = unix.O_RDONLY | unix.O_NOFOLLOW | unix.O_CLOEXEC | unix.O_NONBLOCK
)

// inode is the identity of a file with several names.
type inode struct{ device, number uint64 }

// A job is one copy.
type job struct {
	*Copier
	ctx    context.Context
	top    int // the folder copied to
	device uint64
	depth  int
	links  map[inode]string // the first name, below top, of files with more than one
	buffer []byte
	names  []byte // of extended attributes
	value  []byte
}

func openFolder(dir int, name string) (int, error) {
	return retry(func() (int, error) {
		return unix.Openat(dir, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	})
}

// retry repeats a call that Go's own signals interrupted.
func retry(call func() (int, error)) (int, error) {
	for {
		n, err := call()
		if !errors.Is(err, unix.EINTR) {
			return n, err
		}
	}
}

// folder copies what is in a folder and then its attributes: its time is right only afterwards.
// place is its path below the top, for hard links and for people.
func (j *job) folder(src, dst int, place string, st *unix.Stat_t) error {
	if j.depth++; j.depth > deepest {
		return fmt.Errorf("%s: folders are nested deeper than %d", place, deepest)
	}
	defer func() { j.depth-- }()
	entries, err := names(src)
	if err != nil {
		return fmt.Errorf("read folder %q: %w", place, err)
	}
	for _, name := range entries {
		if err := j.ctx.Err(); err != nil {
			return err
		}
		if err := j.entry(src, dst, name, below(place, name)); err != nil {
			return err
		}
	}
	return j.attributes(src, dst, st)
}

func below(place, name string) string {
	if place == "" {
		return name
	}
	return place + "/" + name
}

// names lists a folder in the order of its storage, which is that of the inodes, mostly.
func names(folder int) ([]string, error) {
	again, err := unix.Dup(folder)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(again), "")
	defer f.Close()
	return f.Readdirnames(-1)
}

// entry copies one file, whatever it is.
func (j *job) entry(src, dst int, name, place string) error {
	var st unix.Stat_t
	if err := unix.Fstatat(src, name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return fmt.Errorf("%q: %w", place, err)
	}
	if st.Dev != j.device {
		return nil // somebody mounted something here: it is no part of the tree
	}
	isFolder := st.Mode&unix.S_IFMT == unix.S_IFDIR
	if st.Nlink > 1 && !isFolder {
		if done, err := j.link(dst, name, place, &st); done || err != nil {
			return err
		}
	}
	var err error
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFDIR:
		err = j.subfolder(src, dst, name, place)
	case unix.S_IFREG:
		err = j.regular(src, dst, name)
	case unix.S_IFLNK:
		err = j.symlink(src, dst, name, &st)
	default:
		err = j.special(src, dst, name, &st)
	}
	var placed *fileError
	if err != nil && !errors.As(err, &placed) {
		return &fileError{place, err}
	}
	return err
}

// fileError says once, at the file itself, which one it is about.
type fileError struct {
	place string
	err   error
}

func (e *fileError) Error() string { return fmt.Sprintf("copy %q: %v", e.place, e.err) }
func (e *fileError) Unwrap() error { return e.err }

// link gives a file that was copied under another name this one too.
func (j *job) link(dst int, name, place string, st *unix.Stat_t) (done bool, err error) {
	id := inode{st.Dev, st.Ino}
	first, ok := j.links[id]
	if !ok {
		j.links[id] = place
		return false, nil
	}
	if err := unix.Linkat(j.top, first, dst, name, 0); err != nil {
		return false, fmt.Errorf("link %q to %q: %w", place, first, err)
	}
	return true, nil
}

func (j *job) subfolder(src, dst int, name, place string) error {
	from, err := openFolder(src, name)
	if err != nil {
		return err
	}
	defer unix.Close(from)
	var st unix.Stat_t
	if err := unix.Fstat(from, &st); err != nil {
		return err
	}
	if err := unix.Mkdirat(dst, name, 0o700); err != nil {
		return err
	}
	to, err := openFolder(dst, name)
	if err != nil {
		return err
	}
	defer unix.Close(to)
	return j.folder(from, to, place, &st)
}

func (j *job) symlink(src, dst int, name string, st *unix.Stat_t) error {
	target := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(src, name, target)
	if err != nil {
		return err
	}
	if err := unix.Symlinkat(string(target[:n]), dst, name); err != nil {
		return err
	}
	return j.dress(src, dst, name, st)
}

func (j *job) special(src, dst int, name string, st *unix.Stat_t) error {
	if err := unix.Mknodat(dst, name, st.Mode&unix.S_IFMT|0o600, int(st.Rdev)); err != nil {
		return err
	}
	return j.dress(src, dst, name, st)
}
