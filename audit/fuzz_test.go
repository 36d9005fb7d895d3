package audit_test

import (
	"os"
	"path/filepath"
	"testing"

	"lodge/audit"
)

// FuzzSegment puts anything in place of a journal's segment. Nothing may panic, nothing but the
// true segment may verify, and Open must not accept what Verify calls tampered.
func FuzzSegment(f *testing.F) {
	dir := f.TempDir()
	j := open(f, dir, 0)
	fill(f, j, 1, 3)
	j.Close()
	path := segments(f, dir)[0]
	whole, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	f.Add(whole[:len(whole)/2])
	f.Add(append(whole[:len(whole):len(whole)], whole...))
	f.Add([]byte("{\"seq\":1,\"prev\":\"\n{\"commit\":{}}\n{\"seal\":{}}\n\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		r, err := audit.VerifyQuick(dir, public(t))
		if err != nil {
			t.Fatal(err)
		}
		if r.Verdict == audit.VerdictClean && string(text) != string(whole) {
			t.Fatalf("another segment verifies:\n%s", text)
		}
	})
}

// FuzzHead does the same with the head.
func FuzzHead(f *testing.F) {
	dir := f.TempDir()
	open(f, dir, 0).Close()
	whole, err := os.ReadFile(filepath.Join(dir, "head"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	f.Add([]byte(`{"head":{"seq":1},"sig":""}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		if _, err := audit.ParseHead(text, public(t)); err == nil && string(text) != string(whole) {
			t.Fatalf("another head verifies:\n%s", text)
		}
	})
}

// FuzzLine checks that a line which is accepted is written again byte for byte.
func FuzzLine(f *testing.F) {
	j := open(f, f.TempDir(), 1)
	fill(f, j, 1, 2)
	for _, line := range audit.LinesOf(f, j) {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, text string) { audit.CheckLine(t, text) })
}
