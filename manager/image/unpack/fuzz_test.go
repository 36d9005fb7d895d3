package unpack_test

import (
	"archive/tar"
	"bytes"
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
