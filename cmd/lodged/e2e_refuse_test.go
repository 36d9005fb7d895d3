package main

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"lodge/inventory"
	"lodge/web/client"
	"lodge/web/wire"
)

// deaf is an init that hears nothing; hasty one that ends at once.
const (
	deaf  = "#!/bin/sh\ntrap '' HUP INT QUIT TERM PWR USR1 USR2 CONT\nwhile :; do sleep 1; done\n"
	hasty = "#!/bin/sh\necho no way to begin\nexit 3\n"
)

// refused checks that a mutation is turned down with the kind and a sentence that has the words,
// and that it leaves the world as it was.
func (l *lab) refused(m mutation, kind error, words ...string) {
	l.t.Helper()
	before := l.world()
	_, err := l.try(m)
	if !errors.Is(err, kind) {
		l.t.Errorf("got %v, want %v", err, kind)
		return
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			l.t.Errorf("%q does not say %q", err, w)
		}
	}
	l.settle()
	l.unchanged(before)
}

// sized is tiny with other settings.
func sized(name string, settings ...string) inventory.CreateArgs {
	args := tiny(name)
	args.Settings = maps.Clone(args.Settings)
	for i := 0; i < len(settings); i += 2 {
		args.Settings[settings[i]] = settings[i+1]
	}
	return args
}

func TestRefusals(t *testing.T) {
	l := newLab(t)
	l.launch("lt-taken")
	unknown := tiny("lt-x")
	unknown.Image = "no/such"
	l.refused(l.create(unknown, true), inventory.ErrNotFound, "no/such")
	l.refused(l.create(tiny("lt-taken"), true), inventory.ErrExists, "lt-taken")
	if _, err := l.api.Create(context.Background(), tiny("lt-taken"), true, client.Options{Plan: true}); !errors.Is(err, inventory.ErrExists) {
		t.Errorf("the plan of a name that is taken: %v", err)
	}
	page, err := l.api.AuditRecords(context.Background(), client.RecordQuery{Verb: "container.launch"})
	l.must(err)
	told := slices.DeleteFunc(page.Items, func(r wire.AuditRecord) bool { return r.Kind != inventory.RecordRefusal })
	if len(told) != 1 || !strings.Contains(told[0].Result, "lt-taken exists already") {
		t.Errorf("the journal has the refusals %+v", told)
	}
	for _, name := range []string{strings.Repeat("a", 64), "..", "../x", "lt-Upper", "lt-ü", "-lt", "lt-", "lt x", "lt/x", "lt\n", "lt.x", "LT"} {
		l.refused(l.create(tiny(name), true), inventory.ErrInvalid)
		l.refused(func(ctx context.Context) (client.Answer, error) {
			return l.api.Rename(ctx, at("lt-taken"), inventory.RenameArgs{Name: name}, client.Options{})
		}, inventory.ErrInvalid)
	}
	for _, setting := range []string{"disk", "memory", "cpus"} {
		for _, value := range []string{"0", "-1", "much"} {
			l.refused(l.create(sized("lt-x", setting, value), true), inventory.ErrInvalid)
			l.refused(l.updating("lt-taken", inventory.UpdateArgs{Settings: map[string]string{setting: value}}), inventory.ErrInvalid)
		}
	}
	purposeless := tiny("lt-x")
	purposeless.Purpose = " "
	l.refused(l.create(purposeless, true), inventory.ErrInvalid, "--purpose")
	l.refused(power(l.api.Start, "lt-taken"), inventory.ErrState, "running")
	l.refused(power(l.api.Start, "lt-nobody"), inventory.ErrNotFound, "lt-nobody")
	if out, code := l.lodge("start", "lt-nobody"); code != 3 || !strings.Contains(out, "lt-nobody") {
		t.Errorf("the command line ends with %d: %s", code, out)
	}
	l.checkClean()
}

// TestDiskLargerThanThePool: a size the pool can never hold is refused in the plan.
func TestDiskLargerThanThePool(t *testing.T) {
	l := newLab(t)
	l.launch("lt-small")
	for _, size := range []string{"100TiB", "9EiB", "99999999999GiB"} {
		l.refused(l.create(sized("lt-big", "disk", size), true), inventory.ErrInvalid)
		l.refused(l.updating("lt-small", inventory.UpdateArgs{Settings: map[string]string{"disk": size}}), inventory.ErrInvalid)
	}
	l.checkClean()
}

func TestStaleRevision(t *testing.T) {
	l := newLab(t)
	l.launch("lt-web")
	seen := l.container("lt-web").Revision
	owner := "other"
	l.do(l.updating("lt-web", inventory.UpdateArgs{Owner: &owner}))
	l.refused(func(ctx context.Context) (client.Answer, error) {
		return l.api.Stop(ctx, at("lt-web"), inventory.StopArgs{}, client.Options{Revision: seen})
	}, inventory.ErrStale, "revision")
}

