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
	requireRoot(t)
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
	requireRoot(t)
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

// The classes of attacks on Incus' import of images and backups that were published in 2025 and
// 2026. Each archive is refused with a sentence, or what would be read or written outside is not.
var published = map[string][]struct {
	name    string
	entries []item
	says    string
}{
	// GHSA-2q3f, GHSA-vxp5, CVE-2026-48749, -48750, -48752: rootfs, templates and documents that are
	// links, followed on the host by whoever unpacks or reads them.
	"RootfsAndTemplateLinks": {
		{"rootfs is a link", []item{{name: "metadata.yaml", body: metadataYAML}, {name: "rootfs", kind: tar.TypeSymlink, to: "/"}}, "has to be a directory"},
		{"rootfs becomes a link", image(item{name: "rootfs", kind: tar.TypeSymlink, to: "/etc"}), "has to be a directory"},
		{"templates is a link", image(item{name: "templates", kind: tar.TypeSymlink, to: "/etc"}), "has to be a directory"},
		{"a template is a link", image(item{name: "templates/shadow.tpl", kind: tar.TypeSymlink, to: "/etc/shadow"}), "has to be a plain file"},
		{"a template is a hard link", image(item{name: "templates/x", kind: tar.TypeLink, to: "/etc/shadow"}), "has to be a plain file"},
		{"a template is a device", image(item{name: "templates/x", kind: tar.TypeBlock}), "has to be a plain file"},
		{"metadata.yaml is a link", []item{{name: "rootfs/sbin/init", body: program}, {name: "metadata.yaml", kind: tar.TypeSymlink, to: "/etc/shadow"}}, "has to be a plain file"},
		{"a backup's rootfs is a link", backup(item{name: "backup/container/rootfs", kind: tar.TypeSymlink, to: "/"}), "has to be a directory"},
		{"a backup's container is a link", backup(item{name: "backup/container", kind: tar.TypeSymlink, to: "/etc"}), "has to be a directory"},
		{"a backup's templates are a link", backup(item{name: "backup/container/templates", kind: tar.TypeSymlink, to: "/etc"}), "has to be a directory"},
		{"index.yaml is a link", []item{{name: "backup/index.yaml", kind: tar.TypeSymlink, to: "/etc/shadow"}}, "has to be a plain file"},
		{"backup.yaml is a link", []item{{name: "backup/container/backup.yaml", kind: tar.TypeSymlink, to: "/etc/shadow"}}, "has to be a plain file"},
		{"below a link in rootfs", image(item{name: "rootfs/l", kind: tar.TypeSymlink, to: "/etc"}, item{name: "rootfs/l/cron.d/x", body: "x"}), "no directory"},
		{"hard link out of rootfs", image(item{name: "rootfs/h", kind: tar.TypeLink, to: "metadata.yaml"}), "no file of its root file system"},
		{"hard link to the host", image(item{name: "rootfs/h", kind: tar.TypeLink, to: "/etc/shadow"}), "no file of its root file system"},
		{"hard link with parents", image(item{name: "rootfs/h", kind: tar.TypeLink, to: "rootfs/../../etc/shadow"}), "no file of its root file system"},
		{"hard link to another snapshot", backup(item{name: "backup/container/rootfs/h", kind: tar.TypeLink, to: "backup/snapshots/s0/rootfs/etc/old"}), "no file of its root file system"},
		{"out of rootfs", image(item{name: "rootfs/../../x", body: "x"}), "leads out"},
		{"out of a backup", backup(item{name: "backup/container/../../../x", body: "x"}), "leads out"},
		{"beside the layout", image(item{name: "etc/passwd", body: "x"}), "has no place"},
		{"beside a backup", backup(item{name: "etc/passwd", body: "x"}), "has no place"},
	},
	// CVE-2026-23954, -33897: template paths and sources outside, in an engine that ran as root.
	"TemplatePaths": {
		{"target with parents", []item{{name: "metadata.yaml", body: "templates:\n  /../../etc/cron.d/x: {template: a.tpl}\n"}}, "no plain path"},
		{"relative target", []item{{name: "metadata.yaml", body: "templates:\n  etc/x: {template: a.tpl}\n"}}, "no plain path"},
		{"source with parents", []item{{name: "metadata.yaml", body: "templates:\n  /etc/x: {template: ../../../etc/shadow}\n"}}, "lies outside of templates/"},
		{"absolute source", []item{{name: "metadata.yaml", body: "templates:\n  /etc/x: {template: /etc/shadow}\n"}}, "lies outside of templates/"},
		{"source in a folder outside", []item{{name: "metadata.yaml", body: "templates:\n  /etc/x: {template: a/../../b}\n"}}, "lies outside of templates/"},
	},
	// CVE-2026-41685: uploads that use up memory, disk or time.
	"Exhaustion": {
		{"a document of gigabytes", image(item{name: "templates/big", body: strings.Repeat("x", 2<<20)}), "at most 1048576"},
		{"metadata of megabytes", []item{{name: "metadata.yaml", body: strings.Repeat("x", 2<<20)}}, "at most 1048576"},
		{"an index of megabytes", []item{{name: "backup/index.yaml", body: strings.Repeat("x", 2<<20)}}, "at most 1048576"},
		{"YAML that multiplies itself", []item{{name: "metadata.yaml", body: bomb()}}, "can't be read"},
		{"YAML nested without end", []item{{name: "metadata.yaml", body: strings.Repeat("[", 100_000)}}, "can't be read"},
	},
	// What is in an archive twice is read once by the check and once by what acts on it.
	"Duplicates": {
		{"metadata twice", image(item{name: "metadata.yaml", body: "templates: {}"}), "twice"},
		{"metadata twice by another name", image(item{name: "./metadata.yaml", body: "templates: {}"}), "twice"},
		{"index twice", backup(item{name: "backup/index.yaml", body: "name: other"}), "twice"},
		{"a key twice", []item{{name: "metadata.yaml", body: "properties: {}\nproperties: {}\n"}}, "can't be read"},
	},
	// CVE-2025-64507 and its like: what would have rights on the host once it lies there.
	"DevicesAndOwners": {
		{"a disk", image(item{name: "rootfs/disk", kind: tar.TypeBlock}), "device node"},
		{"ids of the host", image(item{name: "rootfs/x", uid: 1_000_000, body: "x"}), "ids have to be"},
		{"capabilities of another root", image(item{name: "rootfs/x", body: "x", pax: map[string]string{
			"SCHILY.xattr.security.capability": capNetRaw[:3] + "\x03" + capNetRaw[4:] + "\x01\x00\x00\x00"}}), "file capabilities"},
	},
	// What is no container, or in a form that only a pool's own tools read (their arguments were
	// injected into: CVE-2026-48755, -62867). No tool is run on any archive here.
	"OtherKinds": {
		{"optimized", []item{{name: "backup/index.yaml", body: "name: x\noptimized: true\n"}}, "without --optimized-storage"},
		{"a pool's stream", backup(item{name: "backup/container.bin", body: "btrfs-stream"}), "without --optimized-storage"},
		{"a virtual machine", []item{{name: "backup/index.yaml", body: "name: x\ntype: virtual-machine\n"}}, "virtual-machine"},
		{"a volume", []item{{name: "backup/index.yaml", body: "name: x\ntype: custom\n"}}, "Lodge takes containers"},
		{"no index", backup()[1:], "index.yaml is missing"},
	},
}

