package unpack

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// extract writes what standard input and the squashfs hold below the directory.
func (o *order) extract() (*Metadata, error) {
	x := &extraction{tree: newTree(dirFD), limits: o.Limits, buf: make([]byte, 256<<10)}
	defer x.tree.close()
	if err := x.begin(dirFD); err != nil {
		return nil, err
	}
	var in io.Reader = os.Stdin
	var m *Metadata
	if o.Metadata > 0 {
		var err error
		if m, err = readSplit(io.LimitReader(in, o.Metadata), o.Limits); err != nil {
			return nil, err
		}
	}
	var f *front
	var err error
	if s := o.Squash; s != nil {
		f, err = x.squash(os.NewFile(o.squashFD(), "squashfs"), *s)
	} else {
		f, err = x.tar(in)
	}
	if err != nil {
		return nil, err
	}
	if m == nil {
		m, err = f.metadata()
	} else if f.layout != LayoutRootfs {
		err = refuse("there are two archives with metadata; give one, or the metadata and then the files alone")
	}
	if err == nil && x.entries == 0 {
		err = refuse("the archive holds nothing")
	}
	if err != nil {
		return nil, err
	}
	return m, x.finishDirectories()
}

// begin makes the root what it is every time: the archive may leave it out, and other directories
// that entries lie below. They are root's, open to all, of 1970.
func (x *extraction) begin(root int) error {
	x.tree.made = x.implied
	x.implied(".")
	if err := unix.Fchmodat(root, ".", 0o755, 0); err != nil {
		return fmt.Errorf("chmod the root: %w", err)
	}
	return nil
}

// tar writes the entries of a tar.
func (x *extraction) tar(r io.Reader) (*front, error) {
	f := newFront(x.limits, x.add)
	return f, readTar(r, x.limits, f)
}

// squash writes the entries of a squashfs, which always is the files alone.
func (x *extraction) squash(file *os.File, s span) (*front, error) {
	fs, err := openSquashfs(io.NewSectionReader(file, s.From, s.Size), s.Size, x.limits)
	if err == nil {
		err = fs.walk(x.add)
	}
	if err != nil {
		return nil, broken(err)
	}
	return &front{layout: LayoutRootfs}, nil
}

// peek reads no further than it takes to know what container an export is of, and writes nothing.
func peek(r io.Reader, l Limits) (*Metadata, error) {
	f := newFront(l, func(*tar.Header, io.Reader) error { return nil })
	f.peek = true
	plain, err := decompress(r)
	if err != nil {
		return nil, err
	}
	if err := f.read(tar.NewReader(&meter{r: plain, limit: l.Stream})); err != nil {
		return nil, broken(err)
	}
	m := &Metadata{Layout: f.layout}
	if f.layout == LayoutBackup {
		err = f.instance(m)
	}
	return m, err
}

// readTar passes the entries of one whole tar, packed in any way, to f.
func readTar(r io.Reader, l Limits, f *front) error {
	plain, err := decompress(r)
	if err != nil {
		return err
	}
	m := &meter{r: plain, limit: l.Stream}
	if err := f.read(tar.NewReader(m)); err != nil {
		return broken(err)
	}
	if err := m.finish(); err != nil {
		return broken(err)
	}
	return nil
}

// readSplit reads the metadata archive of an image in two files.
func readSplit(r io.Reader, l Limits) (*Metadata, error) {
	f := newFront(l, func(h *tar.Header, _ io.Reader) error {
		return refuse("the first of two archives has to hold metadata.yaml and no files: it has %.80q", h.Name)
	})
	l.Stream = 64 << 20
	if err := readTar(r, l, f); err != nil {
		return nil, err
	}
	if f.layout != LayoutUnified {
		return nil, refuse("the first of two archives has to hold metadata.yaml")
	}
	f.layout = LayoutSplit
	m, err := f.metadata()
	if err == nil {
		_, err = io.Copy(io.Discard, r) // what a decoder has not asked for
	}
	return m, err
}

