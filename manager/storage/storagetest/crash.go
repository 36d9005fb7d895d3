package storagetest

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"lodge/inventory"
	"lodge/manager/storage"
)

// A scenario is one call that is crashed at every point it passes.
type scenario struct {
	name string
	// prepare makes what the call needs.
	prepare func(f *fixture, s *scenario)
	// act is the call.
	act func(ctx context.Context, f *fixture, s *scenario) error
	// done ends the test unless the pool is as the call leaves it.
	done func(f *fixture, s *scenario)
	// happened tells whether the call took effect; it ends the test on a state in between.
	happened func(f *fixture, s *scenario) bool

	id, other, digest string
}

var scenarios = []*scenario{
	{
		name: "create",
		act: func(ctx context.Context, f *fixture, s *scenario) error {
			return f.Create(ctx, storage.Volume{ID: s.id, Size: size}, f.image)
		},
		done: func(f *fixture, s *scenario) {
			f.reads(f.Path(s.id), "etc/hostname", "image\n")
			if n, err := grow(filepath.Join(f.Path(s.id), "data"), 2*size); err == nil {
				f.t.Errorf("%v fit into a volume of %v", n, size)
			}
		},
		happened: func(f *fixture, s *scenario) bool { return f.has(f.Path(s.id)) },
	},
	{
		name: "create empty",
		act: func(ctx context.Context, f *fixture, s *scenario) error {
			return f.CreateEmpty(ctx, storage.Volume{ID: s.id, Size: size})
		},
		done: func(f *fixture, s *scenario) {
			if n, err := grow(filepath.Join(f.Path(s.id), "data"), 2*size); err == nil {
				f.t.Errorf("%v fit into a volume of %v", n, size)
			}
		},
		happened: func(f *fixture, s *scenario) bool { return f.has(f.Path(s.id)) },
	},
	{
		name:    "clone",
		prepare: func(f *fixture, s *scenario) { f.makeNoted(s.id) },
		act: func(ctx context.Context, f *fixture, s *scenario) error {
			return f.Clone(ctx, s.id, "s", storage.Volume{ID: s.other})
		},
		done:     func(f *fixture, s *scenario) { f.reads(f.Path(s.other), "note", "then") },
		happened: func(f *fixture, s *scenario) bool { return f.has(f.Path(s.other)) },
	},
	{
		name: "snapshot",
		prepare: func(f *fixture, s *scenario) {
			f.ok(f.Create(f.t.Context(), storage.Volume{ID: s.id, Size: size}, f.image))
			f.write(f.Path(s.id), "note", "then")
		},
		act:      func(ctx context.Context, f *fixture, s *scenario) error { return f.Snapshot(ctx, s.id, "s") },
		done:     func(f *fixture, s *scenario) { f.reads(f.SnapshotPath(s.id, "s"), "note", "then") },
		happened: func(f *fixture, s *scenario) bool { return f.has(f.SnapshotPath(s.id, "s")) },
	},
	{
		name:    "restore",
		prepare: func(f *fixture, s *scenario) { f.makeNoted(s.id) },
		act: func(ctx context.Context, f *fixture, s *scenario) error {
			return f.RestoreSnapshot(ctx, s.id, "s")
		},
		done: func(f *fixture, s *scenario) { f.reads(f.Path(s.id), "note", "then") },
		happened: func(f *fixture, s *scenario) bool {
			note, err := os.ReadFile(filepath.Join(f.Path(s.id), "note"))
			if string(note) != "now" && string(note) != "then" {
				f.t.Fatalf("the volume is neither the old nor the new one: %q, %v", note, err)
			}
			return string(note) == "then"
		},
	},
	{
		name:    "delete",
		prepare: func(f *fixture, s *scenario) { f.makeNoted(s.id) },
		act:     func(ctx context.Context, f *fixture, s *scenario) error { return f.Delete(ctx, s.id) },
		done: func(f *fixture, s *scenario) {
			f.there(f.Path(s.id), false)
			f.there(f.SnapshotPath(s.id, "s"), false)
		},
		happened: func(f *fixture, s *scenario) bool { return !f.has(f.Path(s.id)) },
	},
	{
		name: "image",
		act: func(ctx context.Context, f *fixture, s *scenario) error {
			return f.AddImage(ctx, s.digest, fillTree)
		},
		done: func(f *fixture, s *scenario) {
			sameNames(f.t, describe(f.t, f.ImagePath(s.digest)), describe(f.t, f.ImagePath(f.image)))
			if os.WriteFile(filepath.Join(f.ImagePath(s.digest), "x"), nil, 0o600) == nil {
				f.t.Error("the image can be written to")
			}
		},
		happened: func(f *fixture, s *scenario) bool { return f.has(f.ImagePath(s.digest)) },
	},
}

