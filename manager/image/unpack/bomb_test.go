package unpack_test

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
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

// sparseArchive is an archive of a file with nothing in it but a hole, as GNU tar writes it.
func sparseArchive(t *testing.T, format string, size int64, files int) []byte {
	t.Helper()
	dir := t.TempDir()
	names := []string{"sbin/init"}
	if err := errors.Join(os.Mkdir(filepath.Join(dir, "sbin"), 0o755),
		os.WriteFile(filepath.Join(dir, "sbin/init"), []byte(program), 0o755)); err != nil {
		t.Fatal(err)
	}
	for n := range files {
		names = append(names, fmt.Sprintf("hole%d", n))
		f, err := os.Create(filepath.Join(dir, names[n+1]))
		if err == nil {
			err = errors.Join(f.Truncate(size), f.Close())
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	out, err := exec.Command("tar", append([]string{"-C", dir, "--sparse", "--format=" + format, "--owner=0", "--group=0", "-c"}, names...)...).Output()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestSparseBomb: a few hundred bytes that unfold to terabytes are refused by what they say they are,
// and holes that are taken stay holes.
func TestSparseBomb(t *testing.T) {
	need.Root(t)
	small := unpack.DefaultLimits
	small.Bytes = 64 << 20
	for _, format := range []string{"pax", "gnu"} {
		for what, c := range map[string]struct {
			size  int64
			files int
			says  string
		}{
			"one file": {4 << 40, 1, "at most"}, "many files": {24 << 20, 3, "more than"},
		} {
			raw := sparseArchive(t, format, c.size, c.files)
			if len(raw) > 64<<10 {
				t.Fatalf("%s: the archive has %d bytes: it is no bomb", what, len(raw))
			}
			if _, err := unpackBytes(t, raw, small); !errors.Is(err, inventory.ErrInvalid) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%s, %s: got %v, want a refusal that says %q", format, what, err, c.says)
			}
		}
		dir := t.TempDir()
		if _, err := unpack.Run(context.Background(), unpack.Job{Dir: dir, Source: bytes.NewReader(sparseArchive(t, format, 48<<20, 1)), Limits: small}); err != nil {
			t.Fatal(err)
		}
		var st unix.Stat_t
		if err := unix.Stat(filepath.Join(dir, "hole0"), &st); err != nil || st.Size != 48<<20 || st.Blocks*512 > 1<<20 {
			t.Errorf("%s: a hole of %d bytes takes %d (%v)", format, st.Size, st.Blocks*512, err)
		}
	}
}

// block is a tar header (POSIX ustar) that no writer would write.
func block(name string, kind byte, size int64) []byte {
	b := make([]byte, 512)
	copy(b, name)
	copy(b[100:], "0000644\x000000000\x000000000\x00")
	copy(b[124:], fmt.Sprintf("%011o\x0000000000000\x00", size))
	b[156] = kind
	copy(b[257:], "ustar\x0000")
	copy(b[148:], "        ")
	sum := 0
	for _, c := range b {
		sum += int(c)
	}
	copy(b[148:], fmt.Sprintf("%06o\x00 ", sum))
	return b
}

func padded(b []byte) []byte { return append(b, make([]byte, (512-len(b)%512)%512)...) }

// TestHugeHeaders: headers that describe nothing but themselves, and sizes that can't be.
func TestHugeHeaders(t *testing.T) {
	need.Root(t)
	end := make([]byte, 1024)
	record := func(value string) []byte { // "LENGTH key=value\n", the length being its own part
		body := " comment=" + value + "\n"
		for n := len(body); ; n++ {
			if text := fmt.Sprint(n) + body; len(text) == n {
				return []byte(text)
			}
		}
	}
	huge, pax := strings.Repeat("n", 8<<20), record(strings.Repeat("v", 8<<20))
	file := append(block("x", tar.TypeReg, 1), padded([]byte("x"))...)
	for name, parts := range map[string][][]byte{
		"pax header of megabytes":    {block("pax", tar.TypeXHeader, int64(len(pax))), padded(pax), file, end},
		"global header of megabytes": {block("pax", tar.TypeXGlobalHeader, int64(len(pax))), padded(pax), file, end},
		"long name of megabytes":     {block("././@LongLink", tar.TypeGNULongName, int64(len(huge))), padded([]byte(huge)), file, end},
		"long link of megabytes":     {block("././@LongLink", tar.TypeGNULongLink, int64(len(huge))), padded([]byte(huge)), file, end},
		"pax header without end":     {block("pax", tar.TypeXHeader, 8<<30), padded(pax)},
		"negative size in pax":       {block("pax", tar.TypeXHeader, 13), padded([]byte("13 size=-100\n")), file, end},
		"size of exabytes":           {block("x", tar.TypeReg, 0o77777777777), file, end},
		"length that lies":           {block("pax", tar.TypeXHeader, 20), padded([]byte("99999999999 path=a\n")), file, end},
		"name with a zero byte":      {block("pax", tar.TypeXHeader, 14), padded([]byte("14 path=a\x00bcd\n")), file, end},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := unpackBytes(t, bytes.Join(parts, nil), unpack.Limits{}); !errors.Is(err, inventory.ErrInvalid) || strings.Contains(err.Error(), "sbin/init") {
				t.Errorf("got %v, want a refusal of the headers", err)
			}
		})
	}
}

