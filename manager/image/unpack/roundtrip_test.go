package unpack_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
	"golang.org/x/sys/unix"

	"lodge/manager/image/unpack"
	"lodge/packaging/need"
)

// digestOf unpacks raw into a directory and returns it with the digest of the tree.
func digestOf(t *testing.T, raw []byte) (dir, digest string, canonical []byte) {
	t.Helper()
	dir = t.TempDir()
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	_, err := unpack.Run(context.Background(), unpack.Job{Dir: dir, Source: bytes.NewReader(raw), Archive: &b, Inspect: true})
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(b.Bytes())
	return dir, hex.EncodeToString(sum[:]), b.Bytes()
}

// wholeDigest is that of whole(). It changes only when the format does, and that may not happen
// without a new version of the format: images are known by it.
const wholeDigest = "97c8fc1de41221c8593e563e8e6d8101cbec63e7e52889514ec42816fff88aaf"

func TestDigestIsOfTheFilesAlone(t *testing.T) {
	need.Root(t)
	plain := archive(t, whole())
	compressed := map[string][]byte{"plain": plain}
	var b bytes.Buffer
	g := gzip.NewWriter(&b)
	g.Write(plain)
	g.Close()
	compressed["gzip"] = bytes.Clone(b.Bytes())
	b.Reset()
	z, _ := zstd.NewWriter(&b)
	z.Write(plain)
	z.Close()
	compressed["zstd"] = bytes.Clone(b.Bytes())
	b.Reset()
	x, _ := xz.NewWriter(&b)
	x.Write(plain)
	x.Close()
	compressed["xz"] = bytes.Clone(b.Bytes())
	_, _, canonical := digestOf(t, plain)
	compressed["the canonical archive itself"] = canonical

	for name, raw := range compressed {
		if _, digest, _ := digestOf(t, raw); digest != wholeDigest {
			t.Errorf("%s: digest %s, want %s", name, digest, wholeDigest)
		}
	}
}

// TestNothingIsLost: ids, setuid bits, capabilities, links and times arrive on disk as the
// container has to see them.
func TestNothingIsLost(t *testing.T) {
	need.Root(t)
	dir, _, _ := digestOf(t, archive(t, whole()))
	for name, want := range map[string]struct {
		mode uint32
		uid  uint32
	}{
		"usr/bin/su": {unix.S_IFREG | 0o4755, 0}, "usr/bin/sg": {unix.S_IFREG | 0o2755, 42},
		"tmp": {unix.S_IFDIR | 0o1777, 0}, "run/pipe": {unix.S_IFIFO | 0o620, 7}, "bin": {unix.S_IFLNK | 0o777, 0},
	} {
		var st unix.Stat_t
		if err := unix.Lstat(filepath.Join(dir, name), &st); err != nil || st.Mode != want.mode || st.Uid != want.uid {
			t.Errorf("%s: mode %o uid %d (%v), want %o %d", name, st.Mode, st.Uid, err, want.mode, want.uid)
		}
	}
	value := make([]byte, 64)
	ping := filepath.Join(dir, "usr/bin/ping")
	for _, name := range []string{"security.capability", "user.note"} {
		if n, err := unix.Lgetxattr(ping, name, value); err != nil || n == 0 {
			t.Errorf("%s of ping: %v", name, err)
		}
	}
	if _, err := unix.Lgetxattr(ping, "trusted.overlay.opaque", value); !errors.Is(err, unix.ENODATA) {
		t.Errorf("a trusted attribute was kept: %v", err)
	}
	a, _ := os.Stat(ping)
	b, _ := os.Stat(filepath.Join(dir, "usr/bin/ping6"))
	if !os.SameFile(a, b) || !a.ModTime().Equal(when) {
		t.Errorf("ping and ping6 are two files, or of %v", a.ModTime())
	}
	if left, _ := os.ReadDir(filepath.Join(dir, "dev")); len(left) != 0 {
		t.Errorf("/dev holds %v", left)
	}
	hole, _ := os.Stat(filepath.Join(dir, "var/hole"))
	if s := hole.Sys().(*syscall.Stat_t); hole.Size() != 1<<20+3 || s.Blocks*512 > 1<<19 {
		t.Errorf("the sparse file has %d bytes and takes %d", hole.Size(), s.Blocks*512)
	}
}

// TestCanonicalArchiveIsATar: others can read it.
func TestCanonicalArchiveIsATar(t *testing.T) {
	need.Root(t)
	_, _, raw := digestOf(t, archive(t, whole()))
	names := map[string]*tar.Header{}
	for r := tar.NewReader(bytes.NewReader(raw)); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		names[h.Name] = h
	}
	if h := names["usr/bin/ping"]; h == nil || h.PAXRecords["SCHILY.xattr.security.capability"] != capNetRaw || h.PAXRecords["SCHILY.xattr.user.note"] != "a\nb" {
		t.Errorf("ping is %+v", h)
	}
	if h := names["usr/bin/ping6"]; h == nil || h.Typeflag != tar.TypeLink || h.Linkname != "usr/bin/ping" {
		t.Errorf("ping6 is %+v", h)
	}
	if h := names["usr/share/Főtanúsítvány.crt"]; h == nil {
		t.Error("the name beyond ASCII is missing")
	}
}

func TestReport(t *testing.T) {
	need.Root(t)
	items := append(whole(), item{name: "var/lib/dpkg/status", body: "Package: bash\nStatus: install ok installed\nVersion: 5.2\nArchitecture: amd64\n\n" +
		"Package: gone\nStatus: deinstall ok config-files\nVersion: 1\n"})
	r, err := unpackBytes(t, archive(t, items), unpack.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if r.OS != "debian" || r.Release != "12" || r.Architecture != "amd64" || len(r.Packages) != 1 || r.Packages[0].Version != "5.2" {
		t.Errorf("got %+v", r)
	}
}

// TestFIFOsDontStopTheChild: a FIFO under a name the child reads would wait for a writer for ever.
func TestFIFOsDontStopTheChild(t *testing.T) {
	need.Root(t)
	r, err := unpackBytes(t, archive(t, system(item{name: "etc/os-release", kind: tar.TypeFifo},
		item{name: "var/lib/dpkg/status", kind: tar.TypeFifo})), unpack.Limits{})
	if err != nil || r.OS != "linux" || len(r.Packages) != 0 {
		t.Errorf("got %+v, %v", r, err)
	}
}
