// Package apitest is an agent in memory for tests of the API's door, its client and the command
// line: containers that are created, started and deleted by the real rules' outline, an outbox, a
// journal, files, sessions that echo. It is a working version, not a list of canned answers; what
// it leaves out is everything that takes a kernel.
package apitest

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"lodge/inventory"
	"lodge/manager/gate"
	"lodge/web/api"
	"lodge/web/wire"
)

// A World is the agent's memory. Safe for concurrent use.
type World struct {
	// Slow, when not nil, keeps every operation running until it is closed or gets a value.
	Slow chan struct{}
	// Held are the verbs that wait for an approval.
	Held map[string]bool

	mu         sync.Mutex // guards what follows
	poke       chan struct{}
	containers map[inventory.ContainerID]*inventory.Container
	observed   map[inventory.ContainerID]inventory.Observed
	history    map[inventory.ContainerID][]inventory.Revision
	snapshots  map[inventory.ContainerID][]inventory.Snapshot
	operations []*flight
	changes    []inventory.Change
	requests   map[inventory.ChangeID]gate.Request
	events     []inventory.Event
	records    []wire.AuditRecord
	images     []inventory.Image
	remotes    []inventory.Remote
	host       map[string]string
	projects   []inventory.Project
	quotas     []inventory.Quota
	volumes    []inventory.Volume
	sessions   []*session
	files      map[string]file
}

// New returns a world with one image, debian/12.
func New() *World {
	return &World{
		Held: map[string]bool{}, poke: make(chan struct{}),
		containers: map[inventory.ContainerID]*inventory.Container{},
		observed:   map[inventory.ContainerID]inventory.Observed{},
		history:    map[inventory.ContainerID][]inventory.Revision{},
		snapshots:  map[inventory.ContainerID][]inventory.Snapshot{},
		requests:   map[inventory.ChangeID]gate.Request{},
		host:       map[string]string{}, files: map[string]file{}, volumes: []inventory.Volume{theVolume},
		projects: []inventory.Project{{Name: inventory.DefaultProject, Purpose: "the rest", Owner: "root",
			Revision: 1, CreatedAt: start, UpdatedAt: start}},
		images: []inventory.Image{{Digest: "sha256:" + strings.Repeat("ab", 32),
			Aliases: []string{"debian/12"}, OS: "debian",
			Release: "12", Architecture: "amd64", Size: 300 * inventory.MiB, CreatedAt: start,
			Packages: []inventory.Package{{Name: "bash", Version: "5.2"}}, Build: `{"recipe":"debian/12"}`}},
	}
}

var start = time.Date(2026, 5, 3, 14, 0, 0, 0, time.UTC)

// Config is what a door needs to open onto the world.
func (w *World) Config() api.Config {
	return api.Config{Gate: w, Changes: w, Rights: everybody{}, Identity: members{}, Reads: reads{w}, Observer: w, Settings: w,
		Sessions: sessions{w}, Recordings: sessions{w}, SSH: gateway{},
		Files: w, Console: w, Journal: journal{w}, Proofs: journal{w}, Log: slog.New(slog.DiscardHandler), Version: "test"}
}

// Serve opens a door onto the world at a Unix socket and returns the socket's path. The calling
// process has to be root or a member of the group the configuration names.
func Serve(t testing.TB, cfg api.Config) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "lodge.sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	srv := api.New(cfg).Server()
	done := make(chan struct{})
	go func() { defer close(done); srv.Serve(l) }()
	t.Cleanup(func() { srv.Close(); <-done })
	return path
}

// everybody may do everything that Principal.Admin stands for.
type everybody struct{}

func (everybody) Allowed(p inventory.Principal, right inventory.Right, c *inventory.Container) bool {
	return p.Admin
}

// members are root and whom the host has in the group.
type members struct{}

func (members) Local(_ context.Context, peer inventory.Peer) (inventory.Principal, error) {
	p := inventory.Principal{Name: peer.Name, Kind: inventory.KindPerson, Admin: true, From: "unix",
		Proof: fmt.Sprintf("%s%d", inventory.PeerProof, peer.UID)}
	if peer.UID != 0 && !peer.Member {
		return p, inventory.Errorf(inventory.ErrDenied, "uid %d is nobody", peer.UID)
	}
	return p, nil
}

