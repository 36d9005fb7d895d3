package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"time"

	"lodge/inventory"
	"lodge/inventory/store"
	"lodge/manager/recovery"
)

// recoverMain rebuilds a lost or damaged database from the copies that lie beside the data, and
// says what it did and could not. It runs instead of the agent.
//
// With --journal it does nothing but set aside an audit journal that can't be gone on with.
func recoverMain(args []string) int {
	journal := slices.Contains(args, "--journal")
	args = slices.DeleteFunc(slices.Clone(args), func(arg string) bool { return arg == "--journal" })
	return withConfig(args, func(ctx context.Context, cfg Config, log *slog.Logger) error {
		a := &Agent{Config: cfg, log: log, now: time.Now}
		defer a.Close()
		if err := a.openRoot(ctx); err != nil {
			return err
		}
		if journal {
			return a.setJournalAside(os.Stdout)
		}
		return a.recover(ctx, os.Stdout)
	})
}

func (a *Agent) recover(ctx context.Context, out io.Writer) error {
	found, err := recovery.Read(a.Root)
	if err != nil {
		return err
	}
	if len(found.Containers) == 0 && len(found.Host.Tables) == 0 {
		return inventory.Errorf(inventory.ErrNotFound,
			"there is nothing to recover from below %s: no container.yaml and no host.yaml", a.Root)
	}
	cfg := store.Config{Path: a.database(), Log: a.log, Now: a.now}
	if err := a.setAside(ctx, cfg, out); err != nil {
		return err
	}
	// What the journal says of the lost database is history: checkpoints of the old one that left
	// the host stay right, and the new one names it.
	if err := a.setJournalAside(out); err != nil {
		return err
	}
	refused, err := store.Rebuild(ctx, cfg, found.Host, found.Containers)
	if err != nil {
		return err
	}
	if err := a.openStore(ctx); err != nil {
		return err
	}
	if err := a.tellRecovered(ctx, out, found, refused); err != nil {
		return err
	}
	return a.journalRecovery(ctx, len(found.Containers)-len(refused))
}

func (a *Agent) database() string { return filepath.Join(a.Root, "lodge.db") }

// setAside moves a database that is damaged or empty out of the way; nothing is deleted. One that
// works is left where it is: there is nothing to recover.
func (a *Agent) setAside(ctx context.Context, cfg store.Config, out io.Writer) error {
	if _, err := os.Stat(cfg.Path); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	n, err := countContainers(ctx, cfg)
	switch {
	case err != nil && !store.IsDamaged(err):
		return err
	case n > 0:
		return inventory.Errorf(inventory.ErrState,
			"%s works and has %d containers, so there is nothing to recover; move it away if it is the wrong one",
			cfg.Path, n)
	}
	aside := cfg.Path + ".before-recovery-" + a.now().UTC().Format("20060102-150405")
	for _, suffix := range []string{"-wal", "-shm", ""} {
		if err := os.Rename(cfg.Path+suffix, aside+suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	fmt.Fprintf(out, "the old database is kept as %s\n", aside)
	return nil
}

// countContainers opens the database and closes it again.
func countContainers(ctx context.Context, cfg store.Config) (int, error) {
	s, err := store.Open(ctx, cfg)
	if err != nil {
		return 0, err
	}
	defer s.Close()
	all, err := s.Containers(ctx, store.ContainerQuery{All: true})
	return len(all), err
}

// tellRecovered says what is back, what is not, and what on the pools fits neither.
func (a *Agent) tellRecovered(ctx context.Context, out io.Writer, found recovery.Found,
	refused map[int]error) error {
	if len(found.Host.Tables) == 0 {
		fmt.Fprintln(out, "host.yaml is missing: host settings, quotas and the names of images are lost")
	} else {
		fmt.Fprintf(out, "host: settings, %d networks, %d images\n",
			len(found.Host.Tables["networks"]), len(found.Host.Tables["images"]))
	}
	all, err := a.store.Containers(ctx, store.ContainerQuery{All: true})
	if err != nil {
		return err
	}
	for _, c := range all {
		history, err := a.store.History(ctx, c.ID)
		if err != nil {
			return err
		}
		where := ""
		if c.IsTrashed() {
			where = ", in the trash"
		}
		fmt.Fprintf(out, "container %s: revision %d, %d in its history%s\n", c.Ref(), c.Revision, len(history), where)
	}
	for i, err := range refused {
		fmt.Fprintf(out, "NOT BACK: %s: %v\n", found.Paths[i], err)
	}
	for _, err := range found.Unread {
		fmt.Fprintf(out, "NOT BACK: %v\n", err)
	}
	fmt.Fprintln(out, "not in the copies: operations, changes, events and sessions; the old audit journal tells of them")
	if err := a.recoverPools(ctx, out); err != nil {
		fmt.Fprintf(out, "the pools can't be compared now: %v\n", err)
		return nil
	}
	strays, err := a.strays(ctx)
	for _, s := range strays {
		fmt.Fprintf(out, "%s: %s: %s; %s\n", s.Kind, s.Name, s.Detail, s.Advice)
	}
	return err
}

func (a *Agent) journalRecovery(ctx context.Context, containers int) error {
	_, err := a.journal.Append(ctx, inventory.Record{Kind: inventory.RecordFact, Verb: "host.recover",
		At: a.now(), Principal: inventory.System("lodged recover"),
		Subject: "host:" + string(a.host.ID), Name: a.host.Name,
		Result: fmt.Sprintf("the database was rebuilt from copies: %d containers", containers)})
	return err
}

// checkNotLost refuses to begin with an empty database where containers lie: the agent would take
// their names and addresses for free.
func (a *Agent) checkNotLost() error {
	info, err := os.Stat(a.database())
	if err == nil && info.Size() > 0 {
		return nil
	}
	lost, err := recovery.Any(a.Root)
	if err == nil && lost {
		err = inventory.Errorf(inventory.ErrUnavailable,
			"%s is missing, but containers lie below %s; run 'lodged recover' to bring them back",
			a.database(), a.Root)
	}
	return err
}
