package anchor_test

import (
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"lodge/audit"
	"lodge/inventory"
	"lodge/manager/anchor"
	"lodge/packaging/need"
)

func dropped(b *bench, folder string) (checkpoints, segments []string) {
	dir := filepath.Join(folder, path.Base(b.journal.Origin()))
	checkpoints, _ = filepath.Glob(filepath.Join(dir, "*.checkpoint*"))
	segments, _ = filepath.Glob(filepath.Join(dir, "*.seg"))
	return checkpoints, segments
}

// A folder gets each checkpoint and each finished segment once, and nothing there is ever written again.
func TestDrop(t *testing.T) {
	folder := t.TempDir()
	b := newBench(t, map[string]string{anchor.SettingDrop: folder, anchor.SettingInterval: "1s"})
	b.write(5)
	old := b.shortened(t, func() { b.write(400) })
	b.run()
	full := func(s anchor.Status) bool {
		return s.Checkpoint.Size == b.journal.Latest().Size && s.State() == anchor.StateOK
	}
	b.await("the checkpoint is there", full)
	b.write(7)
	b.await("the records after it are there", full)
	b.stop()
	b.inDrop(folder)
	checkpoints, segments := dropped(b, folder)
	if len(checkpoints) == 0 || len(segments) == 0 {
		t.Fatalf("it has %v and %v", checkpoints, segments)
	}
	notes := kept(t, checkpoints[len(checkpoints)-1])
	if r := verify(t, b.dir, audit.VerifyOptions{Checkpoints: notes}); r.ExitCode() != 0 || r.Compared != 1 {
		t.Errorf("the journal does not agree with the drop: %+v", r)
	}
	if r := verify(t, old, audit.VerifyOptions{Checkpoints: notes}); r.ExitCode() == 0 {
		t.Error("the cut is not found")
	}
	if r := verify(t, filepath.Dir(segments[0]), audit.VerifyOptions{Checkpoints: notes}); r.Records < 100 || r.Verdict == audit.VerdictTampered {
		t.Errorf("the segments that were dropped: %+v", r)
	}
	if s := b.status(); !strings.Contains(s.Note, "same disk") {
		t.Errorf("nobody is told that the folder is on this disk: %q", s.Note)
	}
	before := facts(t, folder)
	clear(b.kept.values) // the database was lost: everything goes out again
	b.run()
	b.await("it found all of it", full)
	b.stop()
	for name, was := range before {
		if now := facts(t, folder)[name]; now != was {
			t.Errorf("%s was written again: %s, %s", name, was, now)
		}
	}
}

// inDrop looks for each record's bytes in the files of a drop.
func (b *bench) inDrop(folder string) {
	b.t.Helper()
	_, names := dropped(b, folder)
	lines, _ := filepath.Glob(filepath.Join(folder, "*", "*.records"))
	var all strings.Builder
	for _, name := range append(names, lines...) {
		text, err := os.ReadFile(name)
		b.must(err)
		all.Write(text)
	}
	entries, err := b.journal.Records(b.t.Context(), audit.Query{})
	b.must(err)
	for _, e := range entries {
		if !strings.Contains(all.String(), string(e.Payload)) {
			b.t.Errorf("record %d is in none of %v, %v", e.Seq, names, lines)
		}
	}
	if len(lines) < 2 {
		b.t.Errorf("records came as %v", lines)
	}
}

// What a crash cut short stays, and the whole file comes beside it.
func TestDropAfterACrash(t *testing.T) {
	folder := t.TempDir()
	b := newBench(t, map[string]string{anchor.SettingDrop: folder, anchor.SettingInterval: "1s"})
	b.write(200)
	segment := b.journal.Finished(0)[0]
	dir := filepath.Join(folder, path.Base(b.journal.Origin()))
	b.must(os.Mkdir(dir, 0o750))
	b.must(os.WriteFile(filepath.Join(dir, segment.Name), []byte("half"), 0o440))
	b.run()
	b.await("the checkpoint is there", func(s anchor.Status) bool { return s.Checkpoint.Size == 200 })
	half, err := os.ReadFile(filepath.Join(dir, segment.Name))
	whole, err2 := os.ReadFile(filepath.Join(dir, segment.Name+".2"))
	want, err3 := os.ReadFile(filepath.Join(b.dir, segment.Name))
	if err != nil || err2 != nil || err3 != nil || string(half) != "half" || string(whole) != string(want) {
		t.Errorf("%v %v %v: %q beside %d bytes of %d", err, err2, err3, half, len(whole), len(want))
	}
}