// TestEntriesOverEachOther: what comes later under the same name takes the place of what was there,
// and nothing is ever written through it.
func TestEntriesOverEachOther(t *testing.T) {
	need.Root(t)
	for name, entries := range map[string][]item{
		"a file over a link out":      {{name: "x", kind: tar.TypeSymlink, to: "../canary"}, {name: "x", body: "new"}},
		"a file over a hard link":     {{name: "l", kind: tar.TypeSymlink, to: "../canary"}, {name: "x", kind: tar.TypeLink, to: "l"}, {name: "x", body: "new"}},
		"a file over a FIFO":          {{name: "x", kind: tar.TypeFifo}, {name: "x", body: "new"}},
		"a file over a second name":   {{name: "y", body: "old"}, {name: "x", kind: tar.TypeLink, to: "y"}, {name: "x", body: "new"}},
		"a file over itself":          {{name: "x", body: "old", mode: 0o4755}, {name: "./x", body: "new"}},
		"by another spelling":         {{name: "a/x", body: "old"}, {name: "a//x", body: "new"}},
		"a link over a link to a dir": {{name: "d/", kind: tar.TypeDir}, {name: "x", kind: tar.TypeSymlink, to: "d"}, {name: "x", kind: tar.TypeSymlink, to: "new"}},
	} {
		t.Run(name, func(t *testing.T) {
			raw := archive(t, system(entries...))
			if _, err := unpackBytes(t, raw, unpack.Limits{}); err != nil {
				t.Fatal(err)
			}
			_, _, canonical := digestOf(t, raw)
			r := tar.NewReader(bytes.NewReader(canonical))
			found := 0
			for h, err := r.Next(); err == nil; h, err = r.Next() {
				if h.Name != "x" && h.Name != "a/x" {
					continue
				}
				found++
				text, _ := io.ReadAll(r)
				if string(text)+h.Linkname != "new" || h.Mode&0o6000 != 0 {
					t.Errorf("%s is %q %q %o", h.Name, text, h.Linkname, h.Mode)
				}
			}
			if found != 1 {
				t.Errorf("it is there %d times", found)
			}
		})
	}
}

// TestAttributesOfTheHost: of extended attributes only capabilities and people's own are taken, whatever
// the archive calls them.
func TestAttributesOfTheHost(t *testing.T) {
	need.Root(t)
	pax := map[string]string{"SCHILY.xattr.user.note": "kept", "SCHILY.xattr.security.capability": capNetRaw}
	for _, name := range []string{"security.selinux", "security.ima", "security.evm", "security.apparmor", "trusted.overlay.opaque",
		"trusted.overlay.redirect", "system.posix_acl_access", "system.posix_acl_default", "btrfs.compression", "user", "nonsense"} {
		pax["SCHILY.xattr."+name], pax["LIBARCHIVE.xattr."+name] = "x", "x"
	}
	dir := t.TempDir()
	raw := archive(t, system(item{name: "x", body: "x", pax: pax}))
	if _, err := unpack.Run(context.Background(), unpack.Job{Dir: dir, Source: bytes.NewReader(raw)}); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 4096)
	n, err := unix.Listxattr(filepath.Join(dir, "x"), buf)
	if err != nil {
		t.Fatal(err)
	}
	for name := range strings.SplitSeq(strings.TrimRight(string(buf[:n]), "\x00"), "\x00") {
		if name != "security.capability" && name != "user.note" {
			t.Errorf("the file has %s", name)
		}
	}
	if n == 0 {
		t.Error("the file has no attributes at all")
	}
}
