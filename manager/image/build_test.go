package image_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"lodge/inventory"
	"lodge/manager/image"
	"lodge/packaging/need"
)

func requireBuild(t *testing.T) {
	t.Helper()
	need.Root(t)
	need.Program(t, "mmdebstrap")
}

// TestBuild builds the first recipe from the host's own archive.
func TestBuild(t *testing.T) {
	requireBuild(t)
	b := newBench(t)
	made := b.build("debian/12")
	m, err := b.store.Image(context.Background(), "debian/12")
	if err != nil {
		t.Fatal(err)
	}
	if m.OS != "debian" || m.Release != "12" || len(m.Packages) < 100 || m.Size < 100*inventory.MiB || m.Size > 300*inventory.MiB {
		t.Errorf("got %s %s with %d packages, %s", m.OS, m.Release, len(m.Packages), m.Size)
	}
	var record image.BuildRecord
	if err := json.Unmarshal([]byte(m.Build), &record); err != nil || len(record.Archives) < 2 || record.Epoch == 0 || len(record.Tools) != 3 {
		t.Errorf("the build record is %+v, %v", record, err)
	}
	dir := b.pool.path(made)
	var st unix.Stat_t
	if err := unix.Stat(filepath.Join(dir, "usr/bin/su"), &st); err != nil || st.Uid != 0 || st.Mode&unix.S_ISUID == 0 {
		t.Errorf("su: uid %d mode %o, %v", st.Uid, st.Mode, err)
	}
	if n, err := unix.Lgetxattr(filepath.Join(dir, "usr/bin/ping"), "security.capability", make([]byte, 64)); err != nil || n < 20 {
		t.Errorf("the file capability of ping: %v", err)
	}
	if st.Mtim.Sec > record.Epoch {
		t.Errorf("a file is younger than the archive")
	}
}

// TestBuildTwice: the same archive gives the same bytes, for one recipe and with LODGE_LONG for more.
func TestBuildTwice(t *testing.T) {
	requireBuild(t)
	recipes := []string{"debian/12"}
	if os.Getenv("LODGE_LONG") == "1" {
		recipes = append(recipes, "debian/13")
	}
	for _, name := range recipes {
		first, second := newBench(t).build(name), newBench(t).build(name)
		if first != second {
			t.Errorf("%s: built %s and then %s", name, first, second)
		}
	}
}

func (b *bench) build(name string) string {
	b.t.Helper()
	made, err := b.do("image.build", inventory.BuildArgs{Recipe: name})
	need.That(b.t, !errors.Is(err, inventory.ErrUnavailable), "an archive of the distribution to build from")
	if err != nil {
		b.t.Fatal(err)
	}
	b.clean()
	m, err := b.store.Image(context.Background(), name)
	if err != nil {
		b.t.Fatal(err, made)
	}
	return m.Digest
}

func TestBuildRefusals(t *testing.T) {
	b := newBench(t)
	for _, c := range []struct {
		args inventory.BuildArgs
		kind error
	}{
		{inventory.BuildArgs{Recipe: "debian/1"}, inventory.ErrNotFound},
		{inventory.BuildArgs{Recipe: "debian/12", Alias: "a b"}, inventory.ErrInvalid},
		{inventory.BuildArgs{Recipe: "debian/12", Mirror: "ftp://x"}, inventory.ErrInvalid},
		{inventory.BuildArgs{Recipe: "debian/12", Mirror: "http://m.example/debian", Expires: "x"}, inventory.ErrInvalid},
	} {
		if _, err := b.do("image.build", c.args); !errors.Is(err, c.kind) {
			t.Errorf("%+v: %v, want %v", c.args, err, c.kind)
		}
	}
}
