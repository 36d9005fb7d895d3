package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"time"

	"lodge/audit"
	"lodge/inventory"
	"lodge/inventory/store"
	"lodge/manager/addressing"
	"lodge/manager/affinity"
	"lodge/manager/container"
	"lodge/manager/firewall"
	"lodge/manager/gate"
	"lodge/manager/identity"
	"lodge/manager/image"
	"lodge/manager/lxc"
	"lodge/manager/policy"
	"lodge/manager/pool"
	"lodge/manager/project"
	"lodge/manager/session"
	"lodge/manager/systemd"
	"lodge/manager/volume"
	"lodge/network"
	"lodge/network/record"
	"lodge/web/api"
)

const (
	// closeTimeout is how long running operations may take to end when the agent stops. What is
	// unfinished then, the next agent takes up.
	closeTimeout = 20 * time.Second
	// hostStopWait is how long PID 1, busy with a shutdown, may take to say that there is one. It is
	// asked while operations end; a slow host needs more than some seconds.
	hostStopWait = 30 * time.Second
	// hostStopTimeout is how long the containers may take to stop when the host goes down; the
	// unit's TimeoutStopSec is longer than both together.
	hostStopTimeout = 100 * time.Second
	// keepOperations is how long ended operations and events are kept.
	keepOperations = 90 * 24 * time.Hour
	keepEventsDays = 30
)

// An Agent is the wiring of everything on one root. The tests start this same one.
type Agent struct {
	Config
	log   *slog.Logger
	now   func() time.Time
	lock  *os.File
	self  string
	boot  string // id of the host's present boot
	table inventory.Settings

	store      *store.Store
	host       inventory.Host
	journal    *audit.Journal
	claims     network.Claims
	net        *network.Service
	pools      *pool.Service
	runtime    *lxc.Runtime
	measured   *measured
	images     *image.Service
	sessions   *session.Service
	affinity   *affinity.Service
	records    *record.Service
	addressing *addressing.Service
	firewall   *firewall.Service
	container  *container.Service
	projects   *project.Service
	volumes    *volume.Service
	gate       *gate.Gate
	door       *api.API

	closers []func() error
}

// Open brings up everything on the root but the door: nothing is answered yet, and nothing that
// was left unfinished is taken up. On an error everything opened is closed again.
func Open(ctx context.Context, cfg Config, log *slog.Logger) (*Agent, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return open(ctx, &Agent{Config: cfg, log: log, now: time.Now, self: self})
}

func open(ctx context.Context, a *Agent) (*Agent, error) {
	for _, step := range []func(context.Context) error{
		a.openRoot, a.openStore, a.openNetwork, a.openPools, a.openRuntime, a.openServices, a.openGate,
	} {
		if err := step(ctx); err != nil {
			a.Close()
			return nil, err
		}
	}
	return a, nil
}

// onClose notes what to close; the last opened closes first.
func (a *Agent) onClose(f func() error) { a.closers = append(a.closers, f) }

// Close releases everything. Containers, sessions and the net role go on.
func (a *Agent) Close() {
	for _, f := range slices.Backward(a.closers) {
		if err := f(); err != nil {
			a.log.Error("close", "error", err)
		}
	}
	a.closers = nil
}

func (a *Agent) openRoot(context.Context) (err error) {
	if os.Geteuid() != 0 {
		return inventory.Errorf(inventory.ErrDenied,
			"the agent has to run as root: it makes containers; try sudo")
	}
	if a.boot, err = bootID(); err != nil {
		return err
	}
	if a.lock, err = lockRoot(a.Root); err != nil {
		return err
	}
	a.onClose(a.lock.Close)
	for _, path := range []string{a.Claims, a.Socket} {
		if filepath.Dir(path) == runFolder {
			return openRunFolder(runFolder)
		}
	}
	return nil
}

func (a *Agent) openStore(ctx context.Context) (err error) {
	if err := a.checkNotLost(); err != nil {
		return err
	}
	if a.journal, err = openJournal(a.Config, a.now); err != nil {
		return err
	}
	a.onClose(a.journal.Close)
	a.store, err = store.Open(ctx, store.Config{Path: a.database(), Log: a.log, Now: a.now})
	if err != nil {
		return err
	}
	a.onClose(a.store.Close)
	a.host, err = a.store.EnsureHost(ctx, machineID(), hostName())
	return err
}

