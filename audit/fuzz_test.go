package audit_test

import (
	"bytes"
	"os"
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
	f.Add([]byte("\x00\x00\x00\x00\x00\x00\x00\x00\x02"))
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

// FuzzCheckpoint does the same with the file checkpoint.
func FuzzCheckpoint(f *testing.F) {
	dir := f.TempDir()
	open(f, dir, 0).Close()
	whole := bytes.TrimRight(latest(f, dir), "\n")
	f.Add(whole)
	f.Add([]byte("lodge.audit/x\n1\n\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := audit.ParseCheckpoint(text, public(t))
		body, _, _ := bytes.Cut(whole, []byte("\n\n"))
		if err == nil && !bytes.HasPrefix(c.Note, body) {
			t.Fatalf("another checkpoint verifies:\n%s", text)
		}
	})
}

// FuzzFrames checks that the reader panics at nothing, and that a frame which is accepted is written
// again byte for byte.
func FuzzFrames(f *testing.F) {
	dir := f.TempDir()
	j := open(f, dir, 1)
	fill(f, j, 1, 2)
	j.Close()
	for _, path := range segments(f, dir) {
		text, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) { audit.ReadFrames(t, text) })
}
