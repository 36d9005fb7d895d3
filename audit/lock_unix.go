//go:build unix

package audit

import (
	"os"
	"syscall"

	"lodge/inventory"
)

// lock takes the journal for this process. The kernel gives it back when the process dies, however
// it dies, so there is never a stale lock.
func lock(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		return nil, inventory.Errorf(inventory.ErrBusy,
			"the audit journal is in use by another process; stop the agent that holds %s", path)
	}
	return f, nil
}

func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
