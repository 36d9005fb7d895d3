package main

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"lodge/inventory"
	"lodge/web/client"
)

func (l *lab) restoring(name, snapshot string) mutation {
	return func(ctx context.Context) (client.Answer, error) {
		return l.api.RestoreSnapshot(ctx, at(name), snapshot, client.Options{})
	}
}

func (l *lab) snapshotPath(name, snapshot string) string {
	return filepath.Join(l.root, "pools/default/snapshots", string(l.container(name).ID), snapshot)
}

// TestSnapshotsOfOthers: no snapshot is lost to another one that has its name.
func TestSnapshotsOfOthers(t *testing.T) {
	l := newLab(t)
	l.stopped("lt-web")

	// One the pool keeps and the inventory does not know, as after its database was restored.
	l.do(l.snapping("lt-web", "lost"))
	sqlite(t, l.root+"/lodge.db", "DELETE FROM snapshots WHERE name='lost'")
	if _, err := l.try(l.snapping("lt-web", "lost")); !errors.Is(err, inventory.ErrExists) {
		t.Errorf("a snapshot of a name the pool has: %v", err)
	}
	if _, err := os.Stat(l.snapshotPath("lt-web", "lost")); err != nil {
		t.Errorf("the pool's snapshot is gone: %v", err)
	}
	l.must(exec.Command("btrfs", "subvolume", "delete", l.snapshotPath("lt-web", "lost")).Run())

	// Restores within one second keep one state each.
	l.do(l.snapping("lt-web", "good"))
	want := []string{"first", "second", "third"}
	for _, text := range want {
		l.mark("lt-web", text)
		l.do(l.restoring("lt-web", "good"))
	}
	var kept []string
	for _, s := range l.snapshots("lt-web") {
		if strings.HasPrefix(s.Name, "before-restore-") {
			text, _ := os.ReadFile(filepath.Join(l.snapshotPath("lt-web", s.Name), "marker"))
			kept = append(kept, string(text))
		}
	}
	if slices.Sort(kept); !slices.Equal(kept, want) {
		t.Errorf("the states before the restores that were kept are %v, want %v", kept, want)
	}

	// One whose row has outlived it is refused before anything is touched.
	l.do(l.snapping("lt-web", "half"))
	l.must(exec.Command("btrfs", "subvolume", "delete", l.snapshotPath("lt-web", "half")).Run())
	if _, err := l.try(l.restoring("lt-web", "half")); !errors.Is(err, inventory.ErrNotFound) {
		t.Errorf("restoring a snapshot the pool has lost: %v", err)
	}
	l.do(func(ctx context.Context) (client.Answer, error) {
		return l.api.DeleteSnapshot(ctx, at("lt-web"), "half", client.Options{})
	})
	l.checkClean()
}

// TestExpiryOfAnEarlierSnapshot: the deadline of a snapshot that is gone lets the one alone that has
// its name now.
func TestExpiryOfAnEarlierSnapshot(t *testing.T) {
	l := newLab(t)
	l.stopped("lt-web")
	snap := func(args inventory.SnapshotArgs) {
		t.Helper()
		l.do(func(ctx context.Context) (client.Answer, error) {
			return l.api.CreateSnapshot(ctx, at("lt-web"), args, client.Options{})
		})
	}
	snap(inventory.SnapshotArgs{Name: "daily", Expires: "3s"})
	l.do(func(ctx context.Context) (client.Answer, error) {
		return l.api.DeleteSnapshot(ctx, at("lt-web"), "daily", client.Options{})
	})
	snap(inventory.SnapshotArgs{Name: "daily"})
	snap(inventory.SnapshotArgs{Name: "brief", Expires: "1s"})
	l.await("both deadlines are over", func() bool {
		out, err := exec.Command("sqlite3", l.root+"/lodge.db",
			"SELECT count(*) FROM deadlines WHERE verb='snapshot.delete' AND done_ns IS NOT NULL").Output()
		return err == nil && strings.TrimSpace(string(out)) == "2"
	})
	l.settle()
	if got := l.snapshots("lt-web"); len(got) != 1 || got[0].Name != "daily" {
		t.Errorf("the snapshots are %+v, want daily alone", got)
	}
	l.checkClean()
}

