package tree

import (
	"context"

	"golang.org/x/sys/unix"
)

// A Size is what a tree takes: bytes of storage, and how many files and folders it has.
type Size struct{ Bytes, Files int64 }

// Measure adds up what is allocated below a folder; a file with several names counts once. Extents
// shared with other files count too.
func Measure(ctx context.Context, folder string) (Size, error) {
	fd, err := openFolder(unix.AT_FDCWD, folder)
	if err != nil {
		return Size{}, err
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return Size{}, err
	}
	m := &measure{ctx: ctx, device: st.Dev, seen: map[uint64]bool{}}
	m.size = Size{st.Blocks * 512, 1}
	err = m.folder(fd, 0)
	return m.size, err
}

type measure struct {
	ctx    context.Context
	device uint64
	seen   map[uint64]bool
	size   Size
}

func (m *measure) folder(fd, depth int) error {
	entries, err := names(fd)
	if err != nil {
		return err
	}
	for _, name := range entries {
		if err := m.ctx.Err(); err != nil {
			return err
		}
		var st unix.Stat_t
		if err := unix.Fstatat(fd, name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
			continue // a container that runs removed it meanwhile
		}
		if st.Dev != m.device {
			continue
		}
		isFolder := st.Mode&unix.S_IFMT == unix.S_IFDIR
		if st.Nlink > 1 && !isFolder {
			if m.seen[st.Ino] {
				continue
			}
			m.seen[st.Ino] = true
		}
		m.size.Bytes += st.Blocks * 512
		m.size.Files++
		if !isFolder || depth >= deepest {
			continue
		}
		sub, err := openFolder(fd, name)
		if err != nil {
			continue
		}
		err = m.folder(sub, depth+1)
		unix.Close(sub)
		if err != nil {
			return err
		}
	}
	return nil
}
