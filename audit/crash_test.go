package audit_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"lodge/audit"
	"lodge/inventory"
)

// faultyDisk does what it is told until budget is used up: every byte written and every other
// call costs one. From then on all calls fail, as for a process that is dead. It does not wait for
// the real disk, but keeps what would be durable.
type faultyDisk struct {
	mu      sync.Mutex
	budget  int  // negative: no end
	coarse  bool // a write costs one, however long
	durable map[string][]byte
	renamed map[string]string // new name to old one, until the folder is synced
	fail    func(op string) error
}

var errDead = errors.New("the process is dead")

func newDisk(budget int) *faultyDisk {
	return &faultyDisk{budget: budget, durable: map[string][]byte{}, renamed: map[string]string{}}
}

// spend takes up to n from the budget and returns how much there was.
func (d *faultyDisk) spend(op string, n int) (int, error) {
	if d.fail != nil {
		if err := d.fail(op); err != nil {
			return n / 2, err
		}
	}
	if d.budget < 0 {
		return n, nil
	}
	if d.coarse && d.budget > 0 {
		d.budget--
		return n, nil
	}
	if d.budget < n {
		n, d.budget = d.budget, 0
		return n, errDead
	}
	d.budget -= n
	return n, nil
}

func (d *faultyDisk) Open(path string, create bool) (audit.File, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, err := d.spend("open", 1); err != nil {
		return nil, err
	}
	f, err := audit.RealDisk.Open(path, create)
	return &faultyFile{File: f, disk: d, path: path}, err
}

func (d *faultyDisk) Rename(from, to string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, err := d.spend("rename", 1); err != nil {
		return err
	}
	d.renamed[to] = from
	d.durable[to] = d.durable[from]
	delete(d.durable, from)
	return os.Rename(from, to)
}

func (d *faultyDisk) Remove(path string) error { return audit.RealDisk.Remove(path) }

func (d *faultyDisk) Reserve(path string, size int64) error {
	return audit.RealDisk.Reserve(path, size)
}

func (d *faultyDisk) SyncDir(string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	_, err := d.spend("syncdir", 1)
	if err == nil {
		clear(d.renamed)
	}
	return err
}

// losePower takes back everything that was not made durable.
func (d *faultyDisk) losePower(t testing.TB) {
	t.Helper()
	for path, text := range d.durable {
		if from, ok := d.renamed[path]; ok {
			os.Remove(path)
			path = from
		}
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

type faultyFile struct {
	audit.File
	disk *faultyDisk
	path string
}

// now is the file's present name.
func (f *faultyFile) now() string {
	for to, from := range f.disk.renamed {
		if from == f.path {
			return to
		}
	}
	if _, err := os.Stat(f.path); err != nil && filepath.Ext(f.path) == ".tmp" {
		return f.path[:len(f.path)-len(".tmp")]
	}
	return f.path
}

func (f *faultyFile) WriteAt(b []byte, off int64) (int, error) {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	n, err := f.disk.spend("write", len(b))
	if err != nil && f.now() == filepath.Join(filepath.Dir(f.path), "checkpoint") {
		n = 0 // one sector is written whole or not at all, which FORMAT.md relies on
	}
	if m, werr := f.File.WriteAt(b[:n], off); werr != nil {
		return m, werr
	}
	return n, err
}

func (f *faultyFile) Truncate(size int64) error {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	if _, err := f.disk.spend("truncate", 1); err != nil {
		return err
	}
	return f.File.Truncate(size)
}

func (f *faultyFile) Datasync() error {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	if _, err := f.disk.spend("datasync", 1); err != nil {
		return err
	}
	text, err := os.ReadFile(f.now())
	f.disk.durable[f.now()] = text
	return err
}

func openOn(dir string, d audit.Disk, t testing.TB) (*audit.Journal, error) {
	return audit.Open(dir, audit.WithDisk(audit.Options{Key: testKey(t), Log: quiet, SegmentSize: 1000,
		Now: func() time.Time { return start }}, d))
}

// work appends until something fails and returns the last acknowledged record.
func work(t testing.TB, dir string, d audit.Disk, from, to int64) (acked int64) {
	t.Helper()
	acked = from - 1
	j, err := openOn(dir, d, t)
	if err != nil {
		return acked
	}
	defer j.Close()
	for n := from; n <= to; n++ {
		seq, err := j.Append(context.Background(), record(n))
		if err != nil {
			if !errors.Is(err, inventory.ErrUnavailable) {
				t.Fatalf("Append: %v", err)
			}
			return acked
		}
		if seq != n {
			t.Fatalf("seq %d, want %d", seq, n)
		}
		acked = n
	}
	return acked
}

// wantSound opens the journal after a crash: all acknowledged records are there, at most the one
// that was under way besides, and the journal goes on.
func wantSound(t testing.TB, dir string, acked int64) {
	t.Helper()
	j, err := openOn(dir, newDisk(-1), t)
	if err != nil {
		t.Fatalf("Open after the crash: %v", err)
	}
	defer j.Close()
	if _, err := j.Append(context.Background(), record(99)); err != nil {
		t.Fatal(err)
	}
	got, err := j.Records(context.Background(), audit.Query{})
	if err != nil {
		t.Fatal(err)
	}
	n := int64(0)
	for n < int64(len(got)) && got[n].Record.Verb != "audit.recover" && got[n].Record.Name != "web99" {
		if want := fmt.Sprintf("web%d", n+1); got[n].Record.Name != want {
			t.Fatalf("record %d is %s, want %s", n+1, got[n].Record.Name, want)
		}
		n++
	}
	if n < acked || n > acked+1 {
		t.Fatalf("%d records survived, %d were acknowledged", n, acked)
	}
	j.Close()
	r, err := audit.VerifyQuick(dir, public(t))
	if err != nil || r.Verdict != audit.VerdictClean {
		t.Fatalf("Verify after the crash: %v, %v", r.Problems, err)
	}
}

// TestCrashAtEveryByte kills the writer after every byte it writes and at every call it makes,
// once leaving the page cache intact (the process died) and once not (the machine did).
func TestCrashAtEveryByte(t *testing.T) {
	for name, c := range map[string]struct {
		power  bool
		coarse bool // cut between calls only; power makes no difference within one
		want   int64
	}{
		"process, every byte": {false, false, 2}, // one rotation
		"process, every call": {false, true, 5},
		"machine, every call": {true, true, 5},
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			step := 7 // of bytes; each of them takes minutes
			if c.coarse || os.Getenv("LODGE_LONG") == "1" {
				step = 1
			}
			for budget, acked := 0, int64(0); acked < c.want; budget += step {
				dir := filepath.Join(root, fmt.Sprint(budget))
				d := newDisk(budget)
				d.coarse = c.coarse
				acked = work(t, dir, d, 1, c.want)
				if c.power {
					d.losePower(t)
				}
				wantSound(t, dir, acked)
				if t.Failed() {
					t.Fatalf("with a crash after %d", budget)
				}
				os.RemoveAll(dir)
			}
		})
	}
}

