package main

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"lodge/inventory"
	"lodge/manager/session/stream"
	"lodge/web/client"
)

// TestTrashRestoresTheIntent: what ran when it was deleted runs when it is back, and the plan says
// so; what did not, does not. What can't be started is back all the same.
func TestTrashRestoresTheIntent(t *testing.T) {
	l := newLab(t)
	l.running("lt-ran")
	l.stopped("lt-off")
	for _, name := range []string{"lt-ran", "lt-off"} {
		l.do(power(deleting(l), name))
	}
	plan, err := l.api.Restore(context.Background(), at("lt-ran"), client.Options{Plan: true})
	l.must(err)
	said := ""
	for _, e := range plan.Plan.Effects {
		said += e.Field + " " + e.After + "; "
	}
	if !strings.Contains(said, "intent run") || !strings.Contains(said, "state running") {
		t.Errorf("the plan says %s", said)
	}
	for _, name := range []string{"lt-ran", "lt-off"} {
		l.do(power(l.api.Restore, name))
	}
	if c := l.container("lt-ran"); c.State != inventory.StateRunning || c.Intent != inventory.IntentRun {
		t.Errorf("the one that ran is %s, meant to %s", c.State, c.Intent)
	}
	if c := l.container("lt-off"); c.State != inventory.StateStopped || c.Intent != inventory.IntentStop {
		t.Errorf("the one that did not is %s, meant to %s", c.State, c.Intent)
	}
	l.checkClean()

	init := filepath.Join(l.volume(l.container("lt-ran").ID), "sbin/init")
	l.do(power(deleting(l), "lt-ran"))
	l.must(os.Rename(init, init+".away"))
	l.must(os.WriteFile(init, []byte("#!/no/such/interpreter\n"), 0o755))
	if out, code := l.lodge("trash", "restore", "lt-ran"); code != 0 || !strings.Contains(out, "does not run: ") {
		t.Errorf("lodge trash restore: %d %s", code, out)
	}
	l.must(os.Rename(init+".away", init))
	l.await("the restart policy has started it", func() bool {
		return l.container("lt-ran").State == inventory.StateRunning
	})
	l.settle()
	l.checkClean()
}

// TestPurgeIsOfTheTrash: 'trash purge' takes what is in the trash and nothing else.
func TestPurgeIsOfTheTrash(t *testing.T) {
	l := newLab(t)
	l.stopped("lt-web")
	out, code := l.lodge("trash", "purge", "lt-web", "--yes")
	if code == 0 || !strings.Contains(out, "is not in the trash; 'lodge delete lt-web'") {
		t.Errorf("lodge trash purge of what is not there: %d %s", code, out)
	}
	l.do(power(deleting(l), "lt-web"))
	if out, code := l.lodge("trash", "purge", "lt-web", "--yes"); code != 0 {
		t.Errorf("lodge trash purge: %d %s", code, out)
	}
	l.running("lt-web")
	if out, code := l.lodge("delete", "lt-web", "--purge", "--yes"); code != 0 {
		t.Errorf("lodge delete --purge: %d %s", code, out)
	}
	l.checkClean()
}

// TestTrashedNameIsReused: a name that lies in the trash is used again knowingly, and who had it
// comes back under another with its data and address.
func TestTrashedNameIsReused(t *testing.T) {
	l := newLab(t)
	l.stopped("lt-web")
	old := l.container("lt-web")
	l.do(power(deleting(l), "lt-web"))
	create := []string{"create", "tiny", "lt-web", "--purpose", "the next", "--disk", "64MiB"}
	if out, code := l.lodge(create...); code == 0 || !strings.Contains(out, "in the trash; 'lodge trash restore lt-web' brings it back") {
		t.Errorf("a name in the trash: %d %s", code, out)
	}
	before := l.world()
	if out, code := l.lodge(append(create, "--reuse-name", "--plan")...); code != 0 || !strings.Contains(out, "lt-web lies in the trash") ||
		!strings.Contains(out, "the name lt-web is free") {
		t.Errorf("the plan: %d %s", code, out)
	}
	l.unchanged(before)
	if out, code := l.lodge(append(create, "--reuse-name")...); code != 0 || !strings.Contains(out, "lt-web is created at") {
		t.Errorf("lodge create --reuse-name: %d %s", code, out)
	}
	kept := "lt-web" + l.container(string(old.ID)).TrashedAt.UTC().Format("-20060102-150405")
	if out, _ := l.lodge("trash", "list"); !strings.Contains(out, kept) {
		t.Errorf("lodge trash list: %s", out)
	}
	if out, code := l.lodge("trash", "restore", kept, "--as", "lt-web"); code == 0 || !strings.Contains(out, "lt-web exists already") {
		t.Errorf("restored over another: %d %s", code, out)
	}
	if out, code := l.lodge("trash", "restore", kept, "--as", "lt-back"); code != 0 || !strings.Contains(out, "lt-back is back") {
		t.Errorf("lodge trash restore --as: %d %s", code, out)
	}
	back, next := l.container("lt-back"), l.container("lt-web")
	if back.ID != old.ID || back.NICs[0].IPv4 != old.NICs[0].IPv4 || next.ID == old.ID || next.NICs[0].IPv4 == old.NICs[0].IPv4 {
		t.Errorf("back is %s at %s, was %s at %s; the next is %s at %s", back.ID, back.NICs[0].IPv4, old.ID, old.NICs[0].IPv4, next.ID, next.NICs[0].IPv4)
	}
	if text := l.world()["files lt-back"]; text != "markedlt-back" {
		t.Errorf("its files say %q", text)
	}
	l.do(power(l.api.Start, "lt-back"))
	l.do(power(l.api.Start, "lt-web"))
	l.checkClean()
}

// TestNoHolderOutlivesItsContainer: a session nobody is attached to goes with its container, also
// one that stopped while no agent ran, and one whose holder was killed leaves no socket.
func TestNoHolderOutlivesItsContainer(t *testing.T) {
	l := newLab(t)
	names := []string{"lt-a", "lt-b", "lt-c"}
	l.launch(names...)
	holders := map[string][]int{}
	for _, name := range names {
		for _, command := range [][]string{{"sleep", "1000"}, {"true"}} {
			holders[name] = append(holders[name], l.holder(l.open(name, command...).ID))
		}
	}
	gone := func(name string) {
		t.Helper()
		for _, pid := range holders[name] {
			l.await("the holder is gone with "+name, func() bool { return syscall.Kill(pid, 0) != nil })
		}
	}
	l.do(l.stopping("lt-a", inventory.StopArgs{}))
	gone("lt-a")
	l.do(power(l.api.Purge, "lt-b"))
	gone("lt-b")
	pid := l.container("lt-c").Observed.InitPID
	l.kill()
	syscall.Kill(pid, syscall.SIGKILL)
	syscall.Kill(holders["lt-c"][1], syscall.SIGKILL) // of the command that has ended
	l.await("init is dead", func() bool { return syscall.Kill(pid, 0) != nil })
	l.start()
	gone("lt-c")
	l.await("no file tells of a holder", func() bool {
		return len(l.folder("run/sessions/*.sock"))+len(l.folder("run/sessions/*.json")) == 0
	})
}

// holder is the process of a session, once it has said who it is.
func (l *lab) holder(id inventory.SessionID) int {
	l.t.Helper()
	var f stream.Facts
	l.await("the holder has entered", func() bool {
		raw, err := os.ReadFile(filepath.Join(l.root, "run/sessions", string(id)+".json"))
		return err == nil && json.Unmarshal(raw, &f) == nil
	})
	return f.PID
}
