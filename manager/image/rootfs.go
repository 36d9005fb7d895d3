package image

import (
	"fmt"
	"os"
	"path"
	"syscall"
)

// A rootfsWriter writes files as root of a container into its root file system, which is a
// stranger's: os.Root keeps every path in it, and each file is made new, so that neither a link
// nor a FIFO nor another name of the same file is ever written through.
type rootfsWriter struct{ *os.Root }

const nonblock = syscall.O_NONBLOCK

func openRootfs(dir string) (*rootfsWriter, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("open the root file system: %w", err)
	}
	return &rootfsWriter{root}, nil
}

// write makes name hold text, owned by root, in place of whatever was there.
func (w *rootfsWriter) write(name, text string, mode os.FileMode) error {
	if err := w.directory(path.Dir(name), 0o755); err != nil {
		return err
	}
	if err := w.clear(name); err != nil {
		return err
	}
	f, err := w.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	if err == nil {
		err = f.Chmod(mode) // the umask has no say
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return err
}

// link makes name a symbolic link. The target is for the container, which alone resolves it.
func (w *rootfsWriter) link(target, name string) error {
	if err := w.clear(name); err != nil {
		return err
	}
	return w.Symlink(target, name)
}

// clear removes what is there under name, even a directory.
func (w *rootfsWriter) clear(name string) error {
	if err := w.Remove(name); err == nil || missing(err) {
		return nil
	}
	return w.RemoveAll(name)
}

// directory makes the directory and those above it, if they are missing. One that is there keeps
// its mode; a file, or a link that leads to no directory inside, is replaced.
func (w *rootfsWriter) directory(name string, mode os.FileMode) error {
	if info, err := w.Stat(name); err == nil && info.IsDir() {
		return nil
	}
	if parent := path.Dir(name); parent != "." {
		if err := w.directory(parent, 0o755); err != nil {
			return err
		}
	}
	if err := w.clear(name); err != nil {
		return err
	}
	if err := w.Mkdir(name, 0o700); err != nil {
		return err
	}
	return w.Chmod(name, mode)
}
