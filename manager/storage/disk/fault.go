package disk

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"golang.org/x/sys/unix"

	"lodge/inventory"
)

// A Fault turns what the kernel answered into an error for the person who uses a pool.
type Fault struct {
	Pool string // its name
	Room string // how the pool gets room besides deleting: "grow the pool"
}

// Fail makes the error of an action that a system call ended, with the kind the caller can act on.
// Errors that have a kind and those of contexts pass as they are. The cause can still be asked for.
func (f Fault) Fail(err error, format string, args ...any) error {
	action := fmt.Sprintf(format, args...)
	_, known := inventory.Kind(err)
	ended := errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
	kind, advice := f.explain(err)
	if known || ended || kind == nil {
		return fmt.Errorf("%s: %w", action, err)
	}
	return &failure{inventory.Errorf(kind, "%s: %s", action, advice), err}
}

// Missing is the error of an action on a volume, or on a snapshot of it, that the pool doesn't have.
func (f Fault) Missing(action, id, snapshot string) error {
	if snapshot == "" {
		return inventory.Errorf(inventory.ErrNotFound, "%s: volume %s is not in pool %s", action, id, f.Pool)
	}
	return inventory.Errorf(inventory.ErrNotFound, "%s: volume %s has no snapshot %s in pool %s",
		action, id, snapshot, f.Pool)
}

// IsMissing reports whether a name was not there.
func IsMissing(err error) bool { return errors.Is(err, fs.ErrNotExist) }

// IsThere reports whether a name was taken.
func IsThere(err error) bool { return errors.Is(err, fs.ErrExist) }

// failure is an error for a person whose cause can still be asked for.
type failure struct{ shown, cause error }

func (f *failure) Error() string   { return f.shown.Error() }
func (f *failure) Unwrap() []error { return []error{f.shown, f.cause} }

func (f Fault) explain(err error) (kind error, advice string) {
	switch {
	case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EDQUOT):
		return inventory.ErrQuota, "pool " + f.Pool + " has no room left; delete snapshots or containers, or " + f.Room
	case errors.Is(err, unix.EROFS), errors.Is(err, unix.EIO),
		errors.Is(err, unix.ENODEV), errors.Is(err, unix.ENXIO):
		return inventory.ErrUnavailable, "the file system of pool " + f.Pool + " failed (" + err.Error() + "); the kernel's log says why"
	case errors.Is(err, unix.EBUSY), errors.Is(err, unix.ETXTBSY):
		return inventory.ErrBusy, "it is in use; stop what uses it and try again"
	}
	return nil, ""
}
