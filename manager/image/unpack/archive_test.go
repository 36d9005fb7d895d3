package unpack_test

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ulikunitz/xz"

	"lodge/inventory"
	"lodge/manager/image/unpack"
	"lodge/packaging/need"
)

// An item is one entry of a test archive.
type item struct {
	name string
	kind byte
	body string
	mode int64
	to   string
	uid  int
	pax  map[string]string
}

var when = time.Unix(1_700_000_000, 0)

// archive writes items as a tar.
func archive(tb testing.TB, items []item) []byte {
	tb.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, i := range items {
		h := &tar.Header{Name: i.name, Typeflag: i.kind, Mode: i.mode, Linkname: i.to, Uid: i.uid, Gid: i.uid,
			Size: int64(len(i.body)), ModTime: when, PAXRecords: i.pax, Format: tar.FormatPAX}
		if h.Typeflag == 0 {
			h.Typeflag = tar.TypeReg
		}
		if h.Mode == 0 {
			h.Mode = 0o644
		}
		if h.Typeflag == tar.TypeXGlobalHeader {
			h.Mode, h.Uid, h.Gid, h.ModTime = 0, 0, 0, time.Time{}
		}
		if err := w.WriteHeader(h); err != nil {
			tb.Fatalf("write %q: %v", i.name, err)
		}
		if _, err := w.Write([]byte(i.body)); err != nil {
			tb.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
	return b.Bytes()
}

// program is a file that a kernel would take for an amd64 program, by its header.
var program = "\x7fELF\x02\x01\x01" + strings.Repeat("\x00", 9) + "\x02\x00\x3e\x00" + strings.Repeat("x", 100)

// capNetRaw is the file capability cap_net_raw=ep (struct vfs_cap_data).
const capNetRaw = "\x01\x00\x00\x02\x00\x20\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"

// whole is a small system with one of everything that has to survive.
func whole() []item {
	return []item{
		{name: "./", kind: tar.TypeDir, mode: 0o755},
		{name: "./etc/", kind: tar.TypeDir, mode: 0o755},
		{name: "./etc/os-release", body: "NAME=Test\nID=debian\nVERSION_ID=\"12\"\n"},
		{name: "./sbin/init", mode: 0o755, body: program},
		{name: "./usr/bin/su", mode: 0o4755, body: "su"},
		{name: "./usr/bin/sg", mode: 0o2755, uid: 42, body: "sg"},
		{name: "./usr/bin/ping", mode: 0o755, body: "ping", pax: map[string]string{
			"SCHILY.xattr.security.capability": capNetRaw, "SCHILY.xattr.user.note": "a\nb",
			"SCHILY.xattr.trusted.overlay.opaque": "y", "SCHILY.xattr.security.selinux": "x"}},
		{name: "./usr/bin/ping6", kind: tar.TypeLink, to: "./usr/bin/ping"},
		{name: "./bin", kind: tar.TypeSymlink, to: "usr/bin"},
		{name: "./etc/mtab", kind: tar.TypeSymlink, to: "/proc/self/mounts"},
		{name: "./run/pipe", kind: tar.TypeFifo, mode: 0o620, uid: 7},
		{name: "./tmp/", kind: tar.TypeDir, mode: 0o1777},
		{name: "./dev/null", kind: tar.TypeChar, mode: 0o666},
		{name: "./dev/fd", kind: tar.TypeSymlink, to: "/proc/self/fd"},
		{name: "./usr/share/Főtanúsítvány.crt", body: "x"},
		{name: "./" + strings.Repeat("long/", 30) + "file", body: "deep"},
		{name: "./var/hole", body: strings.Repeat("\x00", 1<<20) + "end"},
	}
}

// system is the least that passes for a whole system.
func system(more ...item) []item {
	return append([]item{{name: "sbin/init", mode: 0o755, body: program}}, more...)
}

var hostile = []struct {
	name    string
	entries []item
	says    string
}{
	{"parent in a path", system(item{name: "a/../../x", body: "x"}), "leads out"},
	{"parent alone", system(item{name: "..", kind: tar.TypeDir}), "leads out"},
	{"through a link out", system(item{name: "out", kind: tar.TypeSymlink, to: "/etc"}, item{name: "out/passwd", body: "x"}), "no directory"},
	{"through a relative link", system(item{name: "a/out", kind: tar.TypeSymlink, to: "../../.."}, item{name: "a/out/x", body: "x"}), "no directory"},
	{"through a link inside", system(item{name: "b/", kind: tar.TypeDir}, item{name: "l", kind: tar.TypeSymlink, to: "b"}, item{name: "l/x", body: "x"}), "no directory"},
	{"directory over a link", system(item{name: "l", kind: tar.TypeSymlink, to: "/tmp"}, item{name: "l/", kind: tar.TypeDir}), "something else"},
	{"file over a directory", system(item{name: "d/", kind: tar.TypeDir}, item{name: "d", body: "x"}), "something else"},
	{"below a file", system(item{name: "f", body: "x"}, item{name: "f/g", body: "x"}), "no directory"},
	{"hard link out", system(item{name: "h", kind: tar.TypeLink, to: "../../etc/shadow"}), "no file of the archive"},
	{"hard link to the host's file", system(item{name: "h", kind: tar.TypeLink, to: "/etc/shadow"}), "no file of the archive"},
	{"hard link through a link", system(item{name: "l", kind: tar.TypeSymlink, to: "/etc"}, item{name: "h", kind: tar.TypeLink, to: "l/shadow"}), "no file of the archive"},
	{"hard link to a directory", system(item{name: "d/", kind: tar.TypeDir}, item{name: "h", kind: tar.TypeLink, to: "d"}), "the directory"},
	{"hard link to what comes later", system(item{name: "h", kind: tar.TypeLink, to: "z"}, item{name: "z", body: "x"}), "before it"},
	{"character device", system(item{name: "disk", kind: tar.TypeChar}), "device node"},
	{"block device", system(item{name: "a/sda", kind: tar.TypeBlock}), "device node"},
	{"newline in a name", system(item{name: "a\nb", body: "x"}), "control character"},
	{"escape in a name", system(item{name: "a\x1b[2Jb", body: "x"}), "control character"},
	{"long name", system(item{name: strings.Repeat("n", 256), body: "x"}), "at most 255"},
	{"long path", system(item{name: strings.Repeat("abcdefgh/", 300) + "x", body: "x"}), "too long"},
	{"deep path", system(item{name: strings.Repeat("d/", 80) + "x", body: "x"}), "directories deep"},
	{"ids of the host", system(item{name: "x", uid: 1_000_000, body: "x"}), "ids have to be"},
	{"many attributes", system(item{name: "x", body: "x", pax: map[string]string{"SCHILY.xattr.user.a": strings.Repeat("v", 4000)}}), "extended attributes"},
	{"odd capability", system(item{name: "x", body: "x", pax: map[string]string{"SCHILY.xattr.security.capability": "short"}}), "file capabilities"},
	{"capability of another root", system(item{name: "x", body: "x", pax: map[string]string{"SCHILY.xattr.security.capability": capNetRaw[:3] + "\x03" + capNetRaw[4:] + "\x01\x00\x00\x00"}}), "file capabilities"},
	{"root is a file", []item{{name: ".", kind: tar.TypeSymlink, to: "/etc"}}, "no directory"},
	{"empty link", system(item{name: "l", kind: tar.TypeSymlink, to: ""}), "no link can"},
	{"no init", []item{{name: "etc/passwd", body: "x"}}, "no /sbin/init"},
	{"init is a link out", []item{{name: "sbin/init", kind: tar.TypeSymlink, to: "/../../../bin/sh"}}, "no /sbin/init"},
	{"init is no program", []item{{name: "sbin/init", mode: 0o755, body: "hello"}}, "a program for Linux"},
	{"nothing", nil, "holds nothing"},
}

// TestHostileArchives: each is refused with a sentence, and what lies beside the tree is as before.
func TestHostileArchives(t *testing.T) {
	need.Root(t)
	for _, c := range hostile {
		t.Run(c.name, func(t *testing.T) {
			_, err := unpackBytes(t, archive(t, c.entries), unpack.Limits{})
			if !errors.Is(err, inventory.ErrInvalid) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %v, want a refusal that says %q", err, c.says)
			}
		})
	}
}

// unpackBytes unpacks raw into a fresh directory, and checks that its neighbour is untouched.
func unpackBytes(t *testing.T, raw []byte, l unpack.Limits) (unpack.Report, error) {
	t.Helper()
	base := t.TempDir()
	canary := filepath.Join(base, "canary")
	dir := filepath.Join(base, "tree")
	if err := os.WriteFile(canary, []byte("before"), 0o666); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	r, err := unpack.Run(context.Background(), unpack.Job{Dir: dir, Source: bytes.NewReader(raw), Inspect: true, Limits: l, Archive: &bytes.Buffer{}})
	if text, _ := os.ReadFile(canary); string(text) != "before" {
		t.Error("a file beside the tree changed")
	}
	if all, _ := os.ReadDir(base); len(all) != 2 {
		t.Errorf("there are %d things beside the tree, want 2", len(all))
	}
	return r, err
}

// TestDamagedArchives: what is cut off, followed by something, or not what it says.
func TestDamagedArchives(t *testing.T) {
	need.Root(t)
	good := archive(t, system(item{name: "x", body: strings.Repeat("data", 1000)}))
	bad := bytes.Clone(good)
	bad[600] ^= 0xff // in the header of the first entry's pax record or name
	for _, c := range []struct {
		name string
		raw  []byte
		says string
	}{
		{"empty", nil, "empty"},
		{"without its end", good[:len(good)-1024], "cut off"},
		{"with half its end", good[:len(good)-512], "cut off"},
		{"in a body", good[:len(good)-3000], "cut off"},
		{"in a header", good[:700], "cut off"},
		{"followed by bytes", append(bytes.Clone(good), "tail"...), "followed by something"},
		{"followed by another archive", append(bytes.Clone(good), good...), "followed by something"},
		{"text", []byte(strings.Repeat("this is no archive ", 200)), "no tar"},
		{"gzip of nothing", []byte("\x1f\x8b\x08\x00"), "decompressed"},
		{"zstd of nothing", []byte("\x28\xb5\x2f\xfd\xff\xff\xff\xff\xff"), ""},
		{"xz of nothing", []byte("\xfd7zXZ\x00\x00\x00"), ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := unpackBytes(t, c.raw, unpack.Limits{})
			if !errors.Is(err, inventory.ErrInvalid) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %v, want a refusal that says %q", err, c.says)
			}
		})
	}
}

