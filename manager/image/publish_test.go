package image_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"

	"lodge/inventory"
	"lodge/manager/image"
	"lodge/packaging/need"
)

// lived makes a volume that looks like a container that ran.
func (b *bench) lived(dir string) {
	b.t.Helper()
	for name, text := range map[string]string{"etc/machine-id": "0123\n", "etc/ssh/ssh_host_rsa_key": "secret", "root/.bash_history": "ls",
		"srv/data": "kept", "etc/os-release": "ID=test\nVERSION_ID=1\n", "var/log/syslog": "log"} {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
			b.t.Fatal(err)
		}
	}
	program := "\x7fELF\x02\x01\x01" + strings.Repeat("\x00", 9) + "\x02\x00\x3e\x00" + strings.Repeat("x", 100)
	if err := errors.Join(os.MkdirAll(filepath.Join(dir, "sbin"), 0o755), os.WriteFile(filepath.Join(dir, "sbin/init"), []byte(program), 0o755)); err != nil {
		b.t.Fatal(err)
	}
}

func TestPublish(t *testing.T) {
	need.Root(t)
	b := newBench(t)
	b.on = &inventory.Container{ID: "c1", Name: "web1", Project: "default", Image: "debian/12", ImageDigest: "sha256:00"}
	b.lived(b.pool.Path("c1"))
	b.lived(b.pool.SnapshotPath("c1", "monday"))
	made, err := b.do("image.publish", inventory.PublishArgs{Alias: "corp/web"})
	if err != nil {
		t.Fatal(err)
	}
	b.clean()
	m, err := b.store.Image(context.Background(), "corp/web")
	if err != nil || m.Source != "publish web1" || !strings.Contains(m.Build, `"published":{"container":"c1","name":"web1","image":"debian/12"`) {
		t.Errorf("got %+v, %v", m, err)
	}
	root := b.pool.path(made.Digest)
	for name, want := range map[string]bool{"srv/data": true, "etc/machine-id": true, "etc/ssh/ssh_host_rsa_key": false, "root/.bash_history": false, "var/log/syslog": false} {
		if _, err := os.Stat(filepath.Join(root, name)); (err == nil) != want {
			t.Errorf("%s in the image: %v, want %v", name, err == nil, want)
		}
	}
	if text, _ := os.ReadFile(filepath.Join(b.pool.Path("c1"), "root/.bash_history")); string(text) != "ls" {
		t.Error("the container itself was cleaned")
	}
	// A running one is refused, a snapshot of it is not; a name made up is the container's.
	b.observed.State = inventory.StateRunning
	if _, err := b.do("image.publish", inventory.PublishArgs{}); !errors.Is(err, inventory.ErrState) || !strings.Contains(err.Error(), "snapshot") {
		t.Errorf("of a running container: %v", err)
	}
	if _, err := b.do("image.publish", inventory.PublishArgs{Snapshot: "nope"}); !errors.Is(err, inventory.ErrNotFound) {
		t.Errorf("of a snapshot that is none: %v", err)
	}
	if _, err := b.do("image.publish", inventory.PublishArgs{Snapshot: "monday"}); err != nil {
		t.Errorf("of a snapshot: %v", err)
	}
	if _, err := b.store.Image(context.Background(), "web1"); err != nil {
		t.Errorf("the name made up: %v", err)
	}
}

// TestPublishIsLinted: what the linter of builds refuses is refused here, unless it is asked for.
func TestPublishIsLinted(t *testing.T) {
	need.Root(t)
	b := newBench(t)
	b.on = &inventory.Container{ID: "c1", Name: "web1", Project: "default"}
	b.lived(b.pool.Path("c1"))
	key := filepath.Join(b.pool.Path("c1"), "root/.ssh/id_ed25519")
	if err := errors.Join(os.MkdirAll(filepath.Dir(key), 0o700), os.WriteFile(key, []byte("-----BEGIN OPENSSH PRIVATE KEY-----\n"), 0o600)); err != nil {
		t.Fatal(err)
	}
	if _, err := b.do("image.publish", inventory.PublishArgs{Alias: "x"}); !errors.Is(err, inventory.ErrInvalid) || !strings.Contains(err.Error(), "id_ed25519: a private key") {
		t.Errorf("got %v", err)
	}
	b.clean()
	if _, err := b.do("image.publish", inventory.PublishArgs{Alias: "x", Force: true}); err != nil {
		t.Fatal(err)
	}
	if m, _ := b.store.Image(context.Background(), "x"); !strings.Contains(m.Build, "a private key") {
		t.Errorf("the record says nothing of it: %s", m.Build)
	}
}

