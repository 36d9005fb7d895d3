package store_test

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"gopkg.in/yaml.v3"

	"lodge/inventory"
	"lodge/inventory/store"
	"lodge/manager/gate"
)

// A table that comes with a migration has to say how it comes back after the database is lost.
func TestEveryTableIsCopiedOrNot(t *testing.T) {
	known := append(slices.Clone(store.CopiedTables()), store.NotCopied...)
	slices.Sort(known)
	have := slices.DeleteFunc(tables(open(t)), func(name string) bool { return name == "schema_versions" })
	slices.Sort(have)
	if diff := cmp.Diff(have, known); diff != "" {
		t.Errorf("tables, and those that copies or notCopied in copy.go name: %s", diff)
	}
}

// throughFile is what becomes of a copy that was written and read again.
func throughFile(t *testing.T, c inventory.Copy) inventory.Copy {
	t.Helper()
	raw, err := yaml.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	var back inventory.Copy
	if err := yaml.Unmarshal(raw, &back); err != nil {
		t.Fatal(err)
	}
	return back
}

// lived makes a store with some history: two containers, one of them changed, with a snapshot,
// one in the trash, an image, a network, settings.
func lived(t *testing.T) (*bench, []inventory.Copy, inventory.Copy) {
	b, ctx := open(t), context.Background()
	b.tenant("shop")
	quota(b, "shop", inventory.QuotaDisk, 5)
	web, db := b.container("web1"), b.container("db1")
	for _, c := range []*inventory.Container{web, db} {
		b.end(gate.Ending{ID: b.admit(b.admission("container.create", nil, c)).ID})
	}
	before, err := b.Container(ctx, web.Ref())
	check(t, err)
	after := before.Clone()
	after.Owner, after.Settings = "bob", map[string]string{"memory": "2GiB", "note": "1e3"}
	b.end(gate.Ending{ID: b.admit(b.admission("container.update", before, after)).ID})
	check(t, b.AddSnapshot(ctx, inventory.Snapshot{Container: web.ID, Name: "s1", CreatedAt: b.clock(),
		Config: before}))
	check(t, b.SetHostSettings(ctx, map[string]string{"image.mirror": "http://mirror.example"}, nil))
	check(t, b.SetMeta(ctx, "boot", "0123"))
	check(t, b.AddDeadline(ctx, inventory.Deadline{ID: "d1", Due: b.clock().Add(time.Hour),
		Verb: "container.delete", Container: web.ID, Missed: inventory.MissedRun}))
	host, err := b.CopyHost(ctx)
	check(t, err)
	var all []inventory.Copy
	for _, c := range []*inventory.Container{web, db} {
		one, err := b.CopyContainer(ctx, c.ID)
		check(t, err)
		all = append(all, throughFile(t, one))
	}
	return b, all, throughFile(t, host)
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Every row of every copied table comes back as it was.
func TestRebuild(t *testing.T) {
	b, all, host := lived(t)
	cfg := b.config()
	cfg.Path = filepath.Join(t.TempDir(), "again.db")
	refused, err := store.Rebuild(context.Background(), cfg, host, all)
	if err != nil || len(refused) > 0 {
		t.Fatal(err, refused)
	}
	again := openAt(t, cfg.Path)
	if diff := cmp.Diff(copiedRows(b), copiedRows(again)); diff != "" {
		t.Error(diff)
	}
	was, _ := b.LastEvent(context.Background())
	if now, _ := again.LastEvent(context.Background()); now <= was {
		t.Errorf("events go on at %d, and %d was given before", now, was)
	}
	if _, err := store.Rebuild(context.Background(), cfg, host, all); !errors.Is(err, inventory.ErrExists) {
		t.Errorf("a second rebuild over the first: %v", err)
	}
}

// copiedRows is the dump without what recovery leaves empty, and without the numbers of address
// rows, which mean nothing.
func copiedRows(b *bench) []string {
	var out []string
	for _, line := range b.dump() {
		table, _, _ := strings.Cut(line, " ")
		if slices.Contains(store.CopiedTables(), table) {
			out = append(out, line)
		}
	}
	if len(out) == 0 {
		b.t.Fatal("the dump has no rows of copied tables: ", b.dump())
	}
	return out
}

func TestRebuildWithoutTheHost(t *testing.T) {
	b, all, _ := lived(t)
	cfg := b.config()
	cfg.Path = filepath.Join(t.TempDir(), "again.db")
	refused, err := store.Rebuild(context.Background(), cfg, inventory.Copy{}, all)
	if err != nil || len(refused) > 0 {
		t.Fatal(err, refused)
	}
	again := openAt(t, cfg.Path)
	if again.host != b.host {
		t.Errorf("the host has become %s, it was %s", again.host, b.host)
	}
}

// One bad copy costs nobody else.
func TestRebuildRefuses(t *testing.T) {
	b, all, host := lived(t)
	for name, spoil := range map[string]func(c *inventory.Copy){
		"another schema": func(c *inventory.Copy) { c.Schema++ },
		"an unknown column": func(c *inventory.Copy) {
			c.Tables["containers"][0][`id" --`] = "x"
		},
		"a name twice": func(c *inventory.Copy) {
			c.Tables["containers"][0]["id"], c.Tables["containers"][0]["name"] = "other", "db1"
		},
	} {
		t.Run(name, func(t *testing.T) {
			bad := throughFile(t, all[0])
			spoil(&bad)
			cfg := b.config()
			cfg.Path = filepath.Join(t.TempDir(), "again.db")
			refused, err := store.Rebuild(context.Background(), cfg, host, []inventory.Copy{all[1], bad})
			if err != nil || len(refused) != 1 || refused[1] == nil {
				t.Fatal(err, refused)
			}
			left, err := openAt(t, cfg.Path).Containers(context.Background(), store.ContainerQuery{All: true})
			if err != nil || len(left) != 1 || left[0].Name != "db1" {
				t.Errorf("%v %v", left, err)
			}
		})
	}
}