// TestLimits: an archive that unfolds into more than is allowed is stopped.
func TestLimits(t *testing.T) {
	need.Root(t)
	raw := archive(t, system(item{name: "big", body: strings.Repeat("\x00", 1<<20)}, item{name: "big2", body: strings.Repeat("b", 1<<20)}))
	for _, c := range []struct {
		name   string
		change func(l *unpack.Limits)
		says   string
	}{
		{"bytes of one file", func(l *unpack.Limits) { l.Bytes = 1000 }, "at most 1000"},
		{"bytes of all files", func(l *unpack.Limits) { l.Bytes = 3 << 19 }, "more than"},
		{"bytes of the stream", func(l *unpack.Limits) { l.Stream = 1 << 20 }, "unfolds"},
		{"entries", func(l *unpack.Limits) { l.Entries = 2 }, "more than 2 entries"},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := unpack.DefaultLimits
			c.change(&l)
			_, err := unpackBytes(t, raw, l)
			if !errors.Is(err, inventory.ErrInvalid) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %v, want a refusal that says %q", err, c.says)
			}
		})
	}
}

// TestGreedyDictionary: an xz archive that asks for 4 GiB of memory ends as a sentence.
func TestGreedyDictionary(t *testing.T) {
	need.Root(t)
	var b bytes.Buffer
	w, err := xz.NewWriter(&b)
	if err != nil {
		t.Fatal(err)
	}
	w.Write(archive(t, whole()))
	w.Close()
	raw := b.Bytes()
	// The block header follows 12 bytes of stream header: size, flags, filter, property size, the
	// dictionary's size, padding and a CRC32 (the .xz file format, 3.1).
	header := raw[12 : 12+(int(raw[12])+1)*4]
	header[4] = 40 // 4 GiB - 1
	binary.LittleEndian.PutUint32(header[len(header)-4:], crc32.ChecksumIEEE(header[:len(header)-4]))
	if _, err := unpackBytes(t, raw, unpack.Limits{}); !errors.Is(err, inventory.ErrInvalid) {
		t.Errorf("got %v, want a refusal", err)
	} else {
		t.Log(err)
	}
}
