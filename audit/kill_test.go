package audit_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"lodge/audit"
	"lodge/inventory"
)

// The tests of this file kill a real process with SIGKILL. It is this program, told by its environment
// what to do: see writeUntilKilled.
const (
	killedDir    = "LODGE_TEST_KILLED_DIR"    // the journal's folder
	killedAt     = "LODGE_TEST_KILLED_AT"     // the call to the disk to die at; 0: somebody else kills
	killedWrites = "LODGE_TEST_KILLED_WRITES" // how many records each writer appends
)

const killedSize = 6000 // bytes of a segment: there are many

// writeUntilKilled appends from eight goroutines and prints the number and name of each record once it
// is acknowledged.
func writeUntilKilled(dir string) int {
	at, _ := strconv.Atoi(os.Getenv(killedAt))
	each, _ := strconv.Atoi(os.Getenv(killedWrites))
	var d audit.Disk = &deadlyDisk{Disk: audit.RealDisk, at: at}
	j, err := audit.Open(dir, audit.WithDisk(audit.Options{Key: theKey(), Log: quiet, SegmentSize: killedSize,
		Now: func() time.Time { return start }}, d))
	if err != nil {
		fmt.Println("error", err)
		return 1
	}
	defer j.Close()
	var writers sync.WaitGroup
	for w := range 8 {
		writers.Go(func() {
			for n := range each {
				r := record(int64(n))
				r.Name = fmt.Sprintf("%d-%d-%d", os.Getpid(), w, n)
				seq, err := j.Append(context.Background(), r)
				if err != nil {
					fmt.Println("error", err)
					return
				}
				fmt.Println("acked", seq, r.Name) // one write(2), so lines stay whole
			}
		})
	}
	writers.Wait()
	return 0
}

// deadlyDisk kills the process at its nth call: within it, if that is a write.
type deadlyDisk struct {
	audit.Disk
	mu sync.Mutex
	n  int
	at int
}

// point counts a call, and reports whether it is the last.
func (d *deadlyDisk) point() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.n++
	return d.n == d.at
}

func die() {
	syscall.Kill(os.Getpid(), syscall.SIGKILL)
	select {}
}

func (d *deadlyDisk) Open(path string, create bool) (audit.File, error) {
	if d.point() {
		die()
	}
	f, err := d.Disk.Open(path, create)
	return deadlyFile{f, d}, err
}

func (d *deadlyDisk) Rename(from, to string) error {
	if d.point() {
		die()
	}
	return d.Disk.Rename(from, to)
}

func (d *deadlyDisk) SyncDir(path string) error {
	if d.point() {
		die()
	}
	return d.Disk.SyncDir(path)
}

type deadlyFile struct {
	audit.File
	disk *deadlyDisk
}

func (f deadlyFile) WriteAt(b []byte, off int64) (int, error) {
	if f.disk.point() {
		if len(b) != 512 { // the file checkpoint's sector is written whole or not at all
			f.File.WriteAt(b[:len(b)*2/3], off)
		}
		die()
	}
	return f.File.WriteAt(b, off)
}

func (f deadlyFile) Datasync() error {
	if f.disk.point() {
		die()
	}
	return f.File.Datasync()
}

// killed is a process that writes, and what it was told is durable.
type killed struct {
	cmd   *exec.Cmd
	acks  chan struct{} // one token for the first
	ended chan struct{} // closed when its output ended
	acked map[int64]string
	wrong []string
}

func startKilled(t *testing.T, dir string, at, writes int) *killed {
	t.Helper()
	k := &killed{cmd: exec.Command(os.Args[0]), acks: make(chan struct{}, 1), ended: make(chan struct{}), acked: map[int64]string{}}
	k.cmd.Env = append(os.Environ(), killedDir+"="+dir, fmt.Sprint(killedAt, "=", at), fmt.Sprint(killedWrites, "=", writes))
	out, err := k.cmd.StdoutPipe()
	if err == nil {
		err = k.cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	go k.listen(out)
	return k
}

func (k *killed) listen(out io.Reader) {
	defer close(k.ended)
	for lines := bufio.NewScanner(out); lines.Scan(); {
		var seq int64
		var name string
		if n, _ := fmt.Sscanf(lines.Text(), "acked %d %s", &seq, &name); n != 2 {
			k.wrong = append(k.wrong, lines.Text())
			continue
		}
		k.acked[seq] = name
		select {
		case k.acks <- struct{}{}:
		default:
		}
	}
}

// wait returns whether the process was killed.
func (k *killed) wait(t *testing.T) bool {
	t.Helper()
	<-k.ended
	err := k.cmd.Wait()
	if len(k.wrong) > 0 {
		t.Fatalf("it says %s", strings.Join(k.wrong, "; "))
	}
	var exit *exec.ExitError
	if err == nil {
		return false
	}
	if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Fatalf("it ended with %v", err)
	}
	return true
}

// wantKept opens the journal that a killed process left: it goes on, verifies, and has each record that was
// ever acknowledged, under its number.
func wantKept(t *testing.T, dir string, acked map[int64]string) {
	t.Helper()
	j := open(t, dir, killedSize)
	defer j.Close()
	if _, err := j.Append(context.Background(), record(1)); err != nil {
		t.Fatal(err)
	}
	have := map[int64]string{}
	if err := j.Walk(context.Background(), audit.Query{}, func(e audit.Entry) error {
		have[e.Seq] = e.Record.Name
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	for seq, name := range acked {
		if have[seq] != name {
			t.Errorf("record %d was acknowledged as %s and is %q", seq, name, have[seq])
		}
	}
	j.Close()
	wantClean(t, dir, int64(len(have)))
}

// TestKilledAtEveryCall kills the writer at each call it makes to the disk, in the middle of each write,
// until one gets to its end; without LODGE_LONG at every fifth.
func TestKilledAtEveryCall(t *testing.T) {
	step := 5
	if os.Getenv("LODGE_LONG") == "1" {
		step = 1
	}
	for at := 1; ; at += step {
		dir := filepath.Join(t.TempDir(), "audit")
		k := startKilled(t, dir, at, 3)
		if !k.wait(t) {
			break
		}
		if wantKept(t, dir, k.acked); t.Failed() {
			t.Fatalf("killed at call %d", at)
		}
	}
}

// TestKilledUnderLoad kills, again and again, the one that has taken over the journal, at any moment; and
// as long as it lives nobody else gets in.
func TestKilledUnderLoad(t *testing.T) {
	kills := 5
	if os.Getenv("LODGE_LONG") == "1" {
		kills = 100
	}
	random := rand.New(rand.NewPCG(5, uint64(kills)))
	dir := filepath.Join(t.TempDir(), "audit")
	acked := map[int64]string{}
	for n := range kills {
		k := startKilled(t, dir, 0, 1<<30)
		select {
		case <-k.acks:
		case <-k.ended:
			k.wait(t)
			t.Fatal("it ended by itself")
		}
		if j, err := audit.Open(dir, audit.Options{Key: testKey(t), Log: quiet}); !errors.Is(err, inventory.ErrBusy) {
			if err == nil {
				j.Close()
			}
			t.Errorf("a second agent on the journal: %v", err)
		}
		time.Sleep(time.Duration(random.IntN(150_000)) * time.Microsecond)
		k.cmd.Process.Kill()
		k.wait(t)
		for seq, name := range k.acked {
			acked[seq] = name
		}
		if wantKept(t, dir, acked); t.Failed() {
			t.Fatalf("kill %d", n)
		}
	}
	if len(acked) < kills {
		t.Errorf("only %d records were acknowledged", len(acked))
	}
}
