package audit_test

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"lodge/audit"
	"lodge/inventory"
)

var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

// start is the clock of the tests: it moves one second with every record.
var start = time.Date(2026, 5, 3, 14, 0, 0, 0, time.UTC)

func testKey(t testing.TB) ed25519.PrivateKey {
	t.Helper()
	return theKey()
}

func theKey() ed25519.PrivateKey {
	seed := make([]byte, ed25519.SeedSize)
	copy(seed, "the key of the tests")
	return ed25519.NewKeyFromSeed(seed)
}

func public(t testing.TB) ed25519.PublicKey { return testKey(t).Public().(ed25519.PublicKey) }

func open(t testing.TB, dir string, segmentSize int64) *audit.Journal {
	t.Helper()
	j, err := audit.Open(dir, audit.Options{Key: testKey(t), Log: quiet, SegmentSize: segmentSize,
		Now: func() time.Time { return start }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { j.Close() })
	return j
}

func record(n int64) inventory.Record {
	return inventory.Record{
		At: start.Add(time.Duration(n) * time.Second), Kind: inventory.RecordIntent,
		Verb:      []string{"container.start", "container.stop", "snapshot.create"}[n%3],
		Principal: inventory.Principal{Name: []string{"alice", "bob"}[n%2], Kind: inventory.KindPerson, Proof: "peer uid 0", From: "unix"},
		Subject:   fmt.Sprintf("container:%d", n), Name: fmt.Sprintf("web%d", n), Reason: "because <it> & \"that\"",
		After: json.RawMessage(fmt.Sprintf(`{"n": %d}`, n)),
	}
}

func fill(t testing.TB, j *audit.Journal, from, to int64) {
	t.Helper()
	for n := from; n <= to; n++ {
		seq, err := j.Append(context.Background(), record(n))
		if err != nil || seq != n {
			t.Fatalf("Append = %d, %v; want %d", seq, err, n)
		}
	}
}

func verify(t testing.TB, dir string) audit.Report {
	t.Helper()
	r, err := audit.Verify(dir, audit.VerifyOptions{PublicKey: public(t)})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func wantClean(t testing.TB, dir string, records int64) {
	t.Helper()
	r := verify(t, dir)
	if r.Verdict != audit.VerdictClean || r.ExitCode() != 0 || r.Records != records {
		t.Fatalf("report is %s with %d records, want clean with %d: %v", r.Verdict, r.Records, records, r.Problems)
	}
}

func TestAppendReopenVerify(t *testing.T) {
	for _, size := range []int64{1, 2000, 1 << 20} {
		dir := filepath.Join(t.TempDir(), "audit")
		for round := range int64(3) {
			j := open(t, dir, size)
			fill(t, j, round*5+1, round*5+5)
			wantClean(t, dir, round*5+5) // while it is open
			if c := j.Latest(); c.Size != round*5+5 {
				t.Fatalf("checkpoint at %d", c.Size)
			}
			if err := j.Close(); err != nil {
				t.Fatal(err)
			}
			wantClean(t, dir, round*5+5)
		}
		got, err := open(t, dir, size).Records(context.Background(), audit.Query{})
		if err != nil || len(got) != 15 {
			t.Fatalf("Records = %d, %v", len(got), err)
		}
		for i, e := range got {
			want := record(int64(i + 1))
			want.After = json.RawMessage(fmt.Sprintf(`{"n":%d}`, i+1))
			want.ID = e.Record.ID
			a, _ := json.Marshal(e.Record)
			b, _ := json.Marshal(want)
			if e.Seq != int64(i+1) || string(a) != string(b) {
				t.Fatalf("entry %d is %s, want %s", e.Seq, a, b)
			}
		}
	}
}

func TestSecondOpenerIsRefused(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir, 0)
	_, err := audit.Open(dir, audit.Options{Key: testKey(t), Log: quiet})
	if !errors.Is(err, inventory.ErrBusy) {
		t.Fatalf("second Open: %v", err)
	}
	j.Close()
	open(t, dir, 0)
}

func TestAppendAfterClose(t *testing.T) {
	j := open(t, t.TempDir(), 0)
	j.Close()
	if _, err := j.Append(context.Background(), record(1)); !errors.Is(err, inventory.ErrUnavailable) {
		t.Fatalf("Append after Close: %v", err)
	}
	if err := j.Close(); err != nil {
		t.Fatalf("second Close: %v", err)
	}
}

func TestAppendRefusesWhatItCantKeep(t *testing.T) {
	j := open(t, t.TempDir(), 0)
	bad := record(1)
	bad.Before = json.RawMessage("{")
	for name, r := range map[string]inventory.Record{
		"no JSON": bad, "no verb": {Kind: inventory.RecordFact}, "no kind": {Verb: "x"},
		"no year": {Kind: inventory.RecordFact, Verb: "x", At: time.Date(12026, 1, 1, 0, 0, 0, 0, time.UTC)},
	} {
		if _, err := j.Append(context.Background(), r); !errors.Is(err, inventory.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	fill(t, j, 1, 1)
}

func TestAppendWithEndedContext(t *testing.T) {
	j := open(t, t.TempDir(), 0)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := j.Append(ctx, record(1))
	if !errors.Is(err, inventory.ErrUnavailable) || !errors.Is(err, context.Canceled) {
		t.Fatalf("Append: %v", err)
	}
}

func TestRecordsAreSafeToShow(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir, 0)
	r := record(1)
	r.Reason = "a\x1b]0;x\x07\u009b31m\u202egnp.exe\n\x7f\xff\U000e0041 für"
	if _, err := j.Append(context.Background(), r); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "0000000000000000001.seg"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range unframe(t, text) {
		for _, c := range f.payload {
			if f.kind == eventKind && (c < ' ' || c == 0x7f || c == 0x9b || c == 0x202e || c == 0xe0041) {
				t.Errorf("the file holds %U", c)
			}
		}
	}
	got, err := j.Records(context.Background(), audit.Query{})
	if want := "a\x1b]0;x\x07\u009b31m\u202egnp.exe\n\x7f\ufffd\U000e0041 für"; err != nil || got[0].Record.Reason != want {
		t.Errorf("reason is %q, want %q (%v)", got[0].Record.Reason, want, err)
	}
	wantClean(t, dir, 1)
}

func TestConcurrentAppenders(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir, 20_000) // several rotations
	const appenders, each = 64, 20
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	followed := j.Follow(ctx, 0)
	var wg sync.WaitGroup
	var mu sync.Mutex
	acked := map[int64]string{}
	for a := range appenders {
		wg.Go(func() {
			for i := range each {
				r := record(int64(i))
				r.Name = fmt.Sprintf("c%d-%d", a, i)
				seq, err := j.Append(ctx, r)
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				if acked[seq] != "" {
					t.Errorf("seq %d was given twice", seq)
				}
				acked[seq] = r.Name
				mu.Unlock()
				if i%7 == 0 {
					got, err := j.Records(ctx, audit.Query{Name: r.Name})
					if err != nil || len(got) != 1 || got[0].Seq != seq {
						t.Errorf("an acknowledged record is not found: %v, %v", got, err)
					}
				}
			}
		})
	}
	wg.Wait()
	for seq := int64(1); seq <= appenders*each; seq++ {
		if e := <-followed; e.Seq != seq || e.Record.Name != acked[seq] {
			t.Fatalf("followed %d %q, want %d %q", e.Seq, e.Record.Name, seq, acked[seq])
		}
	}
	j.Close()
	wantClean(t, dir, appenders*each)
	if r := verify(t, dir); r.Segments < 3 {
		t.Errorf("only %d segments", r.Segments)
	}
}

// TestLongTextIsCut: what somebody wrote at any length is recorded, by its beginning, length and hash.
func TestLongTextIsCut(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir, 0)
	r := record(1)
	r.Reason = strings.Repeat("\x1b[2J", 1<<18)
	r.Name = strings.Repeat("n", 1<<20)
	r.Detail = json.RawMessage(`"` + strings.Repeat("x", audit.MaxRecord) + `"`)
	if _, err := j.Append(context.Background(), r); err != nil {
		t.Fatal(err)
	}
	got, err := j.Records(context.Background(), audit.Query{})
	if err != nil || len(got) != 1 {
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte(r.Reason))
	if tail := fmt.Sprintf(" [1048576 bytes, sha256:%x]", sum); !strings.HasSuffix(got[0].Record.Reason, tail) || len(got[0].Record.Reason) > 5000 {
		t.Errorf("reason is %d bytes, without %q", len(got[0].Record.Reason), tail)
	}
	if !strings.HasPrefix(string(got[0].Record.Detail), `{"omitted_bytes":1048578,"sha256":"`) {
		t.Errorf("detail is %.80s", got[0].Record.Detail)
	}
	wantClean(t, dir, 1)
}

// oneByOne is a journal of ten records in one segment, each with a checkpoint of its own.
func oneByOne(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	j := open(t, dir, 0)
	fill(t, j, 1, 10)
	j.Close()
	return dir
}
