package unpack_test

import (
	"archive/tar"
	"errors"
	"strings"
	"testing"

	"lodge/inventory"
	"lodge/manager/image/unpack"
	"lodge/packaging/need"
)

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
		{"output of commands is a link", backup(item{name: "backup/container/exec-output", kind: tar.TypeSymlink, to: "/etc"}), "has no place"},
		{"logs are a link", backup(item{name: "backup/container/logs", kind: tar.TypeSymlink, to: "/etc"}), "has no place"},
		{"output of a command", backup(item{name: "backup/container/exec-output/x.stdout", kind: tar.TypeSymlink, to: "/etc/cron.d/x"}), "has no place"},
		{"beside a backup", backup(item{name: "etc/passwd", body: "x"}), "has no place"},
	},
	// CVE-2026-23954, -33897: template paths and sources outside, in an engine that ran as root.
	"TemplatePaths": {
		{"target with parents", []item{{name: "metadata.yaml", body: "templates:\n  /../../etc/cron.d/x: {template: a.tpl}\n"}}, "no plain path"},
		{"relative target", []item{{name: "metadata.yaml", body: "templates:\n  etc/x: {template: a.tpl}\n"}}, "no plain path"},
		{"source with parents", []item{{name: "metadata.yaml", body: "templates:\n  /etc/x: {template: ../../../etc/shadow}\n"}}, "lies outside of templates/"},
		{"absolute source", []item{{name: "metadata.yaml", body: "templates:\n  /etc/x: {template: /etc/shadow}\n"}}, "lies outside of templates/"},
		{"source through a link", image(item{name: "templates/l", kind: tar.TypeSymlink, to: "/"}, item{name: "templates/l/etc/shadow", body: "x"}), "plain file"},
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
	need.Root(t)
	for _, c := range published[class] {
		t.Run(c.name, func(t *testing.T) {
			_, err := unpackBytes(t, archive(t, c.entries), unpack.Limits{})
			if !errors.Is(err, inventory.ErrInvalid) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %v, want a refusal that says %q", err, c.says)
			}
		})
	}
}

func TestCVE_2026_48749_Links(t *testing.T)            { testPublished(t, "RootfsAndTemplateLinks") }
func TestCVE_2026_23954_Templates(t *testing.T)        { testPublished(t, "TemplatePaths") }
func TestCVE_2026_41685_Exhaustion(t *testing.T)       { testPublished(t, "Exhaustion") }
func TestCVE_2026_48749_Duplicates(t *testing.T)       { testPublished(t, "Duplicates") }
func TestCVE_2025_64507_DevicesAndOwners(t *testing.T) { testPublished(t, "DevicesAndOwners") }
func TestCVE_2026_48755_PoolFormats(t *testing.T)      { testPublished(t, "OtherKinds") }
