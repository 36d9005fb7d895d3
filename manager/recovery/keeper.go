package recovery

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"path/filepath"
	"time"

	"lodge/inventory"
)

const (
	settle     = 200 * time.Millisecond // how long the keeper waits after an event
	retryAfter = 30 * time.Second       // after it could not write
	// page is how many events are read at once.
	page = 500
)

// copier reads what is to be copied.
type copier interface {
	CopyHost(ctx context.Context) (inventory.Copy, error)
	CopyContainer(ctx context.Context, id inventory.ContainerID) (inventory.Copy, error)
	Container(ctx context.Context, ref inventory.Ref) (*inventory.Container, error)
	ContainersOnHost(ctx context.Context, host inventory.HostID) ([]*inventory.Container, error)
}

// outbox tells what changed.
type outbox interface {
	LastEvent(ctx context.Context) (int64, error)
	Events(ctx context.Context, after int64, limit int) ([]inventory.Event, error)
	Subscribe() (poked <-chan struct{}, stop func())
}

// Config is what a keeper is made of; all fields are required.
type Config struct {
	Root   string
	Host   inventory.HostID
	Store  copier
	Outbox outbox
	Log    *slog.Logger
}

// A Keeper keeps the copies of a root in step with the database.
type Keeper struct{ Config }

// New returns a keeper without side effects.
func New(cfg Config) *Keeper { return &Keeper{cfg} }

// Run keeps the copies until ctx ends, and returns when what had changed by then is written.
func (k *Keeper) Run(ctx context.Context) {
	poked, stop := k.Outbox.Subscribe()
	defer stop()
	work := context.WithoutCancel(ctx)
	seen, err := k.Outbox.LastEvent(work)
	if err == nil {
		err = k.all(work)
	}
	for {
		var again <-chan time.Time
		if err != nil {
			k.Log.Warn("copies for recovery are older than the database", "error", err)
			again = time.After(retryAfter)
		}
		select {
		case <-poked:
			pause(ctx)
			seen, err = k.follow(work, seen, err != nil)
		case <-again:
			seen, err = k.follow(work, seen, true)
		case <-ctx.Done():
			if _, err := k.follow(work, seen, err != nil); err != nil {
				k.Log.Warn("copies for recovery are older than the database", "error", err)
			}
			return
		}
	}
}

// pause lets a burst of operations on one container be one write.
func pause(ctx context.Context) {
	select {
	case <-time.After(settle):
	case <-ctx.Done():
	}
}

// all writes every copy that is older than the database.
func (k *Keeper) all(ctx context.Context) error {
	err := k.copyHost(ctx)
	all, listErr := k.Store.ContainersOnHost(ctx, k.Host)
	for _, c := range all {
		err = errors.Join(err, k.copyContainer(ctx, c.ID))
	}
	return errors.Join(err, listErr)
}

// follow copies what the events after seen are about, or everything after an earlier failure, and
// returns the number of the newest event.
func (k *Keeper) follow(ctx context.Context, seen int64, everything bool) (int64, error) {
	changed := map[inventory.ContainerID]bool{}
	host := false
	for more := true; more; {
		events, err := k.Outbox.Events(ctx, seen, page)
		if err != nil {
			return seen, err
		}
		for _, e := range events {
			seen = e.Seq
			switch {
			case e.Type == "host.updated" || e.Type == "operation.ended" && e.Container == "":
				host = true
			case e.Type == "operation.ended":
				changed[e.Container] = true
			}
		}
		more = len(events) == page
	}
	if everything {
		return seen, k.all(ctx)
	}
	var err error
	if host {
		err = k.copyHost(ctx)
	}
	for id := range changed {
		err = errors.Join(err, k.copyContainer(ctx, id))
	}
	return seen, err
}

func (k *Keeper) copyHost(ctx context.Context) error {
	copied, err := k.Store.CopyHost(ctx)
	if err != nil {
		return err
	}
	return write(filepath.Join(k.Root, hostFile), nil, copied)
}

// copyContainer writes one container's copy. One that is gone, or whose folder is not there yet or
// no more, has none.
func (k *Keeper) copyContainer(ctx context.Context, id inventory.ContainerID) error {
	c, err := k.Store.Container(ctx, inventory.Ref{Name: string(id)})
	if errors.Is(err, inventory.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	copied, err := k.Store.CopyContainer(ctx, id)
	if err != nil || copied.Tables == nil {
		return err
	}
	err = write(filepath.Join(k.Root, "containers", c.LXCName(), containerFile), c, copied)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
