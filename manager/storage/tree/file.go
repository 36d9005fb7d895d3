package tree

import (
	"errors"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// regular copies a file. It is opened before it is looked at, so what is copied is what was seen.
func (j *job) regular(src, dst int, name string) error {
	from, err := retry(func() (int, error) { return unix.Openat(src, name, openAny, 0) })
	if err != nil {
		return err
	}
	defer unix.Close(from)
	var st unix.Stat_t
	if err := unix.Fstat(from, &st); err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return errors.New("it is no file any more")
	}
	to, err := retry(func() (int, error) {
		return unix.Openat(dst, name, unix.O_RDWR|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	})
	if err != nil {
		return err
	}
	defer unix.Close(to)
	if err := j.contents(from, to, &st); err != nil {
		return err
	}
	return j.attributes(from, to, &st)
}

// contents shares the extents where the file system can, else copies what is not a hole.
func (j *job) contents(from, to int, st *unix.Stat_t) error {
	if st.Size == 0 {
		return nil
	}
	if !j.Plain.Load() {
		err := unix.IoctlFileClone(to, from)
		if err == nil {
			j.Shared.Add(1)
			return nil
		}
		if !cannotShare(err) {
			return err
		}
		// A file may refuse by itself (EINVAL: it is compressed inline, or not to be copied on
		// write); the others say it for the file systems.
		if !errors.Is(err, unix.EINVAL) {
			j.Plain.Store(true)
		}
	}
	return copySparse(from, to, st, j.buffer)
}

// cannotShare tells errors of FICLONE that mean "copy it" from those that mean "it failed".
func cannotShare(err error) bool {
	for _, e := range []error{unix.EOPNOTSUPP, unix.EXDEV, unix.EINVAL, unix.ENOTTY, unix.ENOSYS, unix.EPERM, unix.ETXTBSY} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// copySparse copies the data of a file and leaves its holes.
func copySparse(from, to int, st *unix.Stat_t, buffer []byte) error {
	if st.Size <= int64(len(buffer)) && st.Blocks*512 >= st.Size {
		return copyRange(from, to, 0, st.Size, buffer)
	}
	if err := unix.Ftruncate(to, st.Size); err != nil {
		return err
	}
	for at := int64(0); at < st.Size; {
		start, err := unix.Seek(from, at, unix.SEEK_DATA)
		if errors.Is(err, unix.ENXIO) { // nothing but a hole is left
			return nil
		}
		if err != nil {
			return err
		}
		end, err := unix.Seek(from, start, unix.SEEK_HOLE)
		if err != nil {
			return err
		}
		end = min(end, st.Size)
		if err := copyRange(from, to, start, end, buffer); err != nil {
			return err
		}
		at = max(end, at+1)
	}
	return nil
}

// copyRange copies bytes from start to end. Large ones stay inside the kernel where that is possible.
func copyRange(from, to int, start, end int64, buffer []byte) error {
	for end-start > int64(len(buffer)) {
		in, out := start, start
		n, err := unix.CopyFileRange(from, &in, to, &out, int(min(end-start, 1<<30)), 0)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil || n == 0 {
			if isReal(err) {
				return err
			}
			break
		}
		start += int64(n)
	}
	for start < end {
		n, err := retry(func() (int, error) {
			return unix.Pread(from, buffer[:min(end-start, int64(len(buffer)))], start)
		})
		if err != nil {
			return err
		}
		if n == 0 { // it became shorter
			return nil
		}
		if err := writeAll(to, buffer[:n], start); err != nil {
			return err
		}
		start += int64(n)
	}
	return nil
}

// isReal tells failures from "not between these two".
func isReal(err error) bool {
	return errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) || errors.Is(err, unix.EIO)
}

func writeAll(to int, data []byte, at int64) error {
	for len(data) > 0 {
		n, err := retry(func() (int, error) { return unix.Pwrite(to, data, at) })
		if err != nil {
			return err
		}
		if n == 0 {
			return io.ErrShortWrite
		}
		data, at = data[n:], at+int64(n)
	}
	return nil
}

// CopyFile makes to, which doesn't exist, a copy of one large file, sharing its extents where the
// file system can. Holes stay holes.
func (c *Copier) CopyFile(from, to string) (err error) {
	src, err := os.OpenFile(from, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer src.Close()
	dst, err := os.OpenFile(to, os.O_RDWR|os.O_CREATE|os.O_EXCL|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return err
	}
	defer dst.Close()
	var st unix.Stat_t
	if err := unix.Fstat(int(src.Fd()), &st); err != nil {
		return err
	}
	j := job{Copier: c, buffer: make([]byte, 1<<20)}
	if err := j.contents(int(src.Fd()), int(dst.Fd()), &st); err != nil {
		return &os.PathError{Op: "copy", Path: from, Err: err}
	}
	return nil
}