func (members) Bearer(context.Context, string) (inventory.Principal, error) {
	return inventory.Principal{}, inventory.Errorf(inventory.ErrDenied, "there are no tokens")
}

func (members) Directory(context.Context) (*inventory.Directory, error) {
	return inventory.NewDirectory([]inventory.User{{ID: "u1", Name: "dev1"}}, nil, nil, nil), nil
}

// Add puts a container into the world without an operation, for tests that need many.
func (w *World) Add(c inventory.Container, state inventory.State) *inventory.Container {
	w.mu.Lock()
	defer w.mu.Unlock()
	if c.ID == "" {
		c.ID = inventory.ContainerID(inventory.NewID(start))
	}
	if c.Project == "" {
		c.Project = inventory.DefaultProject
	}
	if c.Revision == 0 {
		c.Revision = 1
	}
	if c.CreatedAt.IsZero() {
		c.CreatedAt, c.UpdatedAt = start, start
	}
	w.containers[c.ID] = &c
	w.observed[c.ID] = inventory.Observed{State: state}
	return &c
}

// Emit adds an event to the outbox.
func (w *World) Emit(e inventory.Event) int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.emit(e)
}

func (w *World) emit(e inventory.Event) int64 {
	e.Seq, e.At = int64(len(w.events)+1), start
	w.events = append(w.events, e)
	w.wake()
	return e.Seq
}

func (w *World) record(r inventory.Record) {
	r.At = start
	w.records = append(w.records, wire.AuditRecord{Seq: int64(len(w.records) + 1), Record: r})
	w.wake()
}

// wake lets everybody who waits look again; w.mu is held.
func (w *World) wake() {
	close(w.poke)
	w.poke = make(chan struct{})
}

// until waits for ready, which is called with w.mu held.
func (w *World) until(ctx context.Context, ready func() bool) error {
	for {
		w.mu.Lock()
		ok, poke := ready(), w.poke
		w.mu.Unlock()
		if ok {
			return nil
		}
		select {
		case <-poke:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// find returns the container itself; w.mu is held.
func (w *World) find(ref inventory.Ref) (*inventory.Container, error) {
	if c, ok := w.containers[inventory.ContainerID(ref.Name)]; ok {
		return c, nil
	}
	for _, c := range w.containers {
		if c.Name == ref.Name && c.Project == ref.Project {
			return c, nil
		}
	}
	return nil, inventory.Errorf(inventory.ErrNotFound, "there is no container %s", ref)
}

// Observe measures a container.
func (w *World) Observe(c *inventory.Container) inventory.Observed {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.observed[c.ID]
}

// Table is a small table of settings.
func (w *World) Table() inventory.Settings { return table }

var everywhere = []inventory.Scope{inventory.ScopeContainer, inventory.ScopeProject, inventory.ScopeHost}

var table = inventory.NewSettings([]inventory.Setting{
	{Name: "cpus", Type: inventory.TypeCPUs, Default: "1",
		Scopes: everywhere, Doc: "CPUs."},
	{Name: "memory", Type: inventory.TypeBytes, Default: "512MiB",
		Scopes: everywhere, Doc: "Memory."},
	{Name: "disk", Type: inventory.TypeBytes, Default: "10GiB",
		Scopes: []inventory.Scope{inventory.ScopeContainer}, Doc: "Disk."},
})

// Host returns what is set on the host. It stands for api.Settings; the host's description is
// HostReads', see reads.
func (w *World) Host(ctx context.Context) (map[string]string, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return maps.Clone(w.host), nil
}

// Layers returns the project's layer and the host's.
func (w *World) Layers(ctx context.Context, project string) ([]inventory.Layer, error) {
	values, err := w.Host(ctx)
	if err != nil {
		return nil, err
	}
	p, _ := reads{w}.Project(ctx, project)
	return []inventory.Layer{p.Layer(), {Origin: "host", Values: values}}, nil
}

// sorted returns copies of the containers that choose wants, by project and name.
func (w *World) sorted(choose func(*inventory.Container) bool) []*inventory.Container {
	w.mu.Lock()
	defer w.mu.Unlock()
	var all []*inventory.Container
	for _, c := range w.containers {
		if choose(c) {
			all = append(all, c.Clone())
		}
	}
	slices.SortFunc(all, func(a, b *inventory.Container) int {
		return strings.Compare(a.Project+"\x00"+a.Name, b.Project+"\x00"+b.Name)
	})
	return all
}
