package unpack_test

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"lodge/inventory"
	"lodge/manager/image/unpack"
	"lodge/packaging/need"
)

// squash makes a squashfs of a directory with the kernel's own tool.
func squash(tb testing.TB, dir string, options ...string) string {
	tb.Helper()
	need.Program(tb, "mksquashfs")
	file := filepath.Join(tb.TempDir(), "root.squashfs")
	args := append([]string{dir, file, "-noappend", "-quiet", "-no-progress", "-processors", "1"}, options...)
	if out, err := exec.Command("mksquashfs", args...).CombinedOutput(); err != nil {
		tb.Fatalf("mksquashfs: %v\n%s", err, out)
	}
	return file
}

func unpackSquash(t *testing.T, file string, from int64, source *bytes.Reader) (string, unpack.Report, error) {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	dir := t.TempDir()
	var out bytes.Buffer
	job := unpack.Job{Dir: dir, Squash: f, SquashFrom: from, Metadata: from, Inspect: true, Archive: &out}
	if source != nil {
		job.Source = source
	}
	r, err := unpack.Run(context.Background(), job)
	return out.String(), r, err
}

// TestSquashfs: a squashfs of a tree gives the archive that the tree itself gives, whatever it is
// packed with and however its files lie in it.
func TestSquashfs(t *testing.T) {
	need.Root(t)
	items := append(whole(), item{name: "usr/big", body: strings.Repeat("0123456789abcdef", 300_000)},
		item{name: "usr/sparse", body: strings.Repeat("\x00", 3<<20)}, item{name: "usr/empty"}, item{name: "usr/odd", body: strings.Repeat("q", 131073)})
	for n := range 600 { // a directory of several blocks, and fragments of many files
		items = append(items, item{name: "usr/many/" + strings.Repeat("name", 10) + string(rune('a'+n%26)) + strings.Repeat("x", n%50) + string(rune('a'+n/26)), body: strings.Repeat("c", n*7)})
	}
	dir, _, want := digestOf(t, archive(t, items))
	if err := unix.Setxattr(filepath.Join(dir, "usr"), "user.dir", []byte(strings.Repeat("v", 900)), 0); err != nil {
		t.Fatal(err)
	}
	if err := unix.Setxattr(filepath.Join(dir, "usr/big"), "user.dir", []byte(strings.Repeat("v", 900)), 0); err != nil {
		t.Fatal(err)
	}
	var again bytes.Buffer
	if _, err := unpack.Run(context.Background(), unpack.Job{Dir: dir, Archive: &again, Inspect: true}); err != nil {
		t.Fatal(err)
	}
	if bytes.Equal(again.Bytes(), want) {
		t.Fatal("the attributes are not in the archive")
	}
	for _, options := range [][]string{{"-comp", "gzip"}, {"-comp", "xz"}, {"-comp", "zstd"}, {"-b", "4096"}, {"-b", "1048576", "-comp", "zstd"},
		{"-no-fragments"}, {"-noI", "-noD", "-noF", "-noX"}, {"-always-use-fragments"}} {
		t.Run(strings.Join(options, " "), func(t *testing.T) {
			got, r, err := unpackSquash(t, squash(t, dir, options...), 0, nil)
			if err != nil {
				t.Fatal(err)
			}
			if got != again.String() {
				t.Errorf("the tree differs: %d bytes, want %d", len(got), again.Len())
			}
			if r.Metadata == nil || r.Metadata.Layout != unpack.LayoutRootfs {
				t.Errorf("metadata %+v", r.Metadata)
			}
		})
	}
}

// TestSplitSquashfs is how image servers have them: metadata in a tar, files in a squashfs.
func TestSplitSquashfs(t *testing.T) {
	need.Root(t)
	dir, _, _ := digestOf(t, archive(t, system()))
	metadata := archive(t, image()[:1])
	raw, err := os.ReadFile(squash(t, dir))
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "both")
	if err := os.WriteFile(file, append(bytes.Clone(metadata), raw...), 0o600); err != nil {
		t.Fatal(err)
	}
	_, r, err := unpackSquash(t, file, int64(len(metadata)), bytes.NewReader(metadata))
	if err != nil || r.Metadata.Layout != unpack.LayoutSplit || r.Metadata.Description != "a test" {
		t.Errorf("got %+v, %v", r.Metadata, err)
	}
}

