package sudo

import (
	"bufio"
	"errors"
	"io"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"lodge/inventory"
)

const (
	// folderPath is where sudo reads files from in every distribution that has it.
	folderPath = "/etc/sudoers.d"
	passwdPath = "/etc/passwd"
	// passwdLimit and entryLimit bound what a container makes us read: bytes, and names.
	passwdLimit = 4 << 20
	entryLimit  = 1 << 16
	// tries is how often a path is looked up that somebody keeps moving (openat2(2), EAGAIN).
	tries = 20
)

// A folder is a container's /etc/sudoers.d. All in it is the container's doing and may change
// under us: names are looked up in the folder that was opened, and no link is followed.
type folder struct {
	container *inventory.Container
	root, dir int
}

// open opens the folder; ErrState where the container has none, which is to say no sudo.
func (s *Service) open(c *inventory.Container) (*folder, error) {
	rootfs := s.Rootfs(c)
	if rootfs == "" {
		return nil, inventory.Errorf(inventory.ErrUnavailable, "the root file system of %s is not there", c.Ref())
	}
	return openFolder(c, rootfs)
}

func openFolder(c *inventory.Container, rootfs string) (*folder, error) {
	root, err := unix.Open(rootfs, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, inventory.Errorf(inventory.ErrUnavailable, "the root file system of %s can't be opened: %v", c.Ref(), err)
	}
	f := &folder{container: c, root: root}
	if f.dir, err = beneath(root, folderPath, unix.O_RDONLY|unix.O_DIRECTORY); err != nil {
		unix.Close(root)
		return nil, f.explain(err)
	}
	return f, nil
}

func (f *folder) close() {
	unix.Close(f.dir)
	unix.Close(f.root)
}

// beneath opens a path below root that leads through no link and no other file system.
func beneath(root int, path string, flags uint64) (fd int, err error) {
	how := unix.OpenHow{Flags: flags | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS | unix.RESOLVE_NO_XDEV}
	for range tries {
		fd, err = unix.Openat2(root, strings.TrimPrefix(path, "/"), &how)
		if err != unix.EAGAIN && err != unix.EINTR {
			break
		}
	}
	return fd, err
}

func (f *folder) explain(err error) error {
	ref := f.container.Ref()
	switch {
	case errors.Is(err, unix.ENOENT):
		return noSudo(f.container)
	case errors.Is(err, unix.ELOOP), errors.Is(err, unix.ENOTDIR), errors.Is(err, unix.EXDEV):
		return inventory.Errorf(inventory.ErrState, "%s of %s is no plain folder, and no link is followed there", folderPath, ref)
	case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EDQUOT):
		return inventory.Errorf(inventory.ErrQuota, "the disk of %s is full", ref)
	case errors.Is(err, unix.EROFS):
		return inventory.Errorf(inventory.ErrState, "the root file system of %s is read-only", ref)
	}
	return inventory.Errorf(inventory.ErrUnavailable, "%s of %s: %v", folderPath, ref, err)
}

// check refuses an account that is not in the container's own list.
func (f *folder) check(account string) error {
	fd, err := beneath(f.root, passwdPath, unix.O_PATH)
	if err != nil {
		return f.noAccount(account)
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if unix.Fstat(fd, &st) != nil || st.Mode&unix.S_IFMT != unix.S_IFREG { // opening a fifo waits, a device acts
		return f.noAccount(account)
	}
	list, err := os.Open("/proc/self/fd/" + strconv.Itoa(fd))
	if err != nil {
		return f.noAccount(account)
	}
	defer list.Close()
	for lines := bufio.NewScanner(io.LimitReader(list, passwdLimit)); lines.Scan(); {
		if name, _, ok := strings.Cut(lines.Text(), ":"); ok && name == account {
			return nil
		}
	}
	return f.noAccount(account)
}

func (f *folder) noAccount(account string) error {
	return inventory.Errorf(inventory.ErrNotFound, "there is no account %s in %s; --account names one of those it has", account, f.container.Ref())
}

// put writes a new file that is root's and read by nobody else. What was there goes.
func (f *folder) put(name, text string) error {
	if err := f.remove(name); err != nil {
		return err
	}
	fd, err := unix.Openat(f.dir, name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return f.explain(err)
	}
	file := os.NewFile(uintptr(fd), name)
	defer file.Close()
	_, err = file.WriteString(text)
	for _, step := range []func() error{
		func() error { return unix.Fchown(fd, 0, 0) },
		func() error { return unix.Fchmod(fd, 0o440) },
		file.Sync, // or a crash could leave the name with no content
	} {
		if err == nil {
			err = step()
		}
	}
	if err != nil {
		return f.explain(err)
	}
	return nil
}

// rename gives a file that put has written the name sudo reads.
func (f *folder) rename(from, to string) error {
	if err := unix.Renameat(f.dir, from, f.dir, to); err != nil {
		return f.explain(err)
	}
	return nil
}

// remove takes a name away; one that isn't there is no error. Nor is a folder, which sudo does not read.
func (f *folder) remove(name string) error {
	err := unix.Unlinkat(f.dir, name, 0)
	if err == nil || errors.Is(err, unix.ENOENT) || errors.Is(err, unix.EISDIR) {
		return nil
	}
	return f.explain(err)
}

// files are the names in the folder that grants' files have.
func (f *folder) files() ([]string, error) {
	fd, err := unix.Openat(f.dir, ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, f.explain(err)
	}
	dir := os.NewFile(uintptr(fd), folderPath)
	defer dir.Close()
	all, err := dir.Readdirnames(entryLimit)
	if err != nil && err != io.EOF {
		return nil, f.explain(err)
	}
	var ours []string
	for _, name := range all {
		if inventory.IsSudoFile(name) {
			ours = append(ours, name)
		}
	}
	return ours, nil
}
