package audit_test

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"lodge/audit"
)

// TestEveryByteFlip changes every single byte of a journal of several segments.
func TestEveryByteFlip(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir, 1500)
	fill(t, j, 1, 3)
	j.Close()
	wantClean(t, dir, 3)
	for _, path := range append(segments(t, dir), filepath.Join(dir, "checkpoint")) {
		good, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		for i := range good {
			for _, bit := range []byte{0x01, 0x20, 0x80}[:1+2*(i%7/6)] {
				bad := []byte{good[i] ^ bit}
				f.WriteAt(bad, int64(i))
				r, err := audit.VerifyQuick(dir, public(t))
				if err != nil || r.Verdict == audit.VerdictClean {
					t.Fatalf("%s: byte %d (%q) flipped to %q goes unnoticed", filepath.Base(path), i, good[i], bad)
				}
			}
			f.WriteAt(good[i:i+1], int64(i))
		}
	}
	wantClean(t, dir, 3)
}

// TestRollback puts an older copy of the whole folder in place: only a checkpoint kept elsewhere tells.
func TestRollback(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir, 0)
	fill(t, j, 1, 5)
	old := copyDir(t, dir)
	fill(t, j, 6, 10)
	j.Close()
	head := latest(t, dir)
	wantClean(t, old, 5)
	r, err := audit.Verify(old, audit.VerifyOptions{PublicKey: public(t), Checkpoints: [][]byte{head}})
	if err != nil || r.ExitCode() != 11 || r.Problems[0].Seq != 6 {
		t.Fatalf("Verify = %+v, %v", r, err)
	}
	oldHead := latest(t, old)
	r, err = audit.Verify(dir, audit.VerifyOptions{PublicKey: public(t), Checkpoints: [][]byte{oldHead}})
	if err != nil || r.ExitCode() != 0 {
		t.Fatalf("Verify = %+v, %v", r, err)
	}
}

func TestVerifyWithoutKey(t *testing.T) {
	dir := oneByOne(t)
	r, err := audit.Verify(dir, audit.VerifyOptions{})
	if err != nil || r.Pinned || r.Key != audit.Fingerprint(public(t)) || r.ExitCode() != 0 {
		t.Fatalf("Verify = %+v, %v", r, err)
	}
	other := make([]byte, 32)
	r, err = audit.Verify(dir, audit.VerifyOptions{PublicKey: other})
	if err != nil || r.ExitCode() != 10 || r.Problems[0].Seq != 1 {
		t.Fatalf("Verify with another key = %+v, %v", r, err)
	}
	if _, err := audit.Verify(t.TempDir(), audit.VerifyOptions{PublicKey: public(t)}); err == nil {
		t.Fatal("an empty folder verifies")
	}
}

// TestVerifyWhileWriting verifies the folder of a journal at work, rotations included.
func TestVerifyWhileWriting(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir, 30_000)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if _, err := j.Append(context.Background(), record(1)); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for range 20 {
		before := j.Latest().Size
		if r := verify(t, dir); r.ExitCode() != 0 || r.Records < before {
			t.Errorf("after %d records: %d verified, %v", before, r.Records, r.Problems)
		}
	}
	close(stop)
	wg.Wait()
}
