package main

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"time"

	"lodge/audit"
	"lodge/inventory"
	"lodge/inventory/store"
	"lodge/manager/account"
	"lodge/manager/addressing"
	"lodge/manager/affinity"
	"lodge/manager/anchor"
	"lodge/manager/change"
	"lodge/manager/container"
	"lodge/manager/firewall"
	"lodge/manager/gate"
	"lodge/manager/identity"
	"lodge/manager/image"
	auditing "lodge/manager/journal"
	"lodge/manager/lease"
	"lodge/manager/lxc"
	"lodge/manager/policy"
	"lodge/manager/pool"
	"lodge/manager/project"
	"lodge/manager/schedule"
	"lodge/manager/secret"
	"lodge/manager/session"
	"lodge/manager/sudo"
	"lodge/manager/systemd"
	"lodge/manager/volume"
	"lodge/network"
	"lodge/network/record"
	"lodge/sshgate"
	"lodge/web/api"
)

const (
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
	indexed    *audit.Indexed
	flood      audit.Flood
	claims     network.Claims
	net        *network.Service
	pools      *pool.Service
	runtime    *lxc.Runtime
	measured   *measured
	images     *image.Service
	sessions   *session.Service
	accounts   *account.Service
	audits     *auditing.Service
	anchors    *anchor.Service
	affinity   *affinity.Service
	identity   *identity.Service
	secrets    *secret.Service
	records    *record.Service
	addressing *addressing.Service
	policies   *policy.Service
	firewall   *firewall.Service
	container  *container.Service
	leases     *lease.Service
	schedules  *schedule.Service
	sudo       *sudo.Service
	projects   *project.Service
	volumes    *volume.Service
	changes    *change.Service
	gate       *gate.Gate
	door       *api.API
	ssh        *sshgate.Gateway
	sshAt      atomic.Pointer[string] // where it listens
	sshSockets []net.Listener         // those that systemd opened for it

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
	if a.journal, err = a.openJournal(); err != nil {
		return err
	}
	a.onClose(a.journal.Close)
	a.store, err = store.Open(ctx, store.Config{Path: a.database(), Log: a.log, Now: a.now})
	if err != nil {
		return err
	}
	a.onClose(a.store.Close)
	a.indexed = audit.NewIndexed(a.journal, a.store)
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
		IsHosts: a.isHosts(), Resolver: &systemd.Resolver{}, Estate: a.estate, Options: options,
		Starter: detached{systemd.NewStarter(a.log)}, Log: a.log, Now: a.now})
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

// hostChanged brings the anchors of the journal and the network to the host's settings.
func (a *Agent) hostChanged(ctx context.Context, values map[string]string) error {
	a.anchors.Apply(values)
	if err := sshgate.CheckListen(values[sshgate.SettingListen]); err != nil {
		return err
	}
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

// beside is the path of a program that lies where lodge-lxc does.
func (a *Agent) beside(program string) string { return filepath.Join(filepath.Dir(a.Helper), program) }

func (a *Agent) openRuntime(ctx context.Context) error {
	for _, program := range []string{a.Helper, a.beside("lodge-hook"), a.beside("lodge-ssh")} {
		if _, err := os.Stat(program); err != nil {
			return inventory.Errorf(inventory.ErrUnavailable, "the helper %s is missing: it has to lie at %s",
				filepath.Base(program), program)
		}
	}
	a.runtime = lxc.New(lxc.Config{Root: a.Root, LXCPath: filepath.Join(a.Root, "containers"),
		Helper:   a.Helper,
		Reserved: func() []string { return append(a.pools.Folders(), a.PoolDir, filepath.Dir(a.Socket)) },
		Starter:  systemd.NewStarter(a.log), Log: a.log, Now: a.now})
	a.measured = &measured{Runtime: a.runtime, pools: a.pools}
	a.onClose(func() error { a.runtime.Close(); return nil })
	return nil
}

func (a *Agent) openGate(ctx context.Context) (err error) {
	a.changes = change.New(change.Config{Store: a.store, Rights: deciders{a.identity, a.policies}, People: a.identity,
		Log: a.log, Now: a.now, Boundary: boundary})
	verbs := a.verbs()
	if err := a.policies.Use(ctx, verbs); err != nil {
		return err
	}
	a.gate, err = gate.New(gate.Config{Host: a.host.ID, Store: a.store, Journal: quiet{a.journal, &a.flood},
		Observer: a.runtime, Changes: a.changes,
		Policy: change.Guard{Policy: a.policies, Changes: a.changes}, Rights: a.identity, Log: a.log, Now: a.now, Boundary: boundary}, verbs...)
	if err != nil {
		return err
	}
	a.nameVerbs()
	a.changes.Use(a.gate)
	a.container.Use(a.gate)
	a.sessions.Use(a.gate)
	a.leases.Use(a.gate)
	a.schedules.Use(a.gate)
	a.sudo.Use(a.gate)
	a.secrets.Use(a.gate)
	a.pools.Use(a.gate)
	a.door, err = a.newDoor()
	return err
}
