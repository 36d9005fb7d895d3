package pool

import (
	"context"
	"errors"

	"lodge/inventory"
	"lodge/manager/gate"
)

// create makes the pool and its row. A pool an earlier try has made is taken as it is.
func (s *Service) create(ctx context.Context, r *gate.Run) error {
	var args inventory.PoolArgs
	if err := r.Decode(&args); err != nil {
		return err
	}
	if _, err := s.row(args.Name); r.Resumed && err == nil {
		return nil
	}
	row, err := s.newRow(args)
	if err != nil {
		return err
	}
	s.opening.Lock()
	defer s.opening.Unlock()
	return s.make(ctx, row)
}

// uncreate removes the row, and the pool if it is there and nothing is in it: a folder that was
// refused because it holds something else is left alone.
func (s *Service) uncreate(ctx context.Context, r *gate.Run) error {
	var args inventory.PoolArgs
	if err := r.Decode(&args); err != nil {
		return err
	}
	row := inventory.Pool{Name: args.Name, HostID: s.Host, Driver: args.Driver, Source: args.Source}
	if err := s.Store.DeletePool(ctx, row.Name); err != nil {
		return err
	}
	backend := s.takeOut(row.Name)
	if backend == nil {
		var err error
		if backend, err = s.open(ctx, row, false); err != nil {
			return nil // it never was
		}
	}
	list, err := backend.List(ctx)
	if err != nil || len(list.Volumes)+len(list.Snapshots)+len(list.Images) > 0 {
		return errors.Join(err, backend.Close())
	}
	return backend.Destroy(ctx)
}

// takeOut forgets a pool and returns its backend; nil if it has none.
func (s *Service) takeOut(name string) Backend {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.pools[name]
	delete(s.pools, name)
	if e == nil {
		return nil
	}
	return e.backend
}

// keepImages copies the images that are in this pool alone into the default one.
func (s *Service) keepImages(ctx context.Context, r *gate.Run) error {
	row, err := s.ref(r)
	if errors.Is(err, inventory.ErrNotFound) && r.Resumed || err == nil && s.Lost(row.Name) != nil {
		return nil
	}
	if err != nil {
		return err
	}
	if err := s.checkEmpty(ctx, row.Name); err != nil { // somebody may have come since the plan
		return err
	}
	if err := r.Save("row", row); err != nil {
		return err
	}
	list, err := s.Pool(row.Name).List(ctx)
	if err != nil {
		return err
	}
	home, ok := s.Pool(s.Default()).(held)
	if !ok {
		return s.Lost(s.Default())
	}
	for i, digest := range list.Images {
		r.Progress(100*i/len(list.Images), "keeping image %s", digest)
		if has, err := home.HasImage(ctx, digest); err != nil {
			return err
		} else if has {
			continue
		}
		if err := s.fetch(ctx, home, digest); err != nil {
			return err
		}
	}
	return nil
}

// deleteRow is the point of no return: no container can come onto the pool any more.
func (s *Service) deleteRow(ctx context.Context, r *gate.Run) error {
	return s.Store.DeletePool(ctx, r.Operation.Name)
}

// deleteData removes the pool's files. Those of a lost pool stay.
func (s *Service) deleteData(ctx context.Context, r *gate.Run) error {
	s.opening.Lock()
	defer s.opening.Unlock()
	backend := s.takeOut(r.Operation.Name)
	var row inventory.Pool
	if backend == nil && r.Load("row", &row) {
		backend, _ = s.open(ctx, row, false) // gone already, or lost meanwhile
	}
	if backend == nil {
		return nil
	}
	return backend.Destroy(ctx)
}

func (s *Service) setDefault(ctx context.Context, r *gate.Run) error {
	row, err := s.ref(r)
	if err != nil {
		return err
	}
	if err := r.Save("before", s.Default()); err != nil {
		return err
	}
	if err := s.Store.SetDefaultPool(ctx, row.Name); err != nil {
		return err
	}
	return s.refresh(ctx)
}

func (s *Service) setDefaultBack(ctx context.Context, r *gate.Run) error {
	var before string
	if !r.Load("before", &before) {
		return nil
	}
	return errors.Join(s.Store.SetDefaultPool(ctx, before), s.refresh(ctx))
}

// Scrubbed is what pool.scrub returns.
type Scrubbed struct {
	Pool   string `json:"pool"`
	Errors int64  `json:"errors"`
}

// scrub reads everything. Errors it can't repair are what it is for, so they fail the operation.
func (s *Service) scrub(ctx context.Context, r *gate.Run) error {
	row, err := s.ref(r)
	if err != nil {
		return err
	}
	scrubber, err := s.scrubber(row.Name)
	if err != nil {
		return err
	}
	bad, err := scrubber.Scrub(ctx, func(percent int) { r.Progress(percent, "reading pool %s", row.Name) })
	if err != nil {
		return err
	}
	row.ScrubbedAt, row.ScrubErrors = s.Now().UTC(), bad
	if err := errors.Join(s.Store.SavePoolScrub(ctx, row), s.refresh(ctx), r.Result(Scrubbed{row.Name, bad})); err != nil {
		return err
	}
	if bad > 0 {
		return inventory.Errorf(inventory.ErrState,
			"pool %s has %d errors that can't be repaired; the kernel's log names the files: restore them, and check the disk", row.Name, bad)
	}
	return nil
}