func (a *Agent) openNetwork(ctx context.Context) (err error) {
	values, err := a.store.HostSettings(ctx)
	if err != nil {
		return err
	}
	options, err := network.ReadOptions(values)
	if err != nil {
		return err
	}
	a.claims, err = network.Claim(ctx, a.claimConfig(options))
	if err != nil {
		return err
	}
	a.net = network.New(network.Config{Root: a.Root, SelfExe: a.self, RoleID: a.claims.RoleID,
		Estate: a.estate, Options: options, Starter: detached{systemd.NewStarter(a.log)}, Log: a.log, Now: a.now})
	a.onClose(func() error { a.net.Close(); return nil })
	return a.saveNetwork(ctx, options)
}

func (a *Agent) claimConfig(o network.Options) network.ClaimConfig {
	return network.ClaimConfig{Root: a.Root, Dir: a.Claims, IPv4: o.IPv4}
}

// saveNetwork keeps the rows of the managed networks in step with what is claimed: after a reboot
// another agent may have been first to take a bridge's name.
func (a *Agent) saveNetwork(ctx context.Context, o network.Options) error {
	for _, claimed := range a.claims.Networks() {
		was, err := a.store.Network(ctx, claimed.Name)
		switch {
		case errors.Is(err, inventory.ErrNotFound) && claimed.Name == defaultNetwork:
			was = claimed
		case errors.Is(err, inventory.ErrNotFound):
			continue // its making was not finished: the undo gives the claim back
		case err != nil:
			return err
		}
		now := was
		now.Bridge, now.IPv4 = claimed.Bridge, claimed.IPv4
		if claimed.Name == defaultNetwork {
			now.IPv6, now.NAT, now.Type = claimed.IPv6, o.NAT, inventory.NetworkManaged
		}
		if now == was && err == nil {
			continue
		}
		if err := a.store.SaveNetwork(ctx, now); err != nil {
			return err
		}
	}
	return nil
}

// hostChanged brings the network to the host's settings.
func (a *Agent) hostChanged(ctx context.Context, values map[string]string) error {
	options, err := network.ReadOptions(values)
	if err != nil {
		return err
	}
	if err := a.saveNetwork(ctx, options); err != nil {
		return err
	}
	if err := a.net.Configure(ctx, options); err != nil {
		return err
	}
	n, err := a.store.Network(ctx, defaultNetwork)
	if err != nil {
		return err
	}
	return a.net.Ensure(ctx, n)
}

func (a *Agent) openRuntime(ctx context.Context) error {
	for _, program := range []string{a.Helper, filepath.Join(filepath.Dir(a.Helper), "lodge-hook")} {
		if _, err := os.Stat(program); err != nil {
			return inventory.Errorf(inventory.ErrUnavailable, "the helper %s is missing: it has to lie at %s",
				filepath.Base(program), program)
		}
	}
	a.runtime = lxc.New(lxc.Config{Root: a.Root, LXCPath: filepath.Join(a.Root, "containers"),
		Helper:   a.Helper,
		Reserved: []string{a.pools.Pool(inventory.DefaultPool).Path(""), a.PoolDir, filepath.Dir(a.Socket)},
		Starter:  systemd.NewStarter(a.log), Log: a.log, Now: a.now})
	a.measured = &measured{Runtime: a.runtime, pools: a.pools}
	a.onClose(func() error { a.runtime.Close(); return nil })
	return nil
}

func (a *Agent) openGate(ctx context.Context) (err error) {
	a.gate, err = gate.New(gate.Config{Host: a.host.ID, Store: a.store, Journal: a.journal,
		Observer: a.runtime,
		Policy:   policy.New(a.store), Rights: identity.Local{}, Log: a.log, Now: a.now, Boundary: boundary}, a.verbs()...)
	if err != nil {
		return err
	}
	a.nameVerbs()
	a.container.Use(a.gate)
	a.sessions.Use(a.gate)
	a.pools.Use(a.gate)
	a.door, err = a.newDoor()
	return err
}

// Serve takes over what runs, opens the door and works until ctx ends.
func (a *Agent) Serve(ctx context.Context) error {
	if err := a.takeOver(ctx); err != nil {
		return err
	}
	listener, err := a.listen()
	if err != nil {
		return err
	}
	server := a.door.Server()
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	a.fact(ctx, "agent.start", "version "+version)
	a.notify(systemd.Ready())
	a.log.Info("ready", "socket", a.Socket, "root", a.Root, "version", version)
	select {
	case <-ctx.Done():
	case err = <-served:
	}
	a.notify(systemd.Stopping())
	return errors.Join(ignoreClosed(err), a.shutDown(server))
}