// TestHostileSquashfs: what may not be in a tar may not be in a squashfs; what the kernel would
// stumble over is refused.
func TestHostileSquashfs(t *testing.T) {
	need.Root(t)
	dir, _, _ := digestOf(t, archive(t, system(item{name: "etc/x", body: "x"})))
	device := filepath.Join(dir, "etc", "disk")
	good, err := os.ReadFile(squash(t, dir))
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]struct {
		to   func(b []byte) []byte
		says string
	}{
		"cut off":            {func(b []byte) []byte { return b[:binary.LittleEndian.Uint64(b[40:])-1] }, "cut off"},
		"head alone":         {func(b []byte) []byte { return b[:96] }, "cut off"},
		"lzo":                {func(b []byte) []byte { b[20] = 3; return b }, "packed with lzo"},
		"version 3":          {func(b []byte) []byte { b[28] = 3; return b }, "version 4.0"},
		"blocks of 3 bytes":  {func(b []byte) []byte { b[12] = 3; return b }, "blocks of"},
		"blocks of 16 MiB":   {func(b []byte) []byte { binary.LittleEndian.PutUint32(b[12:], 16<<20); return b }, "blocks of"},
		"inodes beyond":      {func(b []byte) []byte { binary.LittleEndian.PutUint64(b[64:], 1<<40); return b }, "damaged"},
		"root beyond":        {func(b []byte) []byte { binary.LittleEndian.PutUint64(b[32:], 1<<40); return b }, "damaged"},
		"a billion inodes":   {func(b []byte) []byte { binary.LittleEndian.PutUint32(b[4:], 1<<30); return b }, "more than"},
		"larger than itself": {func(b []byte) []byte { binary.LittleEndian.PutUint64(b[40:], 1<<40); return b }, "cut off"},
	} {
		t.Run(name, func(t *testing.T) { refusedSquash(t, change.to(bytes.Clone(good)), change.says) })
	}
	t.Run("device", func(t *testing.T) {
		if err := unix.Mknod(device, unix.S_IFBLK|0o600, 0x700); err != nil {
			t.Fatal(err)
		}
		raw, err := os.ReadFile(squash(t, dir))
		if err != nil {
			t.Fatal(err)
		}
		refusedSquash(t, raw, "device node")
	})
	t.Run("ids of the host", func(t *testing.T) {
		os.Remove(device)
		raw, err := os.ReadFile(squash(t, dir, "-force-uid", "100000"))
		if err != nil {
			t.Fatal(err)
		}
		refusedSquash(t, raw, "ids have to be")
	})
}

// TestDamagedSquashfs: whatever byte is another, reading ends, and nothing passes that may not.
func TestDamagedSquashfs(t *testing.T) {
	for _, name := range []string{"gzip", "xz", "zstd", "plain"} {
		good, err := os.ReadFile("testdata/" + name + ".squashfs")
		if err != nil {
			t.Fatal(err)
		}
		l := unpack.DefaultLimits
		l.Stream, l.Bytes, l.Entries = 4<<20, 4<<20, 10_000
		n := 0
		if err := unpack.ReadSquashfs(good, l, func(string, int64) { n++ }); err != nil || n != 8 {
			t.Errorf("%s: %d entries, %v", name, n, err)
		}
		for at := 0; at < len(good); at += 1 + at/100 { // the head whole, then samples
			bad := bytes.Clone(good)
			for _, value := range []byte{0, 0xff, bad[at] ^ 1, bad[at] + 16} {
				bad[at] = value
				unpack.ReadSquashfs(bad, l, func(path string, _ int64) { checkPath(t, path) })
			}
		}
	}
}

func refusedSquash(t *testing.T, raw []byte, says string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "bad")
	if err := os.WriteFile(file, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := unpackSquash(t, file, 0, nil); !errors.Is(err, inventory.ErrInvalid) || !strings.Contains(err.Error(), says) {
		t.Errorf("got %v, want a refusal that says %q", err, says)
	}
}

// TestPublishLeavesOut: a cleaned archive has nothing that makes a container one of a kind, and
// everything else.
func TestPublishLeavesOut(t *testing.T) {
	need.Root(t)
	gone := []string{"etc/ssh/ssh_host_ed25519_key", "etc/hostname", "etc/hosts", "etc/resolv.conf", "var/lib/dbus/machine-id",
		"root/.bash_history", "home/u/.zsh_history", "home/u/.cache/x", "root/.ssh/authorized_keys", "var/log/syslog", "var/log/apt/history.log",
		"var/cache/apt/archives/x.deb", "var/lib/apt/lists/index", "var/lib/cloud/instance/id", "var/lib/cloud/seed/nocloud/user-data",
		"var/lib/systemd/random-seed", "var/lib/dhcp/dhclient.leases", "tmp/left", "var/tmp/left", "run/left.pid", "root/.viminfo"}
	kept := []string{"etc/ssh/sshd_config", "etc/passwd", "srv/data", "home/u/.bashrc", "var/lib/app/state", "var/cache/debconf/config.dat", "etc/cloud/cloud.cfg"}
	items := system(item{name: "etc/machine-id", body: "0123456789abcdef0123456789abcdef\n", mode: 0o444})
	for _, name := range append(gone, kept...) {
		items = append(items, item{name: name, body: name})
	}
	dir, _, _ := digestOf(t, archive(t, items))
	var out bytes.Buffer
	if _, err := unpack.Run(context.Background(), unpack.Job{Dir: dir, Archive: &out, Clean: true}); err != nil {
		t.Fatal(err)
	}
	have := map[string]*tar.Header{}
	for _, h := range headers(t, out.Bytes()) {
		have[h.Name] = h
	}
	for _, name := range gone {
		if have[name] != nil {
			t.Errorf("%s is in the image", name)
		}
	}
	for _, name := range append(kept, "var/log/", "var/log/apt/", "tmp/") {
		if have[name] == nil {
			t.Errorf("%s is not in the image", name)
		}
	}
	if h := have["etc/machine-id"]; h == nil || h.Size != 0 {
		t.Errorf("the machine id: %+v", h)
	}
	if text, err := os.ReadFile(filepath.Join(dir, "etc/machine-id")); err != nil || len(text) == 0 {
		t.Errorf("the container itself changed: %q, %v", text, err)
	}
	if found, err := unpack.Lint(os.DirFS(extracted(t, out.Bytes()))); err != nil || len(found) > 0 {
		t.Errorf("the linter finds %v, %v", found, err)
	}
}

func extracted(t *testing.T, raw []byte) string {
	t.Helper()
	dir, _, _ := digestOf(t, raw)
	return dir
}