func sameNames(t *testing.T, a, b map[string]string) {
	t.Helper()
	for name := range b {
		if _, ok := a[name]; !ok || len(a) != len(b) {
			t.Fatalf("%d files instead of %d, %q among the missing: %v", len(a), len(b), name, !ok)
		}
	}
}

func (f *fixture) has(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// makeNoted makes a volume whose file note says "now", and "then" in its snapshot s.
func (f *fixture) makeNoted(id string) {
	f.ok(f.Create(f.t.Context(), storage.Volume{ID: id}, f.image))
	f.write(f.Path(id), "note", "then")
	f.ok(f.Snapshot(f.t.Context(), id, "s"))
	f.write(f.Path(id), "note", "now")
}

// crashes runs every scenario once for every point, crashes it there, opens the pool again and
// checks that the call was done or never was, and that calling it again does it.
func crashes(t *testing.T, b Backend) {
	f := newFixture(t, b)
	reached := map[string]bool{}
	for _, s := range scenarios {
		for _, point := range b.Points {
			t.Run(s.name+" at "+point, func(t *testing.T) {
				f := f.in(t)
				if f.crashAt(s, point) {
					reached[point] = true
				}
			})
		}
	}
	for _, point := range b.Points {
		if !reached[point] {
			t.Errorf("no scenario reached %s", point)
		}
	}
}

// crashAt reports whether the scenario passed the point.
func (f *fixture) crashAt(s *scenario, point string) (reached bool) {
	s.id, s.other, s.digest = newID(), newID(), newDigest()
	f.open() // so that the hook of this fixture is called
	if s.prepare != nil {
		s.prepare(f, s)
	}
	f.crash = func(at string) {
		if at == point {
			panic(crashed{})
		}
	}
	err, reached := f.try(s)
	f.crash = nil
	if !reached {
		f.ok(err)
	}
	f.open()
	if s.happened(f, s) {
		s.done(f, s)
	}
	if again := s.act(f.t.Context(), f, s); again != nil && !errors.Is(again, inventory.ErrExists) {
		f.t.Fatalf("called again: %v", again)
	}
	s.done(f, s)
	f.noLeftovers(s)
	return reached
}

type crashed struct{}

// try makes the scenario's call; reached tells that it ended in the crash.
func (f *fixture) try(s *scenario) (err error, reached bool) {
	defer func() {
		if r := recover(); r != nil {
			if _, ok := r.(crashed); !ok {
				panic(r)
			}
			reached = true
		}
	}()
	return s.act(f.t.Context(), f, s), false
}

// noLeftovers ends the test if the pool lists what no scenario asked for.
func (f *fixture) noLeftovers(s *scenario) {
	f.t.Helper()
	f.ok(f.Delete(f.t.Context(), s.id))
	f.ok(f.Delete(f.t.Context(), s.other))
	f.ok(f.DeleteImage(f.t.Context(), s.digest))
	list, err := f.List(f.t.Context())
	f.ok(err)
	if len(list.Volumes)+len(list.Snapshots) > 0 || len(list.Images) != 1 {
		f.t.Fatalf("left: %+v", list)
	}
}
