package liblxc

import (
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"lodge/inventory"
)

// A tree is a container's root file system. All that is in it is the container's doing, and may
// change under us: every path is resolved by the kernel within the root, in one call, and what a
// descriptor turned out to be is judged before anything is opened for its content.
type tree struct {
	root        int // O_PATH
	descriptors int // /proc/self/fd of the host
}

// maxEntries bounds a listing.
const maxEntries = 10_000

// open resolves name within the tree. EAGAIN means that something moved meanwhile (openat2(2)); a
// container that keeps moving things gets its error.
func (t tree) open(name string, flags uint64) (fd int, err error) {
	how := unix.OpenHow{Flags: flags | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS}
	for range 20 {
		fd, err = unix.Openat2(t.root, name, &how)
		if err != unix.EAGAIN && err != unix.EINTR {
			break
		}
	}
	return fd, err
}

// content opens what fd, an O_PATH descriptor, stands for. The caller has seen that it is a regular
// file: opening a fifo blocks, and opening a device acts.
func (t tree) content(fd int) (*os.File, error) {
	n, err := unix.Openat(t.descriptors, strconv.Itoa(fd), unix.O_RDONLY|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(n), "content"), nil
}

// parent opens the folder name lies in and returns the last part of name.
func (t tree) parent(name string) (fd int, base string, err error) {
	dir, base := path.Split(path.Clean(name))
	if base == "" {
		return -1, "", inventory.Errorf(inventory.ErrInvalid, "the root itself can't be changed")
	}
	fd, err = t.open(dir, unix.O_PATH|unix.O_DIRECTORY)
	return fd, base, err
}

func (t tree) read(r inventory.FileArgs, w io.Writer) error {
	fd, err := t.open(r.Path, unix.O_PATH)
	if err != nil {
		return refusal(r.Path, err)
	}
	info, err := describe(fd, "", path.Base(r.Path))
	if err != nil {
		return refusal(r.Path, err)
	}
	if info.Type != "file" {
		return inventory.Errorf(inventory.ErrInvalid, "%s is a %s; only regular files can be read",
			r.Path, kindOf(info.Type))
	}
	f, err := t.content(fd)
	if err != nil {
		return refusal(r.Path, err)
	}
	defer f.Close()
	if err := answer(w, info); err != nil {
		return err
	}
	_, err = io.Copy(w, f)
	return err
}

func kindOf(t string) string {
	switch t {
	case "directory":
		return "folder"
	case "other":
		return "device, fifo or socket"
	}
	return t
}

func (t tree) list(r inventory.FileArgs, w io.Writer) error {
	fd, err := t.open(r.Path, unix.O_RDONLY|unix.O_DIRECTORY)
	if err == unix.ENOTDIR {
		return t.stat(r, w)
	}
	if err != nil {
		return refusal(r.Path, err)
	}
	dir := os.NewFile(uintptr(fd), "folder")
	defer dir.Close()
	names, err := dir.Readdirnames(maxEntries + 1)
	if err != nil && err != io.EOF {
		return refusal(r.Path, err)
	}
	if len(names) > maxEntries {
		return inventory.Errorf(inventory.ErrInvalid,
			"%s has more than %d entries; list them with: lodge exec NAME -- ls", r.Path, maxEntries)
	}
	slices.Sort(names)
	files := make([]inventory.FileInfo, 0, len(names))
	for _, name := range names {
		if info, err := describe(fd, name, name); err == nil { // else it is gone by now
			files = append(files, info)
		}
	}
	return answer(w, files...)
}

func (t tree) stat(r inventory.FileArgs, w io.Writer) error {
	parent, base, err := t.parent(r.Path)
	if err != nil {
		return refusal(r.Path, err)
	}
	info, err := describe(parent, base, base)
	if err != nil {
		return refusal(r.Path, err)
	}
	return answer(w, info)
}

func (t tree) remove(r inventory.FileArgs, w io.Writer) error {
	parent, base, err := t.parent(r.Path)
	if err != nil {
		return refusal(r.Path, err)
	}
	info, err := describe(parent, base, base)
	if err != nil {
		return refusal(r.Path, err)
	}
	flags := 0
	if info.Type == "directory" {
		if !r.Directory {
			return inventory.Errorf(inventory.ErrInvalid, "%s is a folder; say so to remove it", r.Path)
		}
		flags = unix.AT_REMOVEDIR
	}
	if err := unix.Unlinkat(parent, base, flags); err != nil {
		return refusal(r.Path, err)
	}
	return answer(w, info)
}

// describe returns what name in the folder dir is, not following a last link; with an empty name
// dir itself.
func describe(dir int, name, as string) (inventory.FileInfo, error) {
	var st unix.Stat_t
	if err := unix.Fstatat(dir, name, &st,
		unix.AT_SYMLINK_NOFOLLOW|unix.AT_EMPTY_PATH|unix.AT_NO_AUTOMOUNT); err != nil {
		return inventory.FileInfo{}, err
	}
	info := inventory.FileInfo{Name: as, Mode: fmt.Sprintf("%04o", st.Mode&0o7777),
		UID: int(st.Uid), GID: int(st.Gid),
		Size: st.Size, ModTime: time.Unix(st.Mtim.Unix()).UTC()}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFREG:
		info.Type = "file"
	case unix.S_IFDIR:
		info.Type = "directory"
	case unix.S_IFLNK:
		info.Type = "link"
		info.Target = target(dir, name)
	default:
		info.Type = "other"
	}
	return info, nil
}

func target(dir int, name string) string {
	buf := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(dir, name, buf)
	if err != nil {
		return ""
	}
	return strings.ToValidUTF8(string(buf[:n]), "\uFFFD")
}
