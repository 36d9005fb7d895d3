package image_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"lodge/inventory"
	"lodge/manager/gate"
	"lodge/manager/image"
	"lodge/manager/image/recipe"
	"lodge/manager/image/remote"
	"lodge/manager/image/unpack"
)

// TestMain lets the test binary be the agent's: the service executes it again as the scan role.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == "scan" {
		switch os.Args[2] {
		case "build":
			syscall.Exit(recipe.Main(os.Args[3:]))
		case "pull":
			syscall.Exit(remote.Main(os.Args[3:]))
		case "unpack":
			syscall.Exit(unpack.Main(os.Args[3:]))
		}
	}
	os.Exit(m.Run())
}

// folderPool keeps images as folders.
type folderPool struct{ dir string }

func (p folderPool) path(digest string) string {
	return filepath.Join(p.dir, strings.TrimPrefix(digest, "sha256:"))
}

func (p folderPool) AddImage(_ context.Context, digest string, fill func(dir string) error) error {
	if _, err := os.Stat(p.path(digest)); err == nil {
		return inventory.Errorf(inventory.ErrExists, "%s is there", digest)
	}
	part := p.path(digest) + ".part"
	if err := os.Mkdir(part, 0o755); err != nil {
		return err
	}
	if err := fill(part); err != nil {
		os.RemoveAll(part)
		return err
	}
	return os.Rename(part, p.path(digest))
}

func (p folderPool) DeleteImage(_ context.Context, digest string) error {
	return os.RemoveAll(p.path(digest))
}

func (p folderPool) Path(id string) string { return filepath.Join(p.dir, "volume-"+id) }
func (p folderPool) SnapshotPath(id, name string) string {
	return filepath.Join(p.dir, "snapshot-"+id, name)
}
func (p folderPool) ImagePath(digest string) string { return p.path(digest) }

// memoryStore keeps rows in memory, with the promises of image.Store.
type memoryStore struct {
	mu      sync.Mutex
	rows    map[string]inventory.Image
	aliases map[string]string
	remotes map[string]inventory.Remote
	fail    error // of SetAlias, once
}

func (s *memoryStore) Snapshot(_ context.Context, id inventory.ContainerID, name string) (inventory.Snapshot, error) {
	if name == "nope" {
		return inventory.Snapshot{}, inventory.Errorf(inventory.ErrNotFound, "there is no snapshot %s", name)
	}
	return inventory.Snapshot{Container: id, Name: name}, nil
}

func (s *memoryStore) SaveRemote(_ context.Context, m inventory.Remote) error {
	s.remotes[m.Name] = m
	return nil
}

func (s *memoryStore) Remote(_ context.Context, name string) (inventory.Remote, error) {
	m, ok := s.remotes[name]
	if !ok {
		return m, inventory.Errorf(inventory.ErrNotFound, "there is no remote %s", name)
	}
	return m, nil
}

func (s *memoryStore) Remotes(context.Context) ([]inventory.Remote, error) {
	return slices.Collect(maps.Values(s.remotes)), nil
}

func (s *memoryStore) DeleteRemote(_ context.Context, name string) error {
	delete(s.remotes, name)
	return nil
}

func (s *memoryStore) SaveImage(_ context.Context, m inventory.Image) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rows[m.Digest] = m
	return nil
}

func (s *memoryStore) Image(_ context.Context, ref string) (inventory.Image, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	digest := ref
	if !strings.HasPrefix(ref, "sha256:") {
		digest = s.aliases[ref]
	}
	m, ok := s.rows[digest]
	if !ok {
		return m, inventory.Errorf(inventory.ErrNotFound, "there is no image %s", ref)
	}
	m.Aliases = nil
	for alias, d := range s.aliases {
		if d == digest {
			m.Aliases = append(m.Aliases, alias)
		}
	}
	slices.Sort(m.Aliases)
	return m, nil
}

func (s *memoryStore) Images(context.Context) ([]inventory.Image, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []inventory.Image
	for _, m := range s.rows {
		all = append(all, m)
	}
	return all, nil
}

func (s *memoryStore) DeleteImage(_ context.Context, digest string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.rows, digest)
	for alias, d := range s.aliases {
		if d == digest {
			delete(s.aliases, alias)
		}
	}
	return nil
}

