package unpack

import (
	"archive/tar"
	"bytes"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// A walk writes the tree below a directory as a canonical archive, and counts.
type walk struct {
	out     *canonical
	latest  int64 // times after it are moved to it; 0: none are
	limits  Limits
	links   map[inode]string
	bytes   int64
	entries int
	buf     []byte
	clean   bool   // leave out what a publish does
	prefix  string // before every path
}

type inode struct{ dev, ino uint64 }

func newWalk(w io.Writer, latest int64, l Limits) *walk {
	return &walk{out: &canonical{w: w}, latest: latest, limits: l, links: map[inode]string{}, buf: make([]byte, 256<<10)}
}

// run writes the tree below root.
func (k *walk) run(root int) (entries int, bytes int64, err error) {
	fd, err := unix.Openat(root, ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return 0, 0, fmt.Errorf("open the root: %w", err)
	}
	if err := k.directory(fd, "."); err != nil {
		return 0, 0, err
	}
	return k.entries, k.bytes, k.out.end()
}

// directory writes the open directory fd, which it closes, and what is in it.
func (k *walk) directory(fd int, p string) error {
	f := os.NewFile(uintptr(fd), p)
	defer f.Close()
	r, _, err := k.describe(fd, p)
	if err != nil {
		return err
	}
	r.kind, r.size, r.path = tar.TypeDir, 0, r.path+"/"
	k.out.header(r)
	if p == "dev" {
		return k.out.err
	}
	names, err := f.Readdirnames(-1)
	if err != nil {
		return fmt.Errorf("read %s: %w", p, err)
	}
	slices.Sort(names)
	for _, name := range names {
		if err := k.entry(fd, name, path.Join(p, name)); err != nil {
			return err
		}
	}
	return k.out.err
}

func (k *walk) entry(dir int, name, p string) error {
	if k.entries++; k.entries > k.limits.Entries {
		return refuse("the tree holds more than %d entries", k.limits.Entries)
	}
	if strings.Count(p, "/") >= k.limits.Depth || len(p) > k.limits.Path {
		return refuse("the path %.80q... is longer or deeper than an image may have", p)
	}
	var st unix.Stat_t
	if err := unix.Fstatat(dir, name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return fmt.Errorf("stat %s: %w", p, err)
	}
	if k.clean && isLeftOut(p, kindOf(&st)) {
		return nil
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFDIR:
		fd, err := unix.Openat(dir, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		if err != nil {
			return fmt.Errorf("open %s: %w", p, err)
		}
		return k.directory(fd, p)
	case unix.S_IFREG:
		return k.file(dir, name, p)
	case unix.S_IFLNK:
		return k.symlink(dir, name, p, &st)
	case unix.S_IFIFO:
		r := k.record(p, &st)
		r.kind = tar.TypeFifo
		k.out.header(r)
		return k.out.err
	case unix.S_IFSOCK:
		return nil // means nothing without the process that made it
	}
	return refuse("%q is a device node outside /dev; an image may hold none", p)
}

func (k *walk) symlink(dir int, name, p string, st *unix.Stat_t) error {
	buf := make([]byte, 4097)
	n, err := unix.Readlinkat(dir, name, buf)
	if err != nil {
		return fmt.Errorf("readlink %s: %w", p, err)
	}
	r := k.record(p, st)
	r.kind, r.target = tar.TypeSymlink, string(buf[:n])
	k.out.header(r)
	return k.out.err
}

func (k *walk) file(dir int, name, p string) error {
	fd, err := unix.Openat(dir, name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open %s: %w", p, err)
	}
	f := os.NewFile(uintptr(fd), p)
	defer f.Close()
	r, st, err := k.describe(fd, p)
	if err != nil {
		return err
	}
	r.kind, r.size = tar.TypeReg, st.Size
	if st.Nlink > 1 {
		id := inode{uint64(st.Dev), st.Ino}
		if first, ok := k.links[id]; ok {
			r.kind, r.size, r.target, r.xattrs = tar.TypeLink, 0, first, nil
			k.out.header(r)
			return k.out.err
		}
		k.links[id] = r.path
	}
	if k.clean && p == blanked {
		r.size = 0
	}
	if k.bytes += r.size; k.bytes > k.limits.Bytes {
		return refuse("the files are more than %d bytes", k.limits.Bytes)
	}
	k.out.header(r)
	return k.body(f, r.size, p)
}

// kindOf is the kind of an entry in a tar, as far as cleaning asks for it.
func kindOf(st *unix.Stat_t) byte {
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFDIR:
		return tar.TypeDir
	case unix.S_IFREG:
		return tar.TypeReg
	}
	return tar.TypeSymlink
}

func (k *walk) body(f *os.File, size int64, p string) error {
	if k.out.err != nil {
		return k.out.err
	}
	n, err := io.CopyBuffer(struct{ io.Writer }{k.out.w},
		struct{ io.Reader }{io.LimitReader(f, size)}, k.buf)
	if err != nil {
		return fmt.Errorf("read %s: %w", p, err)
	}
	if n != size {
		return fmt.Errorf("read %s: it changed its size meanwhile", p)
	}
	k.out.pad(size)
	return k.out.err
}

// describe reads what an open file or directory says about itself.
func (k *walk) describe(fd int, p string) (record, *unix.Stat_t, error) {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return record{}, nil, fmt.Errorf("stat %s: %w", p, err)
	}
	r := k.record(p, &st)
	var err error
	r.xattrs, err = readXattrs(fd, p)
	return r, &st, err
}

func (k *walk) record(p string, st *unix.Stat_t) record {
	mtime := max(st.Mtim.Sec, 0)
	if k.latest > 0 {
		mtime = min(mtime, k.latest)
	}
	if k.prefix != "" {
		p = path.Join(k.prefix, p)
	}
	return record{path: p, mode: st.Mode & 0o7777, uid: st.Uid, gid: st.Gid, mtime: mtime}
}

// readXattrs returns the attributes an image keeps, sorted by name.
func readXattrs(fd int, p string) ([]xattr, error) {
	list := make([]byte, 64<<10)
	n, err := unix.Flistxattr(fd, list)
	if err == unix.EOPNOTSUPP {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list the attributes of %s: %w", p, err)
	}
	var kept []xattr
	for name := range bytes.SplitSeq(list[:n], []byte{0}) {
		s := string(name)
		if s != capability && !strings.HasPrefix(s, "user.") {
			continue
		}
		value := make([]byte, 64<<10)
		n, err := unix.Fgetxattr(fd, s, value)
		if err != nil {
			return nil, fmt.Errorf("read %s of %s: %w", s, p, err)
		}
		v := string(value[:n])
		if s == capability {
			if v, err = plainCapability(p, v); err != nil {
				return nil, fmt.Errorf("%w (%s)", err, hex.EncodeToString(value[:n]))
			}
		}
		kept = append(kept, xattr{s, v})
	}
	slices.SortFunc(kept, func(a, b xattr) int { return strings.Compare(a.Name, b.Name) })
	return kept, nil
}
