package audit_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"sync"
	"testing"

	"lodge/audit"
)

// TestEveryByteFlip changes every single byte of a journal of several segments.
func TestEveryByteFlip(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir, 1500)
	fill(t, j, 1, 5)
	j.Close()
	wantClean(t, dir, 5)
	for _, path := range append(segments(t, dir), filepath.Join(dir, "head")) {
		good, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		var first, seq int64
		fmt.Sscanf(filepath.Base(path), "%d.log", &first)
		seq = first
		for i := range good {
			if i > 0 && good[i-1] == '\n' {
				fmt.Sscanf(string(good[i:]), `{"seq":%d,`, &seq)
			}
			for _, bit := range []byte{0x01, 0x20, 0x80}[:1+2*(i%7/6)] {
				bad := []byte{good[i] ^ bit}
				f.WriteAt(bad, int64(i))
				r, err := audit.VerifyQuick(dir, public(t))
				if err != nil || r.Verdict == audit.VerdictClean {
					t.Fatalf("%s: byte %d (%q) flipped to %q goes unnoticed", filepath.Base(path), i, good[i], bad)
				}
				p := r.Problems[0]
				if first > 0 && (p.Seq < seq-1 || p.Seq > seq+1) || r.ExitCode() != 10 {
					t.Errorf("%s: byte %d flipped in the lines of record %d: exit %d, %v", filepath.Base(path), i, seq, r.ExitCode(), p)
				}
			}
			f.WriteAt(good[i:i+1], int64(i))
		}
	}
	wantClean(t, dir, 5)
}

// TestWholesaleRewrite recomputes every hash after a changed record, as one without the key can.
func TestWholesaleRewrite(t *testing.T) {
	for name, dir := range map[string]string{"one by one": oneByOne(t), "one batch": oneBatch(t)} {
		t.Run(name, func(t *testing.T) {
			editLines(t, segments(t, dir)[0], func(l []string) []string {
				i := entryLine(l, 4)
				l[i] = rehash(replaceOnce(t, l[i], "web4", "web5"))
				prev := hashOf(l[i])
				for seq := int64(5); seq <= 10; seq++ {
					i = entryLine(l, seq)
					l[i] = rehash(regexp.MustCompile(`"prev":"[0-9a-f]*"`).ReplaceAllString(l[i], `"prev":"`+prev+`"`))
					prev = hashOf(l[i])
				}
				return l
			})
			want := int64(4)
			if name == "one batch" {
				want = 10 // the one that a signature speaks of; the text says which others may be wrong
			}
			wantProblem(t, dir, want, audit.FaultRewritten, 10)
		})
	}
}

// TestRollback puts an older copy of the whole folder in place: only a head kept elsewhere tells.
func TestRollback(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir, 0)
	fill(t, j, 1, 5)
	old := copyDir(t, dir)
	fill(t, j, 6, 10)
	j.Close()
	head, err := os.ReadFile(filepath.Join(dir, "head"))
	if err != nil {
		t.Fatal(err)
	}
	wantClean(t, old, 5)
	r, err := audit.Verify(old, audit.VerifyOptions{PublicKey: public(t), Heads: [][]byte{head}})
	if err != nil || r.ExitCode() != 11 || r.Problems[0].Seq != 6 {
		t.Fatalf("Verify = %+v, %v", r, err)
	}
	oldHead, _ := os.ReadFile(filepath.Join(old, "head"))
	r, err = audit.Verify(dir, audit.VerifyOptions{PublicKey: public(t), Heads: [][]byte{oldHead}})
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
		before := j.Head().Seq
		if r := verify(t, dir); r.ExitCode() != 0 || r.Records < before {
			t.Errorf("after %d records: %d verified, %v", before, r.Records, r.Problems)
		}
	}
	close(stop)
	wg.Wait()
}