// bomb is YAML whose aliases would unfold to 10^9 texts.
func bomb() string {
	var b strings.Builder
	b.WriteString("a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n")
	for n := '1'; n <= '9'; n++ {
		p := "*a" + string(n-1)
		b.WriteString("a" + string(n) + ": &a" + string(n) + " [" + strings.Repeat(p+",", 9) + p + "]\n")
	}
	b.WriteString("properties: {description: *a9}\n")
	return b.String()
}

func testPublished(t *testing.T, class string) {
	t.Helper()
	requireRoot(t)
	for _, c := range published[class] {
		t.Run(c.name, func(t *testing.T) {
			_, err := unpackBytes(t, archive(t, c.entries), unpack.Limits{})
			if !errors.Is(err, inventory.ErrInvalid) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %v, want a refusal that says %q", err, c.says)
			}
		})
	}
}

func TestIncus2026RootfsAndTemplateLinks(t *testing.T) { testPublished(t, "RootfsAndTemplateLinks") }
func TestIncus2026TemplatePaths(t *testing.T)          { testPublished(t, "TemplatePaths") }
func TestIncus2026Exhaustion(t *testing.T)             { testPublished(t, "Exhaustion") }
func TestIncus2026Duplicates(t *testing.T)             { testPublished(t, "Duplicates") }
func TestIncus2026DevicesAndOwners(t *testing.T)       { testPublished(t, "DevicesAndOwners") }
func TestIncus2026OtherKinds(t *testing.T)             { testPublished(t, "OtherKinds") }

// TestIncusOwnFiles: what Incus 6.0.4 itself has written arrives, with ids, setuid bits, hard links,
// capabilities and attributes.
func TestIncusOwnFiles(t *testing.T) {
	requireRoot(t)
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
