package audit

import (
	"errors"
	"syscall"

	"lodge/inventory"
)

// reserve is a file that only takes up room. When the disk is full it is given up, so that the records
// of what frees space still fit; everything else is refused until it could be made again.
type reserve struct {
	path string
	size int64 // 0: there is none
	held bool
}

const reserveName = "reserve"

// hold makes the file if it is missing, and reports whether there is one or none is wanted.
func (r *reserve) hold(d disk) bool {
	if r.size > 0 && !r.held {
		r.held = d.Reserve(r.path, r.size) == nil
	}
	return r.size == 0 || r.held
}

// release gives its room to who comes first; ok is false when it had none.
func (r *reserve) release(d disk) (ok bool) {
	if !r.held {
		return false
	}
	r.held = false
	return d.Remove(r.path) == nil
}

func isFull(err error) bool { return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) }

// divide separates the requests that may use the reserve.
func divide(batch []*request) (freeing, others []*request) {
	for _, q := range batch {
		if q.freeing {
			freeing = append(freeing, q)
		} else {
			others = append(others, q)
		}
	}
	return freeing, others
}

func errFull() error {
	return inventory.Errorf(inventory.ErrUnavailable,
		"the disk of the audit journal is full (%w); purge or delete something, or free space on the host", syscall.ENOSPC)
}