// TestExport: what is exported is in Incus' layout, and imported again is the same image.
func TestExport(t *testing.T) {
	need.Root(t)
	b := newBench(t)
	digest, err := b.load("web/1", "one")
	if err != nil {
		t.Fatal(err)
	}
	for packing, open := range map[inventory.Packing]func(io.Reader) (io.Reader, error){
		inventory.PackGzip: func(r io.Reader) (io.Reader, error) { return gzip.NewReader(r) },
		inventory.PackXZ:   func(r io.Reader) (io.Reader, error) { return xz.NewReader(r) },
		inventory.PackZstd: func(r io.Reader) (io.Reader, error) { return zstd.NewReader(r) },
		inventory.PackNone: func(r io.Reader) (io.Reader, error) { return r, nil },
	} {
		var out bytes.Buffer
		if err := b.Export(context.Background(), "web/1", packing, &out); err != nil {
			t.Fatal(packing, err)
		}
		plain, err := open(bytes.NewReader(out.Bytes()))
		if err != nil {
			t.Fatal(packing, err)
		}
		r := tar.NewReader(plain)
		h, err := r.Next()
		if err != nil || h.Name != "metadata.yaml" {
			t.Fatalf("%s: first comes %+v, %v", packing, h, err)
		}
		text, _ := io.ReadAll(r)
		if !strings.Contains(string(text), "architecture: x86_64") || !strings.Contains(string(text), "lodge.digest: "+digest) {
			t.Errorf("metadata.yaml is\n%s", text)
		}
		b.upload("u2", out.Bytes())
		again, err := b.do("image.import", inventory.ImportArgs{Alias: "again", Upload: "u2"})
		if err != nil || again.Digest != digest {
			t.Errorf("%s: imported again it is %s, %v; want %s", packing, again.Digest, err, digest)
		}
	}
	if err := b.Export(context.Background(), "nope", inventory.PackZstd, io.Discard); !errors.Is(err, inventory.ErrNotFound) {
		t.Errorf("of none: %v", err)
	}
	if err := b.Export(context.Background(), "web/1", "rar", io.Discard); !errors.Is(err, inventory.ErrInvalid) {
		t.Errorf("packed with rar: %v", err)
	}
}

// TestIncusExport reads what Incus 6.0.4 wrote of a container, and says what is taken over.
func TestIncusExport(t *testing.T) {
	need.Root(t)
	b := newBench(t)
	raw, err := os.ReadFile("unpack/testdata/incus-6.0.4-export.tar.gz")
	if err != nil {
		t.Fatal(err)
	}
	b.upload("u1", raw)
	if _, err := b.do("image.import", inventory.ImportArgs{Alias: "was/incus", Upload: "u1", Source: "web1.tar.gz"}); err != nil {
		t.Fatal(err)
	}
	m, err := b.store.Image(context.Background(), "was/incus")
	if err != nil {
		t.Fatal(err)
	}
	var record image.BuildRecord
	if err := json.Unmarshal([]byte(m.Build), &record); err != nil {
		t.Fatal(err)
	}
	c := record.Container
	if c == nil || c.Name != "web1" || c.Labels["team"] != "shop" {
		t.Fatalf("got %+v", c)
	}
	for name, want := range map[string]string{"cpus": "2", "memory": "256MiB", "processes": "500", "security.nesting": "true", "disk": "3GiB"} {
		if c.Settings[name] != want {
			t.Errorf("%s is %q, want %q", name, c.Settings[name], want)
		}
	}
	if len(c.Settings) != 5 {
		t.Errorf("settings %v", c.Settings)
	}
	left := map[string]bool{}
	for _, l := range c.Left {
		left[l.What] = l.Why != ""
	}
	for _, want := range []string{"config boot.autostart", "config raw.lxc", "config cloud-init.user-data", "device data (disk)",
		"device px (proxy)", "device tun (unix-char)", "snapshot s0", "template hostname.tpl"} {
		if !left[want] {
			t.Errorf("%s is not said to be left out: %v", want, left)
		}
	}
}