// TestFailedRestoreRunsOn: a restore to a root that can't be started leaves everything as it was:
// what ran runs, on the root it had.
func TestFailedRestoreRunsOn(t *testing.T) {
	l := newLab(t)
	l.running("lt-web")
	init := filepath.Join(l.volume(l.container("lt-web").ID), "sbin/init")
	l.must(os.Rename(init, init+".away"))
	l.do(l.snapping("lt-web", "headless"))
	l.must(os.WriteFile(init, []byte("#!/no/such/interpreter\n"), 0o755))
	l.do(l.snapping("lt-web", "unrunnable"))
	l.must(os.Rename(init+".away", init))
	before := l.world()
	for _, snapshot := range []string{"headless", "unrunnable"} {
		pid := l.container("lt-web").Observed.InitPID
		op, err := l.try(l.restoring("lt-web", snapshot))
		if err == nil || !strings.Contains(err.Error(), "init") || strings.Contains(err.Error(), "undoing") {
			t.Errorf("restoring %s: %s, %v", snapshot, op.State, err)
		}
		l.unchanged(before)
		if now := l.container("lt-web").Observed.InitPID; now == pid || now == 0 {
			t.Errorf("after %s its init is %d, was %d", snapshot, now, pid)
		}
		before = l.world()
	}
	l.checkClean()
}

// TestFailedRestartIsSaid: one that can't come back up is said to be down, and the restart policy
// brings it back when it can.
func TestFailedRestartIsSaid(t *testing.T) {
	l := newLab(t)
	l.running("lt-web")
	init := filepath.Join(l.volume(l.container("lt-web").ID), "sbin/init")
	l.must(os.Rename(init, init+".away"))
	_, err := l.try(func(ctx context.Context) (client.Answer, error) {
		return l.api.Restart(ctx, at("lt-web"), inventory.StopArgs{}, client.Options{})
	})
	if err == nil || !strings.Contains(err.Error(), "ran before and is down now") {
		t.Errorf("a restart without an init: %v", err)
	}
	if c := l.container("lt-web"); c.State != inventory.StateStopped || c.Intent != inventory.IntentRun {
		t.Errorf("it is %s, meant to %s", c.State, c.Intent)
	}
	l.must(os.Rename(init+".away", init))
	l.await("the restart policy has brought it back", func() bool {
		return l.container("lt-web").State == inventory.StateRunning
	})
	l.settle()
	l.checkClean()
}

// TestLateStop: an init that takes its time over a restart that was given up is started again when
// it has ended after all.
func TestLateStop(t *testing.T) {
	l := newLab(t)
	l.importImage("slow", tinyImage(t, "#!/bin/sh\ntrap 'sleep 3; poweroff -f' PWR TERM\nwhile :; do sleep 0.1; done\n"))
	l.do(l.create(of("slow", "lt-slow"), true))
	pid := l.container("lt-slow").Observed.InitPID
	_, err := l.try(func(ctx context.Context) (client.Answer, error) {
		return l.api.Restart(ctx, at("lt-slow"), inventory.StopArgs{Timeout: "1s"}, client.Options{})
	})
	if err == nil {
		t.Error("the restart did not fail")
	}
	l.await("it runs with a new init", func() bool {
		c := l.container("lt-slow")
		return c.State == inventory.StateRunning && c.Observed.InitPID != pid
	})
	l.settle()
	if c := l.container("lt-slow"); c.Intent != inventory.IntentRun {
		t.Errorf("it is meant to %s", c.Intent)
	}
	l.do(power(l.api.Kill, "lt-slow"))
	l.checkClean()
}
