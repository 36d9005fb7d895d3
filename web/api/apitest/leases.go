package apitest

import (
	"context"
	"time"

	"lodge/inventory"
	"lodge/manager/gate"
)

// LeaseWarnings are none: nothing ends here.
func (w reads) LeaseWarnings(context.Context, inventory.ContainerID) ([]inventory.LeaseWarning, error) {
	return nil, nil
}

// lend are the verbs of leases; ok is false for any other. A duration counts from now.
func (w *World) lend(r *gate.Request) (change func(), ok bool, err error) {
	c := r.Container
	var run, keep time.Time
	switch r.Verb {
	case "lease.set", "lease.extend":
		args, err := decode[inventory.LeaseArgs](r)
		if err != nil {
			return nil, true, err
		}
		run, keep = c.RunUntil, c.ExpiresAt
		for text, end := range map[string]*time.Time{args.RunUntil: &run, args.KeepUntil: &keep} {
			if text == "" {
				continue
			}
			if *end, err = inventory.ParseUntil(text, time.Now(), time.Now()); err != nil {
				return nil, true, err
			}
		}
	case "lease.clear":
	default:
		return nil, false, nil
	}
	return func() { w.touch(c, r, func() { c.RunUntil, c.ExpiresAt = run, keep }) }, true, nil
}
