package unpack_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"io"
	"os"
	"strings"
	"testing"

	"lodge/manager/image/unpack"
)

// FuzzHeaders looks for an archive whose headers pass the checks although they name something
// outside, or what no entry may be.
func FuzzHeaders(f *testing.F) {
	for _, c := range hostile {
		f.Add(archive(f, c.entries))
	}
	f.Add(archive(f, whole()))
	f.Fuzz(func(t *testing.T, raw []byte) {
		l := unpack.DefaultLimits
		l.Stream = 1 << 20
		unpack.InspectAll(bytes.NewReader(raw), l, func(path string, kind byte, target string, uid, gid int, size int64) {
			checkPath(t, path)
			if kind == tar.TypeLink {
				checkPath(t, target)
			}
			if !strings.ContainsRune("0512"+"6", rune(kind)) {
				t.Errorf("%q passed as kind %q", path, kind)
			}
			if uid < 0 || uid > 65535 || gid < 0 || gid > 65535 || size < 0 || size > l.Bytes {
				t.Errorf("%q passed with ids %d:%d and size %d", path, uid, gid, size)
			}
		})
	})
}

// FuzzLayouts looks for an archive whose documents make the reader panic, or pass in a form that the
// agent's own check refuses: what it takes for a lying child would be a lying archive.
func FuzzLayouts(f *testing.F) {
	for _, class := range published {
		for _, c := range class {
			if raw := archive(f, c.entries); len(raw) < 64<<10 {
				f.Add(raw)
			}
		}
	}
	f.Add(archive(f, image()))
	f.Add(archive(f, backup()))
	for _, name := range []string{"export", "image"} {
		raw, err := os.ReadFile("testdata/incus-6.0.4-" + name + ".tar.gz")
		if err != nil {
			f.Fatal(err)
		}
		g, err := gzip.NewReader(bytes.NewReader(raw))
		if err != nil {
			f.Fatal(err)
		}
		plain, err := io.ReadAll(g)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(plain)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		l := unpack.DefaultLimits
		l.Stream = 1 << 20
		m, paths, err := unpack.ReadLayout(bytes.NewReader(raw), l)
		if err == nil && !unpack.CheckMetadata(m) {
			t.Errorf("passed: %+v", m)
		}
		for _, p := range paths {
			checkPath(t, p)
		}
	})
}

// FuzzSquashfs looks for a squashfs that makes the reader panic, never end, or pass on what it may
// not.
func FuzzSquashfs(f *testing.F) {
	for _, name := range []string{"gzip", "xz", "zstd", "plain"} {
		raw, err := os.ReadFile("testdata/" + name + ".squashfs")
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		l := unpack.DefaultLimits
		l.Stream, l.Bytes, l.Entries = 4<<20, 4<<20, 10_000
		total := int64(0)
		unpack.ReadSquashfs(raw, l, func(path string, size int64) {
			checkPath(t, path)
			if total += size; size < 0 || size > l.Bytes {
				t.Errorf("%q passed with %d bytes", path, size)
			}
		})
	})
}

func checkPath(t *testing.T, path string) {
	for part := range strings.SplitSeq(path, "/") {
		if part == "" || part == ".." || part == "." && path != "." || len(part) > 255 {
			t.Errorf("the path %q passed", path)
		}
	}
	if strings.ContainsFunc(path, func(r rune) bool { return r < ' ' || r == 0x7f }) || strings.HasPrefix(path, "dev/") {
		t.Errorf("the path %q passed", path)
	}
}