// TestBusy: while one mutation of a container goes on another is told so, and its client may go
// away without ending it.
func TestBusy(t *testing.T) {
	l := newLab(t)
	l.importImage("deaf", tinyImage(t, deaf))
	args := tiny("lt-deaf")
	args.Image = "deaf"
	l.do(l.create(args, true))
	ctx, leave := context.WithTimeout(context.Background(), 300*time.Millisecond)
	defer leave()
	_, err := l.api.Stop(ctx, at("lt-deaf"), inventory.StopArgs{Timeout: "3s", Kill: true}, client.Options{Wait: patience})
	if err == nil {
		t.Fatal("it stopped at once")
	}
	if _, err := l.try(l.updating("lt-deaf", inventory.UpdateArgs{Labels: map[string]string{"a": "b"}})); !errors.Is(err, inventory.ErrBusy) {
		t.Errorf("the second mutation: %v, want busy", err)
	}
	if out, code := l.lodge("stop", "lt-deaf"); code != 6 {
		t.Errorf("the command line ends with %d, want 6: %s", code, out)
	}
	l.settle()
	if op := l.newest("container.stop"); op.State != inventory.OperationDone {
		t.Errorf("the operation its client left is %s: %s", op.State, op.Error)
	}
	l.checkClean()
}

func TestBrokenArchives(t *testing.T) {
	l := newLab(t)
	whole := tinyImage(t, "")
	for what, archive := range map[string][]byte{
		"cut in a file": whole[:len(whole)/2], "cut in a header": whole[:700], "empty": nil,
		"no archive": bytes.Repeat([]byte("no archive "), 1000), "no system": make([]byte, 1024),
	} {
		t.Run(strings.ReplaceAll(what, " ", "-"), func(t *testing.T) {
			l.t = t
			l.refused(l.importing("broken", archive), inventory.ErrInvalid)
		})
	}
	l.t = t
	l.checkClean()
}

// TestAgentsSideBySide: one root has one agent; two roots have two, with networks, ids and
// containers of their own, even of the same name.
func TestAgentsSideBySide(t *testing.T) {
	l := newLab(t)
	out, err := exec.Command(l.lodged(), "--config", l.config).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "another agent") || strings.Contains(string(out), "panic") {
		t.Errorf("a second agent on the same root: %v\n%s", err, out)
	}
	other := newLab(t)
	l.launch("lt-twin")
	other.launch("lt-twin")
	one, two := l.container("lt-twin"), other.container("lt-twin")
	if one.IDBase == two.IDBase || one.NICs[0].IPv4 == two.NICs[0].IPv4 {
		t.Errorf("they share ids or addresses: %+v and %+v", one, two)
	}
	l.do(power(l.api.Purge, "lt-twin"))
	if c := other.container("lt-twin"); c.Observed.InitPID != two.Observed.InitPID {
		t.Error("purging one touched the other")
	}
	if out, code := other.exec("lt-twin", "hostname"); code != 0 {
		t.Errorf("exec in the other: %d %s", code, out)
	}
	l.checkClean()
	other.checkClean()
}

// TestBadDatabase: an agent refuses to start on a database it can't trust, in one sentence.
func TestBadDatabase(t *testing.T) {
	l := emptyLab(t, "shipped")
	l.start()
	l.stop()
	path := filepath.Join(l.root, "lodge.db")
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	sql := func(statement string) func() { return func() { sqlite(t, path, statement) } }
	for what, c := range map[string]struct {
		spoil func()
		says  string
	}{
		"newer": {sql("INSERT INTO schema_versions(version_id,is_applied) VALUES(999,1)"), "newer"},
		"corrupt": {func() {
			os.WriteFile(path, append([]byte("SQLite format 3\x00"), bytes.Repeat([]byte{7}, 8192)...), 0o600)
		}, "lodge.db"},
		"no db": {func() { os.WriteFile(path, []byte("hello, this is a text and no database, of some length"), 0o600) }, "lodge.db"},
	} {
		t.Run(strings.ReplaceAll(what, " ", "-"), func(t *testing.T) {
			c.spoil()
			err := l.tryStart()
			if err == nil {
				l.stop()
				t.Error("the agent starts")
			} else if text := err.Error(); !strings.Contains(text, c.says) || strings.Contains(text, "goroutine") {
				t.Errorf("it says: %s", text)
			}
			os.Remove(path + "-wal")
			os.Remove(path + "-shm")
			os.WriteFile(path, good, 0o600)
		})
	}
	l.start()
	l.checkAudit()
}

func sqlite(t testing.TB, path, statement string) {
	t.Helper()
	if out, err := exec.Command("sqlite3", path, statement).CombinedOutput(); err != nil {
		t.Fatalf("sqlite3: %v %s", err, out)
	}
}
