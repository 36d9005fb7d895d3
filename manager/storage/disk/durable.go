package disk

import (
	"os"
	"os/exec"
	"path/filepath"

	"lodge/inventory"
)

// WriteDurable replaces a file so that after a crash it is the old or the new one, whole.
func WriteDurable(name string, content []byte) error {
	f, err := os.OpenFile(name+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err == nil {
		err = f.Sync()
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(name+".new", name)
	}
	if err != nil {
		return err
	}
	return SyncFolder(filepath.Dir(name))
}

// FindProgram looks where administrators' programs are, also when PATH lacks those folders.
func FindProgram(name, pkg string) (string, error) {
	if found, err := exec.LookPath(name); err == nil {
		return found, nil
	}
	for _, folder := range []string{"/usr/sbin", "/sbin"} {
		if found, err := exec.LookPath(filepath.Join(folder, name)); err == nil {
			return found, nil
		}
	}
	return "", inventory.Errorf(inventory.ErrUnavailable,
		"%s is not installed; install the package %s", name, pkg)
}

// SyncFolder makes the names in a folder durable.
func SyncFolder(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}
