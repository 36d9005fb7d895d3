package audit_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"lodge/audit"
	"lodge/inventory"
)

// bundle exports records of a journal to a file.
func bundle(t testing.TB, j *audit.Journal, from, to time.Time) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "audit.tar")
	var b bytes.Buffer
	if err := j.Export(&b, from, to); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestExport: bundles of all, of the beginning, the middle and the end verify by themselves, in both
// verifiers; one with a file less or another statement does not.
func TestExport(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir, forgedSize)
	fill(t, j, 1, 30)
	at := func(n int64) time.Time { return start.Add(time.Duration(n) * time.Second) }
	second := newPython(t)
	for name, c := range map[string]struct{ from, to time.Time }{
		"all": {}, "the beginning": {time.Time{}, at(12)}, "the middle": {at(12), at(14)}, "the end": {at(28), time.Time{}},
	} {
		path := bundle(t, j, c.from, c.to)
		r, err := audit.VerifyQuick(path, public(t))
		if err != nil || r.ExitCode() != 0 || len(r.Notes) == 0 || !r.Pinned {
			t.Errorf("%s: %v, %+v", name, err, r)
		}
		if (!c.from.IsZero() && r.From.After(c.from)) || (!c.to.IsZero() && r.To.Before(c.to.Add(-time.Second))) {
			t.Errorf("%s: has %s to %s", name, r.From, r.To)
		}
		second.want(t, 0, path)
		text, _ := os.ReadFile(path)
		os.WriteFile(path, bytes.Replace(text, []byte("lodge.audit/export\n"), []byte("lodge.audit/expert\n"), 1), 0o600)
		if r, err := audit.VerifyQuick(path, public(t)); err != nil || r.ExitCode() != 10 {
			t.Errorf("%s with a forged statement: %v, %v", name, r.Problems, err)
		}
		second.want(t, 10, path)
	}
	if err := j.Export(&bytes.Buffer{}, at(100), at(200)); !errors.Is(err, inventory.ErrNotFound) {
		t.Errorf("an export of nothing: %v", err)
	}
	text, _ := os.ReadFile(bundle(t, j, time.Time{}, time.Time{}))
	short := filepath.Join(t.TempDir(), "short.tar")
	os.WriteFile(short, text[:len(text)/2], 0o600)
	if r, err := audit.VerifyQuick(short, public(t)); err == nil && r.ExitCode() == 0 {
		t.Error("half a bundle verifies")
	}
}

// TestProve proves each record, and checks that no proof does for another.
func TestProve(t *testing.T) {
	j := open(t, t.TempDir(), 3000)
	for n := int64(1); n <= 21; n++ {
		fill(t, j, n, n)
		if n%5 != 1 {
			continue
		}
		for seq := int64(1); seq <= n; seq++ {
			proof, err := j.Prove(context.Background(), seq)
			if err != nil {
				t.Fatal(err)
			}
			e, c, err := audit.CheckProof(proof, public(t))
			if err != nil || e.Seq != seq || c.Size != n || e.Record.Name != record(seq).Name {
				t.Fatalf("proof of %d of %d: %v, %d of %d", seq, n, err, e.Seq, c.Size)
			}
		}
	}
	proof, _ := j.Prove(context.Background(), 7)
	lines := strings.Split(string(proof), "\n")
	for i := range lines {
		forged := append([]string(nil), lines...)
		if len(forged[i]) == 0 {
			continue
		}
		n := len(forged[i]) / 2
		forged[i] = forged[i][:n] + string(rot(forged[i][n])) + forged[i][n+1:]
		if _, _, err := audit.CheckProof([]byte(strings.Join(forged, "\n")), public(t)); err == nil {
			t.Errorf("with another line %d it proves as well: %s", i+1, forged[i])
		}
	}
	if _, err := j.Prove(context.Background(), 22); !errors.Is(err, inventory.ErrNotFound) {
		t.Errorf("proof of what is not there: %v", err)
	}
}