// broken turns what the decoders say about malformed input into a refusal. A failed system call
// of ours stays a failure.
func broken(err error) error {
	var errno unix.Errno
	if isRefusal(err) || errors.As(err, &errno) {
		return err
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return refuse("the archive is cut off")
	}
	return refuse("the archive is damaged or no tar: %v", err)
}

type extraction struct {
	tree    *tree
	limits  Limits
	entries int
	bytes   int64
	dirs    []directory
	buf     []byte
}

// A directory's time is set last, or the files in it would change it.
type directory struct {
	path string
	time time.Time
}

func (x *extraction) implied(p string) {
	x.dirs = append(x.dirs, directory{p, time.Unix(0, 0)})
}

func (x *extraction) add(h *tar.Header, body io.Reader) error {
	e, err := inspect(h, x.limits)
	if err != nil || e == nil {
		return err
	}
	x.entries++
	if x.entries > x.limits.Entries {
		return refuse("the archive holds more than %d entries", x.limits.Entries)
	}
	if e.Path == "." {
		return x.directory(x.tree.root, ".", e, h.ModTime)
	}
	dir, name, err := x.tree.parent(e.Path)
	if err != nil {
		return err
	}
	switch e.Type {
	case tar.TypeDir:
		return x.directory(dir, name, e, h.ModTime)
	case tar.TypeReg:
		return x.file(dir, name, e, h.ModTime, body)
	case tar.TypeLink:
		return x.hardLink(dir, name, e)
	}
	return x.special(dir, name, e, h.ModTime)
}

func (x *extraction) directory(dir int, name string, e *entry, t time.Time) error {
	if name != "." {
		err := unix.Mkdirat(dir, name, 0o700)
		if err != nil && !errors.Is(err, unix.EEXIST) {
			return fmt.Errorf("make %s: %w", e.Path, err)
		}
	}
	fd, err := unix.Openat(dir, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ELOOP) {
		return refuse("%q is a directory and something else in the same archive", e.Path)
	}
	if err != nil {
		return fmt.Errorf("open %s: %w", e.Path, err)
	}
	f := os.NewFile(uintptr(fd), e.Path)
	defer f.Close()
	x.dirs = append(x.dirs, directory{e.Path, t})
	return dress(f, e)
}

func (x *extraction) file(dir int, name string, e *entry, t time.Time, body io.Reader) error {
	if x.bytes += e.Size; x.bytes > x.limits.Bytes {
		return refuse("the files of the archive are more than %d bytes", x.limits.Bytes)
	}
	f, err := createFile(dir, name)
	if errors.Is(err, unix.EEXIST) {
		if err = makeWay(dir, name, e.Path); err == nil {
			f, err = createFile(dir, name)
		}
	}
	if err != nil {
		return err
	}
	defer f.Close()
	if err := x.fill(f, body, e.Size); err != nil {
		return err
	}
	if err := dress(f, e); err != nil {
		return err
	}
	return setTime(int(f.Fd()), "", t)
}

// fill copies the body, leaving holes where it is zero: a sparse file's holes come out of
// archive/tar as zeros.
func (x *extraction) fill(f *os.File, body io.Reader, size int64) error {
	holes, got := false, int64(0)
	for {
		n, err := io.ReadFull(body, x.buf)
		got += int64(n)
		chunk := x.buf[:n]
		if n == len(x.buf) && len(bytes.TrimLeft(chunk, "\x00")) == 0 {
			holes = true
			if _, err := f.Seek(int64(n), io.SeekCurrent); err != nil {
				return err
			}
		} else if _, err := f.Write(chunk); err != nil {
			return full(err)
		}
		if errors.Is(err, io.EOF) || n < len(x.buf) && errors.Is(err, io.ErrUnexpectedEOF) {
			break
		}
		if err != nil {
			return err
		}
	}
	if got != size {
		return io.ErrUnexpectedEOF
	}
	if holes {
		return full(f.Truncate(size))
	}
	return nil
}

// diskFull begins the answer of a child that found no room.
const diskFull = "the disk is full"

func full(err error) error {
	if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) {
		return fmt.Errorf(diskFull+": %w", err)
	}
	return err
}

