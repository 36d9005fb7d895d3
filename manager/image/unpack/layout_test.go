package unpack_test

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"os"
	"strings"
	"testing"

	"lodge/inventory"
	"lodge/manager/image/unpack"
	"lodge/packaging/need"
)

const metadataYAML = "architecture: x86_64\ncreation_date: 1700000000\nproperties:\n  description: a test\n  serial: \"1\"\n" +
	"templates:\n  /etc/hostname:\n    when: [create]\n    template: hostname.tpl\n"

// image is an image in Incus' unified layout, with more entries after it.
func image(more ...item) []item {
	return append([]item{
		{name: "metadata.yaml", body: metadataYAML}, {name: "rootfs/", kind: tar.TypeDir, mode: 0o755},
		{name: "rootfs/sbin/init", mode: 0o755, body: program}, {name: "rootfs/bin/init", kind: tar.TypeLink, to: "rootfs/sbin/init"},
		{name: "templates/", kind: tar.TypeDir, mode: 0o755}, {name: "templates/hostname.tpl", body: "{{ container.name }}"},
	}, more...)
}

const indexYAML = "name: web1\nbackend: dir\npool: default\noptimized: false\ntype: container\nconfig:\n  container:\n" +
	"    name: web1\n    config: {limits.cpu: \"2\", volatile.uuid: x}\n    devices: {root: {type: disk, path: /}}\n"

// backup is a container's export as Incus writes it, with more entries after it.
func backup(more ...item) []item {
	return append([]item{
		{name: "backup/index.yaml", body: indexYAML}, {name: "backup/snapshots/s0", kind: tar.TypeDir, mode: 0o100},
		{name: "backup/snapshots/s0/rootfs/etc/old", body: "old"},
		{name: "backup/container", kind: tar.TypeDir, mode: 0o100}, {name: "backup/container/backup.yaml", body: "container: {}\n"},
		{name: "backup/container/metadata.yaml", body: metadataYAML}, {name: "backup/container/rootfs", kind: tar.TypeDir, mode: 0o755},
		{name: "backup/container/rootfs/sbin/init", mode: 0o755, body: program},
		{name: "backup/container/rootfs/sbin/init2", kind: tar.TypeLink, to: "backup/container/rootfs/sbin/init"},
	}, more...)
}

// TestLayouts: the same files have the same digest in whichever layout they come.
func TestLayouts(t *testing.T) {
	need.Root(t)
	plain := archive(t, []item{{name: "./", kind: tar.TypeDir, mode: 0o755}, {name: "sbin/init", mode: 0o755, body: program}, {name: "bin/init", kind: tar.TypeLink, to: "sbin/init"}})
	_, want, _ := digestOf(t, plain)
	_, got, _ := digestOf(t, archive(t, image()))
	if got != want {
		t.Errorf("unified: digest %s, want %s", got, want)
	}
	reordered := image()
	reordered = append(reordered[1:], reordered[0])
	if _, got, _ = digestOf(t, archive(t, reordered)); got != want {
		t.Errorf("unified in another order: digest %s, want %s", got, want)
	}
	metadata := archive(t, []item{image()[0], image()[4], image()[5]})
	r := split(t, metadata, plain)
	if m := r.Metadata; m == nil || m.Layout != unpack.LayoutSplit || m.Description != "a test" || m.Serial != "1" || len(m.Templates) != 1 {
		t.Errorf("split: %+v", r.Metadata)
	}
	b, err := unpackBytes(t, archive(t, backup()), unpack.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	i := b.Metadata.Instance
	if i == nil || i.Name != "web1" || i.Config["limits.cpu"] != "2" || len(i.Config) != 1 || len(i.Snapshots) != 1 || b.Entries != 3 {
		t.Errorf("backup: %+v with %d entries", i, b.Entries)
	}
}

// split unpacks metadata and files in two archives.
func split(t *testing.T, metadata, files []byte) unpack.Report {
	t.Helper()
	r, err := splitInto(t, metadata, files)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func splitInto(t *testing.T, metadata, files []byte) (unpack.Report, error) {
	t.Helper()
	return unpack.Run(context.Background(), unpack.Job{Dir: t.TempDir(), Source: bytes.NewReader(append(bytes.Clone(metadata), files...)),
		Metadata: int64(len(metadata)), Inspect: true, Archive: &bytes.Buffer{}})
}

func TestSplitRefused(t *testing.T) {
	need.Root(t)
	files := archive(t, system())
	for _, c := range []struct {
		name            string
		metadata, files []byte
		says            string
	}{
		{"in the wrong order", files, archive(t, image()[:1]), "has to hold metadata.yaml"},
		{"files in the first", archive(t, image()), files, "no files"},
		{"two with metadata", archive(t, image()[:1]), archive(t, image()), "two archives with metadata"},
		{"no metadata in the first", archive(t, []item{{name: "templates/x", body: "x"}}), files, "metadata.yaml is missing"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := splitInto(t, c.metadata, c.files); !errors.Is(err, inventory.ErrInvalid) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %v, want a refusal that says %q", err, c.says)
			}
		})
	}
}

// TestIncusOwnFiles: what Incus 6.0.4 itself has written arrives, with ids, setuid bits, hard links,
// capabilities and attributes.
func TestIncusOwnFiles(t *testing.T) {
	need.Root(t)
	want := ""
	for _, name := range []string{"export", "image"} {
		raw, err := os.ReadFile("testdata/incus-6.0.4-" + name + ".tar.gz")
		if err != nil {
			t.Fatal(err)
		}
		r, err := unpackBytes(t, raw, unpack.Limits{})
		if err != nil {
			t.Fatal(name, err)
		}
		if r.OS != "tiny" || r.Init != "init" || r.Metadata.Description != "Tiny busybox" || len(r.Metadata.Templates) > 1 {
			t.Errorf("%s: %+v, %+v", name, r, r.Metadata)
		}
		_, digest, canonical := digestOf(t, raw)
		if want == "" {
			want = digest
		}
		if digest != want {
			t.Errorf("the export and the image of one container have the digests %s and %s", want, digest)
		}
		for _, h := range headers(t, canonical) {
			switch h.Name {
			case "usr/bin/ping":
				if h.PAXRecords["SCHILY.xattr.security.capability"] == "" {
					t.Errorf("%s: ping lost its capability: %v", name, h.PAXRecords)
				}
			case "usr/bin/su":
				if h.Mode != 0o4755 {
					t.Errorf("%s: su has mode %o", name, h.Mode)
				}
			case "usr/bin/su2":
				if h.Typeflag != tar.TypeLink || h.Linkname != "usr/bin/su" {
					t.Errorf("%s: su2 is %+v", name, h)
				}
			case "etc/os-release":
				if h.Uid != 33 || h.Gid != 33 {
					t.Errorf("%s: os-release belongs to %d:%d", name, h.Uid, h.Gid)
				}
			}
		}
	}
}

func headers(t *testing.T, raw []byte) (all []*tar.Header) {
	t.Helper()
	for r := tar.NewReader(bytes.NewReader(raw)); ; {
		h, err := r.Next()
		if err != nil {
			return all
		}
		all = append(all, h)
	}
}