// TestRotate: the journal goes on with another key, and whoever pinned either verifies it.
func TestRotate(t *testing.T) {
	dir, path := t.TempDir(), filepath.Join(t.TempDir(), "audit.key")
	o := audit.Options{Log: quiet, SegmentSize: 4000, Now: func() time.Time { return start }}
	var keys []ed25519.PublicKey
	for round := range int64(3) {
		j, err := audit.OpenKeyed(dir, path, o)
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, j.PublicKey())
		fill(t, j, round*5+1, round*5+4)
		if _, err := audit.ChangeKey(context.Background(), j, inventory.System("test"), path); err != nil {
			t.Fatal(err)
		}
		if j.PublicKey().Equal(keys[round]) {
			t.Fatal("the key is the same")
		}
		j.Close()
	}
	for i, key := range keys {
		if r, err := audit.VerifyQuick(dir, key); err != nil || r.ExitCode() != 0 || r.Keys != 4 {
			t.Errorf("key %d: %v, %v", i, r.Problems, err)
		}
	}
	if r, _ := audit.VerifyQuick(dir, public(t)); r.ExitCode() != 10 || r.Problems[0].Fault != audit.FaultKey {
		t.Errorf("with a key that is none of them: %v", r.Problems)
	}
	p := newPython(t)
	if err := os.WriteFile(p.key, []byte(audit.PublicKeyText(keys[0])), 0o600); err != nil {
		t.Fatal(err)
	}
	p.want(t, 0, dir)
}

// TestRotateCrash dies between the steps of a change of key: the next agent has the right one.
func TestRotateCrash(t *testing.T) {
	for _, known := range []bool{false, true} {
		dir, keys := t.TempDir(), t.TempDir()
		path := filepath.Join(keys, "audit.key")
		j, err := audit.OpenKeyed(dir, path, audit.Options{Log: quiet})
		if err != nil {
			t.Fatal(err)
		}
		old, _ := os.ReadFile(path)
		if !known {
			j.Close()
			other := filepath.Join(t.TempDir(), "other")
			audit.LoadOrCreateKey(other)
			os.Rename(other, path+".next") // made, and the journal knows nothing of it
		} else {
			if _, err := audit.ChangeKey(context.Background(), j, inventory.System("test"), path); err != nil {
				t.Fatal(err)
			}
			j.Close()
			os.Rename(path, path+".next") // recorded, and not yet in its place
			os.WriteFile(path, old, 0o600)
		}
		for range 2 {
			j, err := audit.OpenKeyed(dir, path, audit.Options{Log: quiet})
			if err != nil {
				t.Fatalf("known %t: %v", known, err)
			}
			j.Close()
		}
		if left, _ := os.ReadDir(keys); len(left) != 1 {
			t.Errorf("known %t: left %v", known, left)
		}
	}
}

// TestArchive: what is left verifies without the segments that were moved, and so does all of it when
// they are put back. A segment that is gone and in no record is missed.
func TestArchive(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir, 3000)
	fill(t, j, 1, 30)
	n, err := j.Archive(context.Background(), inventory.System("test"), start.Add(15*time.Second))
	if err != nil || n < 2 {
		t.Fatalf("Archive = %d, %v", n, err)
	}
	if again, err := j.Archive(context.Background(), inventory.System("test"), start.Add(15*time.Second)); again != 0 || err != nil {
		t.Errorf("again: %d, %v", again, err)
	}
	fill(t, j, 32, 33)
	j.Close()
	j = open(t, dir, 3000)
	fill(t, j, 34, 34)
	j.Close()
	second := newPython(t)
	r := verify(t, dir)
	if r.ExitCode() != 0 || r.First < 5 || len(r.Notes) == 0 {
		t.Errorf("without the archive: %+v", r)
	}
	second.want(t, 0, dir)
	whole := copyDir(t, dir)
	for _, path := range segments(t, filepath.Join(dir, audit.ArchiveName)) {
		text, _ := os.ReadFile(path)
		os.WriteFile(filepath.Join(whole, filepath.Base(path)), text, 0o600)
	}
	wantClean(t, whole, 34)
	second.want(t, 0, whole)
	os.Remove(segments(t, dir)[0])
	if r := verify(t, dir); r.ExitCode() != 10 || r.Problems[0].Fault != audit.FaultRemoved {
		t.Errorf("with one segment less: %v", r.Problems)
	}
	second.want(t, 10, dir)
}

// TestPrior: a journal that goes on from another names it in its first record.
func TestPrior(t *testing.T) {
	old := t.TempDir()
	j := open(t, old, 0)
	fill(t, j, 1, 3)
	was := j.Latest()
	j.Close()
	p, err := audit.PriorOf(old)
	if err != nil || p.Size != 3 || p.Origin != was.Origin || p.Root != was.Root {
		t.Fatalf("PriorOf = %+v, %v", p, err)
	}
	j, err = audit.Open(t.TempDir(), audit.Options{Key: testKey(t), Log: quiet, Prior: &p})
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	got, err := j.Records(context.Background(), audit.Query{Limit: 1})
	if err != nil || len(got) != 1 || got[0].Record.Verb != audit.VerbBegin || !strings.Contains(string(got[0].Record.Detail), was.Origin) || j.Origin() == was.Origin {
		t.Errorf("the first record is %v, %v", got, err)
	}
}

