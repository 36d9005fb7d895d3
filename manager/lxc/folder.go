package lxc

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"lodge/inventory"
)

// Rename moves the folder of a stopped container that liblxc knew as oldLXCName to the name it has
// now, with its logs. Done twice it changes nothing.
func (r *Runtime) Rename(ctx context.Context, c *inventory.Container, oldLXCName string) error {
	if err := r.idle(ctx, c, "rename"); err != nil {
		return err
	}
	if oldLXCName != filepath.Base(oldLXCName) || oldLXCName == "." || oldLXCName == ".." {
		return inventory.Errorf(inventory.ErrInvalid, "rename %s: %q is no name", c.Name, oldLXCName)
	}
	from, to := filepath.Join(r.lxcpath, oldLXCName), r.dir(c)
	if _, err := os.Lstat(from); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if _, err := os.Lstat(to); err == nil {
		return inventory.Errorf(inventory.ErrExists, "rename %s: %s exists already", c.Name, to)
	}
	if err := os.Rename(from, to); err != nil {
		return inventory.Errorf(inventory.ErrUnavailable, "rename %s: %v", c.Name, err)
	}
	return r.repath(from, to)
}

// repath keeps the configuration readable for liblxc's own tools until the next start writes it
// anew.
func (r *Runtime) repath(from, to string) error {
	path := filepath.Join(to, "config")
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = writeFile(path, bytes.ReplaceAll(text, []byte(from+"/"), []byte(to+"/")))
	}
	if err != nil {
		return inventory.Errorf(inventory.ErrUnavailable, "rename %s: its configuration: %v",
			filepath.Base(to), err)
	}
	return nil
}

// Remove takes away all the runtime has of a stopped container: its folder with configuration and
// logs, what was noted of it, and leftover cgroups. One that is gone is no error.
func (r *Runtime) Remove(ctx context.Context, c *inventory.Container) error {
	if err := r.idle(ctx, c, "remove"); err != nil {
		return err
	}
	if err := errors.Join(removeFolder(r.dir(c)), removeFile(r.factsPath(c.ID))); err != nil {
		return inventory.Errorf(inventory.ErrUnavailable, "remove %s: %v", c.Name, err)
	}
	sweepOnce(leftovers(r.layout(), c.ID))
	r.dropRoot(c.ID)
	r.forgetDevices(c.ID)
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.cpus, c.ID)
	delete(r.reason, c.ID)
	return nil
}

// removeTries bounds how often a folder is emptied that somebody writes into.
const removeTries = 100

// removeFolder removes a folder with all in it, and what is put there meanwhile: the copy of the
// inventory beside the configuration is written a moment after an operation, whichever follows.
func removeFolder(dir string) (err error) {
	for range removeTries {
		if err = os.RemoveAll(dir); !errors.Is(err, unix.ENOTEMPTY) {
			break
		}
	}
	return err
}

func removeFile(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// idle waits for the clean-up after the last run and refuses while the container runs.
func (r *Runtime) idle(ctx context.Context, c *inventory.Container, verb string) error {
	r.mu.Lock()
	run := r.runs[c.ID]
	if run == nil {
		r.mu.Unlock()
		return nil
	}
	ended := run.phase == phaseFailed || isClosed(run.dead) && run.phase != phaseRebooting
	gone := run.gone
	r.mu.Unlock()
	if !ended {
		return inventory.Errorf(inventory.ErrState, "%s %s: it runs; stop it first", verb, c.Name)
	}
	select {
	case <-gone:
		return nil
	case <-ctx.Done():
		return inventory.Errorf(inventory.ErrBusy, "%s %s: its last run is still being cleaned up",
			verb, c.Name)
	}
}
