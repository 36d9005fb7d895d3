package dir

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"golang.org/x/sys/unix"

	"lodge/inventory"
)

// fail makes the error of an action that a system call ended, with the kind the caller can act on.
// Errors that have a kind and those of contexts pass as they are.
func (p *Pool) fail(err error, format string, args ...any) error {
	action := fmt.Sprintf(format, args...)
	if _, ok := inventory.Kind(err); ok || errors.Is(err, context.Canceled) || errors.Is(err,
		context.DeadlineExceeded) {
		return fmt.Errorf("%s: %w", action, err)
	}
	kind, advice := explain(err, p.config.Name)
	if kind == nil {
		return fmt.Errorf("%s: %w", action, err)
	}
	return &failure{inventory.Errorf(kind, "%s: %s", action, advice), err}
}

// failure is an error for a person whose cause can still be asked for.
type failure struct{ shown, cause error }

func (f *failure) Error() string   { return f.shown.Error() }
func (f *failure) Unwrap() []error { return []error{f.shown, f.cause} }

func explain(err error, pool string) (kind error, advice string) {
	switch {
	case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EDQUOT):
		return inventory.ErrQuota, "pool " + pool + " has no room left; delete snapshots or containers, or make room on its file system"
	case errors.Is(err, unix.EROFS), errors.Is(err, unix.EIO), errors.Is(err,
		unix.ENODEV), errors.Is(err, unix.ENXIO):
		return inventory.ErrUnavailable, "the file system of pool " + pool + " failed (" + err.Error() + "); the kernel's log says why"
	case errors.Is(err, unix.EBUSY), errors.Is(err, unix.ETXTBSY):
		return inventory.ErrBusy, "it is in use; stop what uses it and try again"
	}
	return nil, ""
}

func isMissing(err error) bool { return errors.Is(err, fs.ErrNotExist) }

func (p *Pool) missing(action, id, snapshot string) error {
	if snapshot == "" {
		return inventory.Errorf(inventory.ErrNotFound, "%s: volume %s is not in pool %s", action,
			id, p.config.Name)
	}
	return inventory.Errorf(inventory.ErrNotFound, "%s: volume %s has no snapshot %s in pool %s",
		action, id, snapshot, p.config.Name)
}