// TestRecordingOfLiveSession: what was told of a recording while its session goes on holds for that
// part, whatever follows; and once it is over, for the whole too.
func TestRecordingOfLiveSession(t *testing.T) {
	sum := func(text string) string {
		s := sha256.Sum256([]byte(text))
		return hex.EncodeToString(s[:])
	}
	dir := t.TempDir()
	second := newPython(t)
	folder := filepath.Join(dir, "recordings")
	os.Mkdir(folder, 0o700)
	tell := func(of inventory.Recording) {
		t.Helper()
		j := open(t, dir, 0)
		defer j.Close()
		of.File = "s1.rec"
		if _, err := j.Append(context.Background(), inventory.Record{Kind: inventory.RecordFact, Verb: "session.recording.root",
			Session: "s1", Recording: &of}); err != nil {
			t.Fatal(err)
		}
	}
	expect := func(texts map[string]int) {
		t.Helper()
		for text, code := range texts {
			os.WriteFile(filepath.Join(folder, "s1.rec"), []byte(text), 0o600)
			if r := verify(t, dir); r.ExitCode() != code {
				t.Errorf("%q: exit %d, want %d: %v", text, r.ExitCode(), code, r.Problems)
			}
		}
	}
	tell(inventory.Recording{Bytes: 10, SHA256: sum("early late"), Part: true})
	tell(inventory.Recording{Bytes: 5, SHA256: sum("early"), Part: true}) // an agent that came back tells again
	expect(map[string]int{"early late, and on": 0})
	second.want(t, 0, dir)
	expect(map[string]int{"early late": 0, "Early late, and on": 10, "early lat": 10, "": 10})
	expect(map[string]int{"early LATE": 10})
	second.want(t, 10, dir)
	tell(inventory.Recording{Bytes: 18, SHA256: sum("early late, and on")})
	expect(map[string]int{"early late, and on": 0, "early late, and ON": 10, "early late, and on!": 10, "early late": 10})
	os.Remove(filepath.Join(folder, "s1.rec"))
	os.WriteFile(filepath.Join(folder, "s2.rec"), nil, 0o600)
	if r := verify(t, dir); r.ExitCode() != 11 {
		t.Errorf("one that is missing: %v", r.Problems)
	}
}

// TestRecordings: where recordings lie beside the journal, they have to be those that were recorded.
func TestRecordings(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir, 0)
	r := record(1)
	r.Recording = &inventory.Recording{File: "s1.rec", Bytes: 5, SHA256: "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"}
	if _, err := j.Append(context.Background(), r); err != nil {
		t.Fatal(err)
	}
	j.Close()
	second := newPython(t)
	wantClean(t, dir, 1) // none are here, so none are asked for
	folder := filepath.Join(dir, "recordings")
	os.Mkdir(folder, 0o700)
	for content, code := range map[string]int{"hello": 0, "hallo": 10} {
		os.WriteFile(filepath.Join(folder, "s1.rec"), []byte(content), 0o600)
		if r := verify(t, dir); r.ExitCode() != code {
			t.Errorf("%q: %v", content, r.Problems)
		}
		second.want(t, code, dir)
	}
	os.Rename(filepath.Join(folder, "s1.rec"), filepath.Join(folder, "s2.rec"))
	if r := verify(t, dir); r.ExitCode() != 11 {
		t.Errorf("one that is missing: %v", r.Problems)
	}
	second.want(t, 11, dir)
	if r, err := audit.Verify(dir, audit.VerifyOptions{Recordings: t.TempDir()}); err != nil || r.ExitCode() != 11 {
		t.Errorf("one that is missing in a folder of its own: %v, %v", r.Problems, err)
	}
	j = open(t, dir, 0)
	if _, err := j.Append(context.Background(), inventory.Record{Kind: inventory.RecordFact, Verb: audit.VerbExpire,
		Detail: []byte(`{"files":["s1.rec"]}`)}); err != nil {
		t.Fatal(err)
	}
	j.Close()
	if r := verify(t, dir); r.ExitCode() != 0 {
		t.Errorf("one whose time was up: %v", r.Problems)
	}
	second.want(t, 0, dir)
}
