package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lodge/inventory"
	"lodge/manager/recovery"
	"lodge/web/client"
)

// TestRecover loses the database in every way and gets it back: the containers run on, and names,
// addresses, history, snapshots, settings and what lies in the trash are as they were.
func TestRecover(t *testing.T) {
	l := newLab(t)
	l.launch("rc-web", "rc-gone")
	l.do(l.updating("rc-web", inventory.UpdateArgs{Settings: map[string]string{"memory": "96MiB"},
		Labels: map[string]string{"tier": "1e3"}}))
	l.do(func(ctx context.Context) (client.Answer, error) {
		return l.api.CreateSnapshot(ctx, at("rc-web"), inventory.SnapshotArgs{Name: "s1", Note: "kept"}, client.Options{})
	})
	l.do(power(func(ctx context.Context, ref inventory.Ref, o client.Options) (client.Answer, error) {
		return l.api.Delete(ctx, ref, false, o)
	}, "rc-gone"))
	l.do(func(ctx context.Context) (client.Answer, error) {
		return l.api.SetConfig(ctx, inventory.ConfigArgs{Settings: map[string]string{"stop.timeout": "7s"}}, client.Options{})
	})
	before, pid := l.memory("rc-web", "rc-gone"), l.container("rc-web").Observed.InitPID

	for name, lose := range map[string]func(path string) error{
		"removed": os.Remove,
		"emptied": func(path string) error { return os.Truncate(path, 0) },
		"damaged": func(path string) error {
			return os.WriteFile(path, []byte(strings.Repeat("no database ", 5000)), 0o600)
		},
	} {
		l.awaitCopies("rc-web", "rc-gone")
		l.kill()
		path := filepath.Join(l.root, "lodge.db")
		for _, p := range []string{path + "-wal", path + "-shm"} {
			os.Remove(p)
		}
		if err := lose(path); err != nil {
			t.Fatal(err)
		}
		if err := l.tryStart(); err == nil || !strings.Contains(err.Error(), "lodged recover") {
			t.Fatalf("an agent whose database was %s starts: %v", name, err)
		}
		if out, err := l.recover(); err != nil || !strings.Contains(out, "container rc-web: revision ") ||
			strings.Contains(out, "NOT BACK") {
			t.Fatalf("%s: %v\n%s", name, err, out)
		}
		l.start()
		if diff := cmp.Diff(before, l.memory("rc-web", "rc-gone")); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		if now := l.container("rc-web").Observed.InitPID; now != pid {
			t.Errorf("%s: init was %d and is %d", name, pid, now)
		}
	}
	l.checkAudit()
	l.lodgeOK("trash", "restore", "rc-gone")
	l.lodgeOK("snapshot", "restore", "rc-web", "s1", "--yes")
	l.stop()
	if out, err := l.recover(); err == nil || !strings.Contains(out, "nothing to recover") {
		t.Errorf("recover over a database that works: %v\n%s", err, out)
	}
}

// TestStrays shows what does not fit the inventory, in words.
func TestStrays(t *testing.T) {
	l := newLab(t)
	l.launch("st-web")
	if out, code := l.lodge("host", "check", "-o", "json"); code != 0 || strings.TrimSpace(out) != "[]" {
		t.Errorf("a clean host: %d %s", code, out)
	}
	id := l.container("st-web").ID
	l.do(l.stopping("st-web", inventory.StopArgs{}))
	for _, step := range [][]string{
		{"btrfs", "subvolume", "snapshot", l.volume(id), l.volume("0192f000-0000-7000-8000-000000000001")},
		{"btrfs", "subvolume", "delete", l.volume(id)},
		{"mkdir", filepath.Join(l.root, "containers", "rogue")},
	} {
		if out, err := exec.Command(step[0], step[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %v: %s", step, err, out)
		}
	}
	out, code := l.lodge("host", "check")
	for _, want := range []string{"root without container", "container without root", "container past the gate"} {
		if !strings.Contains(out, want) || code != 1 {
			t.Errorf("%q is not in the answer (%d):\n%s", want, code, out)
		}
	}
	os.Remove(filepath.Join(l.root, "containers", "rogue"))
}

// memory is what has to come back.
func (l *lab) memory(names ...string) map[string]any {
	ctx := context.Background()
	m := map[string]any{}
	for k, v := range l.world() {
		m[k] = v
	}
	for _, name := range names {
		history, err := l.api.History(ctx, at(name))
		l.must(err)
		m["history "+name] = history
	}
	all, err := l.api.Addresses(ctx, client.AddressQuery{History: true})
	l.must(err)
	for _, a := range all {
		m["address "+a.IP] = fmt.Sprint(a)
	}
	return m
}

// awaitCopies waits until the copies are of the present revisions and settings.
func (l *lab) awaitCopies(names ...string) {
	l.t.Helper()
	l.settle()
	l.await("the copy of the host", func() bool {
		found, err := recovery.Read(l.root)
		return err == nil && strings.Contains(fmt.Sprint(found.Host.Tables["hosts"]), `"7s"`)
	})
	for _, name := range names {
		c := l.container(name)
		l.await("the copy of "+name, func() bool {
			found, err := recovery.Read(l.root)
			if err != nil {
				return false
			}
			for _, copied := range found.Containers {
				row := copied.Tables["containers"][0]
				if row["id"] == string(c.ID) && fmt.Sprint(row["revision"]) == fmt.Sprint(c.Revision) {
					return true
				}
			}
			return false
		})
	}
}

func (l *lab) recover() (string, error) {
	out, err := exec.Command(l.lodged(), "recover", "--config", l.config).CombinedOutput()
	return string(out), err
}

// lodgeOK runs the command line, which has to succeed.
func (l *lab) lodgeOK(args ...string) {
	l.t.Helper()
	if out, code := l.lodge(args...); code != 0 {
		l.t.Errorf("lodge %v: %d %s", args, code, out)
	}
}