// TestCrashDuringRecovery crashes again at every step of the recovery.
func TestCrashDuringRecovery(t *testing.T) {
	good := t.TempDir()
	if acked := work(t, good, newDisk(-1), 1, 3); acked != 3 {
		t.Fatalf("acked %d", acked)
	}
	paths := segments(t, good)
	edit(t, paths[len(paths)-1], func(s string) string { return s + "\x00\x00\x02\x00\x12" })
	for budget := 0; ; budget++ {
		dir := copyDir(t, good)
		d := newDisk(budget)
		d.coarse = true
		j, err := openOn(dir, d, t)
		if err == nil {
			j.Close()
			break
		}
		d.losePower(t)
		wantSound(t, dir, 3)
	}
}

// TestFailingDisk lets single calls fail and the disk recover: records are refused meanwhile,
// nothing acknowledged is lost, nothing half written stays.
func TestFailingDisk(t *testing.T) {
	for name, c := range map[string]struct {
		ops []string // that fail, each once, in this order
		err error
	}{
		"no space":                        {[]string{"write"}, syscall.ENOSPC},
		"fdatasync fails":                 {[]string{"datasync"}, syscall.EIO},
		"and truncate":                    {[]string{"write", "truncate"}, syscall.EIO},
		"and the fdatasync after it":      {[]string{"write", "datasync"}, syscall.EIO},
		"it turns read-only, for a while": {[]string{"write", "truncate", "truncate", "truncate"}, syscall.EROFS},
		"no space for the next segment":   {[]string{"open"}, syscall.ENOSPC},
		"its rename fails":                {[]string{"rename"}, syscall.EIO},
		"its folder can't be synced":      {[]string{"syncdir"}, syscall.EIO},
	} {
		t.Run(name, func(t *testing.T) {
			dir, d := t.TempDir(), newDisk(-1)
			j, err := openOn(dir, d, t)
			if err != nil {
				t.Fatal(err)
			}
			defer j.Close()
			ctx := context.Background()
			fill(t, j, 1, 1)
			ops := c.ops
			d.mu.Lock()
			d.fail = func(op string) error {
				if len(ops) > 0 && op == ops[0] {
					ops = ops[1:]
					return c.err
				}
				return nil
			}
			d.mu.Unlock()
			refused := 0
			for n := int64(2); n <= 8; n++ {
				seq, err := j.Append(ctx, record(n))
				for tries := 0; err != nil && tries < 3; tries++ {
					if !errors.Is(err, inventory.ErrUnavailable) || !errors.Is(err, c.err) {
						t.Fatalf("Append: %v", err)
					}
					refused++
					seq, err = j.Append(ctx, record(n))
				}
				if err != nil || seq != n {
					t.Fatalf("Append = %d, %v; want %d", seq, err, n)
				}
			}
			if refused == 0 {
				t.Error("nothing was refused")
			}
			j.Close()
			wantClean(t, dir, 8)
		})
	}
}

// TestTornTail cuts and litters the end of the last segment in ways a crash can.
func TestTornTail(t *testing.T) {
	good := t.TempDir()
	j := open(t, good, 0)
	fill(t, j, 1, 10)
	j.Close()
	next := raw{eventKind, `{"seq":11,"at":"2026-05-03T14:00:00Z","kind":"fact","verb":"x"}`}.bytes()
	for name, tail := range map[string][]byte{
		"part of a record":            next[:20],
		"a record without checkpoint": next,
		"zeros":                       make([]byte, 5000),
		"zeros, then a record":        append(make([]byte, 900), next...),
	} {
		t.Run(name, func(t *testing.T) {
			dir := copyDir(t, good)
			edit(t, segments(t, dir)[0], func(s string) string { return s + string(tail) })
			r := verify(t, dir)
			if r.Verdict != audit.VerdictIncomplete || r.Problems[0].Seq != 11 {
				t.Errorf("Verify: %s, %v", r.Verdict, r.Problems)
			}
			j := open(t, dir, 0)
			got, err := j.Records(context.Background(), audit.Query{Verb: "audit.recover"})
			want := fmt.Sprintf(`"bytes":%d,`, len(tail))
			if err != nil || len(got) != 1 || got[0].Seq != 11 || !bytes.Contains(got[0].Record.Detail, []byte(want)) {
				t.Errorf("what was cut off is not recorded: %v, %v", got, err)
			}
			j.Close()
			wantClean(t, dir, 11)
		})
	}
}