func (s *memoryStore) SetAlias(_ context.Context, alias, digest string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.fail; err != nil {
		s.fail = nil
		return err
	}
	if digest == "" {
		delete(s.aliases, alias)
		return nil
	}
	if _, ok := s.rows[digest]; !ok {
		return inventory.Errorf(inventory.ErrNotFound, "there is no image %s", digest)
	}
	s.aliases[alias] = digest
	return nil
}

// A bench is a service with what it works on.
type bench struct {
	*image.Service
	t     *testing.T
	root  string
	pool  folderPool
	store *memoryStore
	now   time.Time

	// What the gate would fill in of a verb on a container.
	on       *inventory.Container
	observed inventory.Observed
}

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{t: t, root: t.TempDir(), store: &memoryStore{rows: map[string]inventory.Image{}, aliases: map[string]string{},
		remotes: map[string]inventory.Remote{}},
		now: time.Date(2026, 5, 3, 14, 0, 0, 0, time.UTC)}
	b.pool = folderPool{filepath.Join(b.root, "pool")}
	for _, dir := range []string{b.pool.dir, filepath.Join(b.root, "run", "uploads")} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	var err error
	b.Service, err = image.New(image.Config{Root: b.root, Pool: b.pool, Store: b.store, Snapshots: b.store, Remotes: b.store, Stall: time.Second, Now: func() time.Time { return b.now }})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func (b *bench) verb(name string) gate.Verb {
	all := b.Verbs()
	i := slices.IndexFunc(all, func(v gate.Verb) bool { return v.Name == name })
	if i < 0 {
		b.t.Fatalf("there is no verb %s", name)
	}
	return all[i]
}

// do passes a request as the gate would: prepare, steps in order, undo in reverse after a failure.
// Every step runs twice, as after a crash in it.
func (b *bench) do(name string, args any) (image.Made, error) {
	b.t.Helper()
	v := b.verb(name)
	raw, err := json.Marshal(args)
	if err != nil {
		b.t.Fatal(err)
	}
	draft, err := v.Prepare(context.Background(), &gate.Request{Verb: name, Args: raw, Container: b.on, Observed: b.observed})
	if err != nil {
		return image.Made{}, err
	}
	if raw, err = json.Marshal(draft.Args); err != nil {
		b.t.Fatal(err)
	}
	id := inventory.OperationID(inventory.NewID(b.now))
	r := &gate.Run{Operation: inventory.Operation{ID: id, Verb: name, Args: raw}, Before: b.on, Log: b.Log}
	return b.steps(v, r)
}

func (b *bench) steps(v gate.Verb, r *gate.Run) (image.Made, error) {
	ctx := context.Background()
	for i, step := range v.Steps {
		err := step.Do(ctx, r)
		if err == nil && (r.Operation.Verb != "image.build" || i > 0) {
			err = step.Do(ctx, r)
		}
		if err == nil {
			continue
		}
		for ; i >= 0; i-- {
			if undo := v.Steps[i].Undo; undo != nil {
				if uerr := errors.Join(undo(ctx, r), undo(ctx, r)); uerr != nil {
					b.t.Errorf("undo %s: %v", v.Steps[i].Name, uerr)
				}
			}
		}
		return image.Made{}, err
	}
	m, err := b.store.Image(ctx, aliasOf(r.Operation.Args))
	return image.Made{Digest: m.Digest}, ignoreMissing(err)
}

func aliasOf(args json.RawMessage) string {
	var a inventory.ImportArgs
	json.Unmarshal(args, &a)
	return a.Alias
}

func ignoreMissing(err error) error {
	if errors.Is(err, inventory.ErrNotFound) {
		return nil
	}
	return err
}

// clean fails the test if a work folder or an upload is left.
func (b *bench) clean() {
	b.t.Helper()
	for _, dir := range []string{"images/work", "run/uploads"} {
		if left, _ := os.ReadDir(filepath.Join(b.root, dir)); len(left) > 0 {
			b.t.Errorf("%s holds %v", dir, left)
		}
	}
}

func (b *bench) upload(name string, raw []byte) {
	b.t.Helper()
	if err := os.WriteFile(filepath.Join(b.root, "run", "uploads", name), bytes.Clone(raw), 0o600); err != nil {
		b.t.Fatal(err)
	}
}