func ignoreClosed(err error) error {
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// shutDown closes the door, then waits for operations. Containers run on, unless the host goes down.
func (a *Agent) shutDown(server *http.Server) error {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	hostStops := make(chan bool, 1)
	go func() { hostStops <- a.isHostStopping() }()
	a.gate.Close(ctx)
	short, stop := context.WithTimeout(ctx, time.Second)
	defer stop()
	if server.Shutdown(short) != nil {
		server.Close()
	}
	if <-hostStops {
		a.stopForHost()
	}
	a.fact(ctx, "agent.stop", "")
	return nil
}

// isHostStopping is false when systemd can't say: containers that go on are never stopped by mistake.
func (a *Agent) isHostStopping() bool {
	ctx, cancel := context.WithTimeout(context.Background(), hostStopWait)
	defer cancel()
	stops, err := systemd.IsHostStopping(ctx)
	if err != nil {
		a.log.Warn("containers are left running", "error", err)
	}
	return stops
}

func (a *Agent) stopForHost() {
	a.log.Info("the host goes down: stopping every container")
	ctx, cancel := context.WithTimeout(context.Background(), hostStopTimeout)
	defer cancel()
	if err := a.container.HostStops(ctx); err != nil {
		a.log.Error("containers are left to the host's shutdown", "error", err)
	}
}

// takeOver finds what earlier agents left: networks, running containers, half-done operations,
// sessions.
func (a *Agent) takeOver(ctx context.Context) error {
	networks, err := a.store.Networks(ctx)
	if err != nil {
		return err
	}
	for _, n := range networks {
		if err := a.net.Ensure(ctx, n); err != nil {
			return fmt.Errorf("network %s: %w", n.Name, err)
		}
	}
	if err := a.net.StartRole(ctx); err != nil { // it is tried again in the background
		a.log.Error("names are not answered now", "error", err)
	}
	if err := a.container.GuardAll(ctx); err != nil {
		a.log.Error("containers may forge addresses", "error", err)
	}
	if err := a.records.Publish(ctx); err != nil {
		a.log.Warn("added records are published later", "error", err)
	}
	if err := a.container.Publish(ctx); err != nil {
		a.log.Warn("names are published later", "error", err)
	}
	booted, err := a.newBoot(ctx)
	if err != nil {
		return err
	}
	down, err := a.container.Adopt(ctx)
	if err != nil {
		return err
	}
	if err := a.pools.ThawLeft(ctx); err != nil {
		a.log.Error("a container may stay frozen", "error", err)
	}
	if err := a.sessions.Adopt(ctx); err != nil {
		return err
	}
	go a.endSessions(ctx, func(s inventory.Session) bool {
		return a.runtime.State(&inventory.Container{ID: s.Container}) == inventory.StateStopped
	})
	if err := a.sweepImages(ctx); err != nil {
		a.log.Warn("left over uploads are kept", "error", err)
	}
	if err := a.attest(ctx); err != nil {
		return err
	}
	if err := a.gate.Resume(ctx); err != nil {
		return err
	}
	a.container.Revive(ctx, down, booted)
	a.work(ctx)
	return nil
}

// sweepImages removes the uploads and half-made images nothing needs any more.
func (a *Agent) sweepImages(ctx context.Context) error {
	left, err := a.store.Unfinished(ctx, a.host.ID)
	if err != nil {
		return err
	}
	waiting, err := a.store.Changes(ctx, store.ChangeQuery{State: inventory.ChangeSubmitted,
		Verb: "image.import"})
	if err != nil {
		return err
	}
	return a.images.Sweep(left, waiting)
}

// newBoot returns nil unless the host has booted since an agent last started everything on this
// root, and else what notes that it is done.
func (a *Agent) newBoot(ctx context.Context) (done func(), err error) {
	last, _, err := a.store.Meta(ctx, "boot")
	if err != nil || last == a.boot {
		return nil, err
	}
	return func() {
		if err := a.store.SetMeta(context.WithoutCancel(ctx), "boot", a.boot); err != nil {
			a.log.Error("the next agent will start all containers as after a boot", "error", err)
		}
	}, nil
}

// fact writes about the agent itself to the audit journal.
func (a *Agent) fact(ctx context.Context, verb, text string) {
	err := a.gate.Fact(context.WithoutCancel(ctx),
		inventory.Record{Verb: verb, Principal: inventory.System("agent"),
			Subject: "host:" + string(a.host.ID), Name: a.host.Name, Result: text})
	if err != nil {
		a.log.Error("a fact is not in the audit journal", "verb", verb, "error", err)
	}
}

// notify logs that systemd could not be told; that is no reason to stop.
func (a *Agent) notify(err error) {
	if err != nil {
		a.log.Warn("systemd was not told", "error", err)
	}
}
