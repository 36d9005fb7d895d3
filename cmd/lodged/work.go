package main

import (
	"context"
	"encoding/json"
	"errors"
	"path/filepath"
	"slices"
	"time"

	"lodge/inventory"
	"lodge/manager/container"
	"lodge/manager/gate"
	"lodge/manager/lxc"
	"lodge/manager/recovery"
	"lodge/manager/systemd"
	"lodge/manager/watch"
)

// expiryPoll is how late an image whose time is over may go.
const expiryPoll = time.Minute

// work starts what the agent does without being asked, until ctx ends.
func (a *Agent) work(ctx context.Context) {
	go a.indexed.KeepIndex(ctx)
	go a.audits.Run(ctx)
	go a.sessions.Run(ctx)
	a.runAnchors(ctx)
	go a.tellFloods(ctx)
	go a.watchExits(ctx)
	go a.keepNetwork(ctx)
	go a.keepInterfaces(ctx)
	go a.followConflicts(ctx)
	go a.followHostKeys(ctx)
	go func() {
		if err := a.net.FollowDrops(ctx); err != nil {
			a.log.Error("what the firewall drops is not shown", "error", err)
		}
	}()
	go a.gate.RunDeadlines(ctx)
	go a.changes.Run(ctx)
	go a.container.KeepHours(ctx)
	go a.keepLeases(ctx)
	go a.keepAccounts(ctx)
	go a.schedules.Run(ctx)
	go a.keepSudo(ctx)
	go a.identity.Run(ctx)
	go a.policies.Run(ctx)
	go a.prune(ctx)
	go a.expireImages(ctx)
	go a.lxcfs().Run(ctx)
	a.keepCopies(ctx)
	go a.measureDisks(ctx)
	go a.pools.Run(ctx)
	go func() {
		if err := systemd.Watchdog(ctx, a.healthy); err != nil {
			a.log.Error("the watchdog is not fed", "error", err)
		}
	}()
}

// keepLeases ends leases; it looks at them after every change of anything.
func (a *Agent) keepLeases(ctx context.Context) {
	poked, stop := a.store.Subscribe()
	defer stop()
	a.leases.Keep(ctx, poked)
}

// keepAccounts locks accounts in containers; it looks at them after every change of anything.
func (a *Agent) keepAccounts(ctx context.Context) {
	poked, stop := a.store.Subscribe()
	defer stop()
	a.accounts.Run(ctx, poked)
}

// watchExits passes on every init that ended.
func (a *Agent) watchExits(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case e := <-a.runtime.Exits():
			if e.Target == lxc.TargetStart {
				a.container.Rebooted(ctx, e.ID)
				continue
			}
			if e.Target == lxc.TargetStop {
				go a.endSessions(ctx, func(s inventory.Session) bool {
					return s.Container == e.ID && s.StartedAt.Before(e.At) // not those of the next run
				})
			}
			a.container.Exited(ctx, container.Exit{Container: e.ID, Open: e.Target == lxc.TargetOpen,
				Rebooted: e.Target == lxc.TargetReboot, Unrebooted: e.Unrebooted, Asked: e.Asked,
				Clean: e.Clean, At: e.At, Reason: e.Reason})
		}
	}
}

// endSessions lets the holders go whose container has stopped: their commands have ended with it,
// and they would wait for somebody to fetch the rest.
func (a *Agent) endSessions(ctx context.Context, over func(inventory.Session) bool) {
	_, err := a.sessions.EndAll(ctx, "lodged", "the container stopped", over)
	if err != nil && ctx.Err() == nil {
		a.log.Warn("sessions of a stopped container wait on", "error", err)
	}
}

// prune forgets what has been kept long enough, once a day.
func (a *Agent) prune(ctx context.Context) {
	for tick := time.NewTicker(24 * time.Hour); ; {
		if n, err := a.store.PruneOperations(ctx, a.now().Add(-keepOperations)); err != nil {
			a.log.Warn("old operations are kept", "error", err)
		} else if n > 0 {
			a.log.Info("forgot old operations", "count", n)
		}
		if _, err := a.store.PruneDeadlines(ctx, a.now().Add(-keepOperations)); err != nil {
			a.log.Warn("old deadlines are kept", "error", err)
		}
		if _, err := a.store.PruneEvents(ctx, keepEventsDays); err != nil {
			a.log.Warn("old events are kept", "error", err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			tick.Stop()
			return
		}
	}
}

// expireImages deletes images whose time is over, by the gate like everybody.
func (a *Agent) expireImages(ctx context.Context) {
	agent := inventory.WithPrincipal(ctx, inventory.System("expiry"))
	for tick := time.NewTicker(expiryPoll); ; {
		over, err := a.images.Expired(ctx)
		for _, m := range over {
			args, _ := json.Marshal(inventory.ImageArgs{Image: m.Digest}) // a struct of strings can't fail
			_, failed := a.gate.Begin(agent, gate.Request{Verb: "image.delete", Args: args, Reason: "the image expired"})
			err = errors.Join(err, failed)
		}
		if err != nil && ctx.Err() == nil {
			a.log.Warn("expired images are kept for now", "error", err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			tick.Stop()
			return
		}
	}
}

// lxcfs supervises lxcfs, which several agents of a host share.
func (a *Agent) lxcfs() *watch.LXCFS {
	return watch.New(watch.Config{LockFile: filepath.Join(filepath.Dir(a.Claims), "lxcfs.lock"),
		Starter: systemd.NewStarter(a.log), Managed: systemd.IsPID1(), Bind: a.runtime, Running: a.running, Log: a.log})
}

// running returns the containers that run now.
func (a *Agent) running(ctx context.Context) ([]*inventory.Container, error) {
	all, err := a.store.ContainersOnHost(ctx, a.host.ID)
	return slices.DeleteFunc(all,
		func(c *inventory.Container) bool { return !a.runtime.State(c).IsLive() }), err
}

// keepCopies keeps what recovery needs beside the data, until the agent closes.
func (a *Agent) keepCopies(ctx context.Context) {
	keeper := recovery.New(recovery.Config{Root: a.Root, Host: a.host.ID, Store: a.store,
		Outbox: a.store, Log: a.log})
	done := make(chan struct{})
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	go func() { defer close(done); keeper.Run(ctx) }()
	a.onClose(func() error { cancel(); <-done; return nil })
}

// healthy is asked before the watchdog is fed: an agent that can't read its store is none.
func (a *Agent) healthy() error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	_, err := a.store.LastEvent(ctx)
	return err
}
