package image_test

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"lodge/inventory"
	"lodge/manager/gate"
	"lodge/packaging/need"
)

// minimal is an archive of the least that passes for a system; the text tells one from another.
func minimal(t *testing.T, text string) []byte {
	t.Helper()
	program := "\x7fELF\x02\x01\x01" + strings.Repeat("\x00", 9) + "\x02\x00\x3e\x00" + strings.Repeat("x", 100)
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, f := range []struct{ name, body string }{{"sbin/init", program}, {"etc/motd", text}, {"etc/os-release", "ID=test\nVERSION_ID=1\n"}} {
		if err := w.WriteHeader(&tar.Header{Name: f.name, Mode: 0o755, Size: int64(len(f.body)), ModTime: time.Unix(1e9, 0)}); err != nil {
			t.Fatal(err)
		}
		w.Write([]byte(f.body))
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func (b *bench) load(alias, text string) (string, error) {
	b.t.Helper()
	b.upload("u1", minimal(b.t, text))
	m, err := b.do("image.import", inventory.ImportArgs{Alias: alias, Upload: "u1", Source: "my\x1b.tar", Expires: "7d"})
	return m.Digest, err
}

func TestImport(t *testing.T) {
	need.Root(t)
	b := newBench(t)
	digest, err := b.load("web/1", "one")
	if err != nil {
		t.Fatal(err)
	}
	b.clean()
	m, err := b.store.Image(context.Background(), "web/1")
	if err != nil || m.OS != "test" || m.Release != "1" || m.Architecture != "amd64" || m.Source != "import my.tar" ||
		!m.ExpiresAt.Equal(b.now.Add(7*24*time.Hour)) || !strings.Contains(m.Build, `"import_digest":"sha256:`) {
		t.Errorf("got %+v, %v", m, err)
	}
	if text, err := os.ReadFile(filepath.Join(b.pool.path(digest), "etc/motd")); err != nil || string(text) != "one" {
		t.Errorf("the pool has %q, %v", text, err)
	}
	if again, err := b.load("other", "one"); err != nil || again != digest {
		t.Errorf("the same files again: %s, %v; want %s", again, err, digest)
	}
	if next, err := b.load("web/1", "two"); err != nil || next == digest {
		t.Errorf("other files: %s, %v", next, err)
	}
	if old, err := b.store.Image(context.Background(), digest); err != nil || len(old.Aliases) != 1 {
		t.Errorf("the image that lost its alias: %+v, %v", old, err)
	}
}

// TestSameImageTwice: an image that comes again, for a while, from elsewhere, or in vain, stays what it was
// to those who have it.
func TestSameImageTwice(t *testing.T) {
	need.Root(t)
	b := newBench(t)
	bring := func(alias, expires string) (inventory.Image, error) {
		b.upload("u1", minimal(t, "same"))
		_, err := b.do("image.import", inventory.ImportArgs{Alias: alias, Upload: "u1", Source: alias + ".tar", Expires: expires})
		m, _ := b.store.Image(t.Context(), alias)
		return m, err
	}
	for _, c := range []struct {
		alias, expires string
		want           time.Time
	}{
		{"short", "1h", b.now.Add(time.Hour)}, {"longer", "2h", b.now.Add(2 * time.Hour)}, {"shorter", "5m", b.now.Add(2 * time.Hour)},
		{"ever", "", time.Time{}}, {"last", "1h", time.Time{}},
	} {
		m, err := bring(c.alias, c.expires)
		if err != nil || !m.ExpiresAt.Equal(c.want) || m.Source != "import short.tar" {
			t.Errorf("%s: expires %v, want %v; from %q, %v", c.alias, m.ExpiresAt, c.want, m.Source, err)
		}
	}
	before, _ := b.store.Image(t.Context(), "last")
	b.store.fail = errors.New("the store is gone")
	if _, err := bring("vain", "3h"); err == nil {
		t.Error("it worked without the store")
	}
	if after, _ := b.store.Image(t.Context(), "last"); !reflect.DeepEqual(before, after) {
		t.Errorf("after one that was undone it is %+v, was %+v", after, before)
	}
	b.clean()
}

// TestImportUndone: a failure at the last moment leaves everything as it was.
func TestImportUndone(t *testing.T) {
	need.Root(t)
	b := newBench(t)
	before, err := b.load("web", "one")
	if err != nil {
		t.Fatal(err)
	}
	b.store.fail = errors.New("the store is gone")
	if _, err := b.load("web", "two"); err == nil {
		t.Fatal("it worked without the store")
	}
	b.clean()
	if m, err := b.store.Image(context.Background(), "web"); err != nil || m.Digest != before {
		t.Errorf("the alias names %s, %v; want %s", m.Digest, err, before)
	}
	if left, _ := os.ReadDir(b.pool.dir); len(left) != 1 {
		t.Errorf("the pool holds %v", left)
	}
	b.store.fail = errors.New("the store is gone")
	if _, err := b.load("other", "one"); err == nil {
		t.Fatal("it worked without the store")
	}
	if _, err := os.Stat(b.pool.path(before)); err != nil {
		t.Errorf("undoing the import of a known image took it away: %v", err)
	}
}

func TestImportRefusals(t *testing.T) {
	need.Root(t)
	b := newBench(t)
	b.upload("bad", []byte("this is no archive"))
	for _, c := range []struct {
		args inventory.ImportArgs
		kind error
	}{
		{inventory.ImportArgs{Alias: "a b", Upload: "bad"}, inventory.ErrInvalid},
		{inventory.ImportArgs{Alias: "a", Upload: "../../etc/passwd"}, inventory.ErrInvalid},
		{inventory.ImportArgs{Alias: "a", Upload: "/etc/passwd"}, inventory.ErrInvalid},
		{inventory.ImportArgs{Alias: "a", Upload: ""}, inventory.ErrInvalid},
		{inventory.ImportArgs{Alias: "a", Upload: "gone"}, inventory.ErrNotFound},
		{inventory.ImportArgs{Alias: "a", Upload: "bad", Expires: "soon"}, inventory.ErrInvalid},
		{inventory.ImportArgs{Alias: "a", Upload: "bad"}, inventory.ErrInvalid},
	} {
		if _, err := b.do("image.import", c.args); !errors.Is(err, c.kind) {
			t.Errorf("%+v: %v, want %v", c.args, err, c.kind)
		}
	}
	b.clean()
}

func TestAliasAndDelete(t *testing.T) {
	need.Root(t)
	b := newBench(t)
	ctx := context.Background()
	one, err := b.load("one", "1")
	if err != nil {
		t.Fatal(err)
	}
	two, err := b.load("two", "2")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.do("image.alias", inventory.ImageArgs{Image: "one", Alias: "two"}); err != nil {
		t.Fatal(err)
	}
	if m, _ := b.store.Image(ctx, "two"); m.Digest != one {
		t.Errorf("two names %s, want %s", m.Digest, one)
	}
	if _, err := b.do("image.alias", inventory.ImageArgs{Image: "one"}); err != nil {
		t.Fatal(err)
	}
	if _, err := b.store.Image(ctx, "one"); !errors.Is(err, inventory.ErrNotFound) {
		t.Errorf("the alias that was taken away: %v", err)
	}
	for _, ref := range []string{"two", two} {
		if _, err := b.do("image.delete", inventory.ImageArgs{Image: ref}); err != nil {
			t.Fatal(err)
		}
	}
	if left, _ := os.ReadDir(b.pool.dir); len(left) != 0 {
		t.Errorf("the pool holds %v", left)
	}
	if _, err := b.do("image.delete", inventory.ImageArgs{Image: "two"}); !errors.Is(err, inventory.ErrNotFound) {
		t.Errorf("deleting what is gone: %v", err)
	}
}

// TestDeleteOneName: a name goes alone while the image has another; the last one takes the image
// with it, and so does the digest.
func TestDeleteOneName(t *testing.T) {
	need.Root(t)
	b := newBench(t)
	b.MadeFrom = func(context.Context, string) ([]string, error) { return []string{"web1", "web2"}, nil }
	digest, err := b.load("one", "1")
	if err != nil {
		t.Fatal(err)
	}
	b.name(digest, "two", "three")
	if plan := b.plan("two"); len(plan) != 1 || plan[0].Field != "alias two" || !strings.Contains(plan[0].Note, "one, three") {
		t.Errorf("the plan for one of three names: %+v", plan)
	}
	b.remove("two")
	if m, err := b.store.Image(t.Context(), digest); err != nil || !slices.Equal(slices.Sorted(slices.Values(m.Aliases)), []string{"one", "three"}) {
		t.Errorf("the image with two names left: %v, %v", m.Aliases, err)
	}
	b.remove("one")
	if plan := b.plan("three"); len(plan) != 2 || !strings.Contains(plan[0].Note, "the 2 containers made from it") {
		t.Errorf("the plan for the last name: %+v", plan)
	}
	b.remove("three")
	if left, _ := os.ReadDir(b.pool.dir); len(left) != 0 {
		t.Errorf("the pool holds %v", left)
	}
	if digest, err = b.load("one", "1"); err != nil {
		t.Fatal(err)
	}
	b.name(digest, "two")
	if plan := b.plan(digest); len(plan) != 3 {
		t.Errorf("the plan for a digest with two names: %+v", plan)
	}
	b.remove(digest)
	if _, err := b.store.Image(t.Context(), "two"); !errors.Is(err, inventory.ErrNotFound) {
		t.Errorf("a name of what is gone: %v", err)
	}
}

func (b *bench) name(digest string, aliases ...string) {
	b.t.Helper()
	for _, alias := range aliases {
		if _, err := b.do("image.alias", inventory.ImageArgs{Image: digest, Alias: alias}); err != nil {
			b.t.Fatal(err)
		}
	}
}

// plan is what deleting would change; a plan made again of what it came to is the same.
func (b *bench) plan(ref string) []inventory.EffectLine {
	b.t.Helper()
	ask := func(args any) *gate.Draft {
		raw, err := json.Marshal(args)
		if err != nil {
			b.t.Fatal(err)
		}
		d, err := b.verb("image.delete").Prepare(b.t.Context(), &gate.Request{Verb: "image.delete", Args: raw})
		if err != nil {
			b.t.Fatal(err)
		}
		return d
	}
	first := ask(inventory.ImageArgs{Image: ref})
	if again := ask(first.Args); !reflect.DeepEqual(first, again) {
		b.t.Errorf("the plan made again is %+v, was %+v", again, first)
	}
	return first.Effects
}

func (b *bench) remove(ref string) {
	b.t.Helper()
	if _, err := b.do("image.delete", inventory.ImageArgs{Image: ref}); err != nil {
		b.t.Fatal(err)
	}
}

func TestExpired(t *testing.T) {
	b := newBench(t)
	b.store.rows["a"] = inventory.Image{Digest: "a", ExpiresAt: b.now}
	b.store.rows["b"] = inventory.Image{Digest: "b", ExpiresAt: b.now.Add(time.Second)}
	b.store.rows["c"] = inventory.Image{Digest: "c"}
	got, err := b.Expired(context.Background())
	if err != nil || len(got) != 1 || got[0].Digest != "a" {
		t.Errorf("got %v, %v", got, err)
	}
}