// A share that is not mounted any more is no place to write to.
func TestDropUnmounted(t *testing.T) {
	need.Root(t)
	share := t.TempDir()
	b := newBench(t, map[string]string{anchor.SettingDrop: share, anchor.SettingInterval: "1s"})
	b.must(syscall.Mount("none", share, "tmpfs", 0, ""))
	unmount := func() { syscall.Unmount(share, syscall.MNT_DETACH) }
	t.Cleanup(unmount)
	b.write(1)
	b.run()
	b.await("the checkpoint is there", func(s anchor.Status) bool { return s.Checkpoint.Size == 1 })
	if s := b.status(); s.Note != "" {
		t.Errorf("another disk is told of as %q", s.Note)
	}
	b.stop()
	unmount()
	b.run()
	b.write(1)
	b.await("it is missed", func(s anchor.Status) bool { return strings.Contains(s.Error, "mount it again") })
	if left, _ := os.ReadDir(share); len(left) > 0 {
		t.Errorf("the mount point got %v", left)
	}
}

// A target that holds more than the journal has tells of it for as long as it is one.
func TestAheadOfTheJournal(t *testing.T) {
	folder := t.TempDir()
	b := newBench(t, map[string]string{anchor.SettingDrop: folder, anchor.SettingInterval: "1s"})
	b.write(3)
	b.must(b.journal.Close())
	old := filepath.Join(t.TempDir(), "old")
	b.must(os.CopyFS(old, os.DirFS(b.dir)))
	b.open()
	b.write(4)
	b.run()
	b.await("all is there", func(s anchor.Status) bool { return s.Checkpoint.Size == 7 })
	b.stop()
	b.must(b.journal.Close())
	b.must(os.RemoveAll(b.dir))
	b.must(os.Rename(old, b.dir))
	b.open()
	for range 2 {
		b.run()
		b.write(1)
		b.await("the loss is told", func(s anchor.Status) bool {
			return s.Ahead == 7 && s.State() == anchor.StateAhead && s.Checkpoint.Size == b.journal.Latest().Size
		})
		b.stop()
	}
	if r := verify(t, b.dir, audit.VerifyOptions{Logs: b.service.Checkpoints()}); r.ExitCode() == 0 {
		t.Errorf("the agent's own check doesn't ask the drop: %+v", r)
	}
	b.must(os.RemoveAll(folder))
	if r := verify(t, b.dir, audit.VerifyOptions{Logs: b.service.Checkpoints()}); r.ExitCode() == 0 {
		t.Errorf("the cursor doesn't remember what was there: %+v", r)
	}
}

// An anchor that is turned off still gets the record that says so.
func TestTurnedOff(t *testing.T) {
	folder := t.TempDir()
	b := newBench(t, map[string]string{anchor.SettingDrop: folder, anchor.SettingInterval: "1h"})
	b.write(1) // the intent
	b.run()
	b.await("the first is there", func(s anchor.Status) bool { return s.Checkpoint.Size == 1 })
	b.set(map[string]string{})
	b.write(1) // the outcome
	for until := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		checkpoints, _ := dropped(b, folder)
		if len(checkpoints) == 2 {
			break
		}
		if time.Now().After(until) {
			t.Fatalf("it has %v", checkpoints)
		}
	}
	if s := b.status(); s.Sink != "" {
		t.Errorf("it is shown still: %+v", s)
	}
	b.stop()
}

func facts(t *testing.T, folder string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(folder, func(name string, e os.DirEntry, err error) error {
		if err == nil && e.Type().IsRegular() {
			info, _ := e.Info()
			out[name] = info.ModTime().Format(time.RFC3339Nano) + " " + inventory.Bytes(info.Size()).String()
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}