// dress gives an open file its owner, bits and attributes, in this order: chown(2) clears setuid
// bits and file capabilities.
func dress(f *os.File, e *entry) error {
	fd := int(f.Fd())
	if err := unix.Fchown(fd, e.UID, e.GID); err != nil {
		return fmt.Errorf("chown %s: %w", e.Path, err)
	}
	if err := unix.Fchmod(fd, e.Mode); err != nil {
		return fmt.Errorf("chmod %s: %w", e.Path, err)
	}
	for _, a := range e.Xattrs {
		if err := unix.Fsetxattr(fd, a.Name, []byte(a.Value), 0); err != nil {
			return fmt.Errorf("set %s of %s: %w", a.Name, e.Path, err)
		}
	}
	return nil
}

func (x *extraction) hardLink(dir int, name string, e *entry) error {
	from, err := x.tree.open(e.Target, unix.O_PATH|unix.O_NOFOLLOW)
	if err != nil {
		return refuse("the hard link %q points to %q, which is no file of the archive before it",
			e.Path, e.Target)
	}
	defer unix.Close(from)
	var st unix.Stat_t
	if err := unix.Fstat(from, &st); err != nil || st.Mode&unix.S_IFMT == unix.S_IFDIR {
		return refuse("the hard link %q points to the directory %q", e.Path, e.Target)
	}
	if e.Path == e.Target {
		return nil
	}
	if err := makeWay(dir, name, e.Path); err != nil {
		return err
	}
	// By name, not by descriptor: AT_EMPTY_PATH wants a capability of the initial namespace. The
	// parent is opened beneath the root without links and nothing else runs here.
	source := newTree(x.tree.root)
	defer source.close()
	sourceDir, sourceName, err := source.parent(e.Target)
	if err != nil {
		return err
	}
	err = unix.Linkat(sourceDir, sourceName, dir, name, 0)
	if errors.Is(err, unix.EMLINK) {
		return refuse("%q has more hard links than the file system can hold", e.Target)
	}
	return err
}

func (x *extraction) special(dir int, name string, e *entry, t time.Time) error {
	if err := makeWay(dir, name, e.Path); err != nil {
		return err
	}
	var err error
	if e.Type == tar.TypeSymlink {
		err = unix.Symlinkat(e.Target, dir, name)
	} else {
		err = unix.Mknodat(dir, name, unix.S_IFIFO|0o600, 0)
	}
	if err != nil {
		return fmt.Errorf("make %s: %w", e.Path, err)
	}
	if err := unix.Fchownat(dir, name, e.UID, e.GID, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return fmt.Errorf("chown %s: %w", e.Path, err)
	}
	if e.Type == tar.TypeFifo {
		if err := unix.Fchmodat(dir, name, e.Mode, 0); err != nil {
			return fmt.Errorf("chmod %s: %w", e.Path, err)
		}
	}
	return setTime(dir, name, t)
}

func (x *extraction) finishDirectories() error {
	for _, d := range x.dirs {
		fd, err := x.tree.open(d.path, unix.O_RDONLY|unix.O_DIRECTORY)
		if err != nil {
			return fmt.Errorf("open %s: %w", d.path, err)
		}
		err = setTime(fd, "", d.time)
		unix.Close(fd)
		if err != nil {
			return err
		}
	}
	return nil
}

// setTime sets the time of name in dir, or of dir itself when name is empty. Times outside what
// file systems hold (ext4: to 2446) are moved to the nearest.
func setTime(dir int, name string, t time.Time) error {
	s := min(max(t.Unix(), 0), 1<<33)
	times := []unix.Timespec{{Nsec: unix.UTIME_OMIT}, {Sec: s}}
	flags := unix.AT_SYMLINK_NOFOLLOW
	if name == "" {
		return futimens(dir, times)
	}
	if err := unix.UtimesNanoAt(dir, name, times, flags); err != nil {
		return fmt.Errorf("set the time of %s: %w", strings.ToValidUTF8(name, "?"), err)
	}
	return nil
}
