package main

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"lodge/inventory"
	"lodge/web/client"
	"lodge/web/wire"
)

// after is tiny that comes after others.
func after(name, timeout string, others ...string) inventory.CreateArgs {
	args := tiny(name)
	args.After = others
	args.Settings["after.timeout"] = timeout
	return args
}

// listening has a port of a running container answered from now on.
func (l *lab) listening(name, port string) {
	l.t.Helper()
	l.exec(name, "sh", "-c", "setsid httpd -f -p "+port+" </dev/null >/dev/null 2>&1 &")
}

// unready is what a start did not wait for any longer.
func unready(op wire.Operation) string { return string(op.Result) }

// TestAfterPort: a start waits for the port of another container, for so long and no longer, and says
// what it did.
func TestAfterPort(t *testing.T) {
	l := newLab(t)
	l.launch("lt-db")
	ctx := context.Background()

	plan, err := l.api.Create(ctx, after("lt-web", "1h", "lt-db:port=5432"), true, client.Options{Plan: true})
	l.must(err)
	said := slices.ContainsFunc(plan.Plan.Effects, func(e inventory.EffectLine) bool {
		return e.Field == "waits for" && e.After == "lt-db:port=5432" && strings.Contains(e.Note, "up to 1h0m0s")
	})
	if !said {
		t.Errorf("the plan does not say what is waited for: %+v", plan.Plan.Effects)
	}

	a, err := l.api.Create(ctx, after("lt-web", "1h", "lt-db:port=5432"), true, client.Options{})
	l.must(err)
	l.await("the start waits", func() bool {
		op, err := l.api.Operation(ctx, a.Operation.ID)
		return err == nil && strings.Contains(op.Progress, "waiting: lt-db did not answer on port 5432")
	})
	if c := l.container("lt-web"); c.State.IsLive() {
		t.Errorf("it is %s before the port answers", c.State)
	}
	l.listening("lt-db", "5432")
	bounded, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	op, err := l.api.Wait(bounded, a.Operation.ID)
	if err != nil || op.Err() != nil || unready(op) != "" {
		t.Errorf("it ended as %s: %v %v; %s", op.State, err, op.Err(), unready(op))
	}
	if l.audited("container.unready", "lt-web") {
		t.Error("the journal has it as not ready")
	}

	// The time is over: it starts all the same.
	op = l.do(l.create(after("lt-late", "1s", "lt-db:port=1", "lt-db:port=5432"), true))
	if !strings.Contains(unready(op), "lt-db did not answer on port 1, 1s long") {
		t.Errorf("the result says %s", unready(op))
	}
	if c := l.container("lt-late"); c.State != inventory.StateRunning || !l.audited("container.unready", "lt-late") {
		t.Errorf("it is %s, or the journal does not tell", c.State)
	}

	// In a file it is the same, and comes back from export-spec as it was.
	file := filepath.Join(t.TempDir(), "spec.yaml")
	spec := "name: lt-spec\nimage: tiny\npurpose: x\nmemory: 64MiB\ndisk: 64MiB\nafter: ['lt-db:port=5432']\n"
	l.must(os.WriteFile(file, []byte(spec), 0o600))
	for _, want := range []string{"lt-spec runs at", "nothing to change"} {
		if out, code := l.lodge("apply", "-f", file); code != 0 || !strings.Contains(out, want) {
			t.Errorf("lodge apply: %d %s", code, out)
		}
	}
	if out, code := l.lodge("export-spec", "lt-spec"); code != 0 || !strings.Contains(out, "lt-db:port=5432") {
		t.Errorf("lodge export-spec: %d %s", code, out)
	}

	// Nobody waits for what is not meant to run.
	l.do(l.stopping("lt-db", inventory.StopArgs{}))
	l.do(l.stopping("lt-web", inventory.StopArgs{}))
	if out, code := l.lodge("start", "lt-web"); code != 0 || !strings.Contains(out, "lt-web runs, though lt-db is not meant to run") {
		t.Errorf("lodge start: %d %s", code, out)
	}
	l.checkClean()
}

// TestAfterIsChecked: what can't be waited for is refused, and a wait is cancelled like anything.
func TestAfterIsChecked(t *testing.T) {
	l := newLab(t)
	l.launch("lt-db")
	for _, text := range []string{"lt-db:port=0", "lt-db:port=x", "lt-db:soon", "lt-none:port=1", "lt-web:port=1"} {
		if op, err := l.try(l.create(after("lt-web", "1m", text), false)); err == nil {
			t.Errorf("--after %s is taken: %s", text, op.State)
		}
	}
	before := l.world()
	a, err := l.api.Create(context.Background(), after("lt-web", "1h", "lt-db:port=5432"), true, client.Options{})
	l.must(err)
	l.await("the start waits", func() bool {
		op, err := l.api.Operation(context.Background(), a.Operation.ID)
		return err == nil && strings.Contains(op.Progress, "waiting")
	})
	_, err = l.api.Cancel(context.Background(), a.Operation.ID)
	l.must(err)
	l.settle()
	l.unchanged(before)

	l.do(l.create(after("lt-web", "1m", "lt-db:port=5432"), false))
	l.do(l.stopping("lt-db", inventory.StopArgs{}))
	_, err = l.try(func(ctx context.Context) (client.Answer, error) {
		return l.api.Rename(ctx, at("lt-db"), inventory.RenameArgs{Name: "lt-sql"}, client.Options{})
	})
	if err == nil || !strings.Contains(err.Error(), "lt-web comes after lt-db, which keeps its name then") {
		t.Errorf("renaming what others come after: %v", err)
	}
	l.checkClean()
}

// asAfterBoot makes the next agent find the host booted, with everything dead.
func (l *lab) asAfterBoot() {
	l.t.Helper()
	l.kill()
	l.await("every process is gone", func() bool { return killNamed(l.root+"/containers") == 0 })
	l.nextBoot()
}

// nextBoot makes the next agent find the host booted.
func (l *lab) nextBoot() {
	l.t.Helper()
	// What was noted of a run is worth nothing after a boot.
	for _, path := range append(l.folder("run/containers/*"), l.folder("run/hooks/*")...) {
		os.Remove(l.root + "/run/containers/" + path)
		os.Remove(l.root + "/run/hooks/" + path)
	}
	sqlite(l.t, l.root+"/lodge.db", "UPDATE meta SET value='an earlier boot' WHERE key='boot'")
}

// TestBootWaitsForPorts: after the host's boot a container waits for the port of another, and holds
// up nobody who does not come after it.
func TestBootWaitsForPorts(t *testing.T) {
	l := newLab(t)
	l.launch("lt-db", "lt-other")
	l.do(l.create(after("lt-app", "1h", "lt-db"), true))
	l.listening("lt-db", "5432")
	l.do(l.create(after("lt-web", "1h", "lt-db:port=5432"), true))
	l.do(l.create(after("lt-front", "1h", "lt-web"), true))
	l.asAfterBoot()
	l.start()
	for _, name := range []string{"lt-db", "lt-other", "lt-app"} {
		l.await(name+" runs", func() bool { return l.container(name).State == inventory.StateRunning })
	}
	for _, name := range []string{"lt-web", "lt-front"} {
		if c := l.container(name); c.State.IsLive() {
			t.Errorf("%s is %s before the port answers", name, c.State)
		}
	}
	l.listening("lt-db", "5432")
	for _, name := range []string{"lt-web", "lt-front"} {
		l.await(name+" runs", func() bool { return l.container(name).State == inventory.StateRunning })
	}
	l.settle()
	if l.audited("container.unready", "lt-web") || l.audited("container.unready", "lt-front") {
		t.Error("the journal has one as not ready")
	}
	l.checkClean()
}

// inProcess is an agent of this process on the lab's root, with the given clock. What it returns ends it.
func (l *lab) inProcess(clock *jumpy) (*Agent, func()) {
	l.t.Helper()
	cfg, err := parseConfig([]string{"--config", l.config})
	l.must(err)
	cfg.Helper = filepath.Join(l.programs, "lodge-lxc")
	ctx, stop := context.WithCancel(context.Background())
	a, err := open(ctx, &Agent{Config: cfg, log: slog.New(slog.DiscardHandler), now: clock.now, self: l.lodged()})
	if err != nil {
		stop()
		l.t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- a.Serve(ctx) }()
	l.await("it answers", func() bool { _, err := l.api.Version(context.Background()); return err == nil })
	return a, func() { stop(); <-served; a.Close(); l.api.Close() }
}

// TestHostStops: when the host goes down, what comes after others stops before these, a deaf one is
// killed when its time is over, and all are meant to run on.
func TestHostStops(t *testing.T) {
	l := emptyLab(t, "shipped")
	a, end := l.inProcess(&jumpy{})
	l.importImage("tiny", tinyImage(t, ""))
	l.importImage("deaf", tinyImage(t, deaf))
	l.launch("lt-db")
	l.do(l.create(after("lt-app", "1m", "lt-db"), true))
	stubborn := after("lt-deaf", "1m", "lt-app")
	stubborn.Image, stubborn.Settings["stop.timeout"] = "deaf", "1s"
	l.do(l.create(stubborn, true))
	l.must(a.container.HostStops(context.Background()))
	page, err := l.api.AuditRecords(context.Background(), client.RecordQuery{Verb: "container.hoststop"})
	l.must(err)
	var order []string
	for _, r := range slices.Backward(page.Items) {
		order = append(order, r.Name)
	}
	if !slices.Equal(order, []string{"lt-deaf", "lt-app", "lt-db"}) {
		t.Errorf("they were stopped in the order %v", order)
	}
	for _, name := range []string{"lt-deaf", "lt-app", "lt-db"} {
		if c := l.container(name); c.State != inventory.StateStopped || c.Intent != inventory.IntentRun {
			t.Errorf("%s is %s, meant to %s", name, c.State, c.Intent)
		}
	}
	end()
	l.nextBoot()
	l.start()
	for _, name := range []string{"lt-deaf", "lt-app", "lt-db"} {
		l.await(name+" runs", func() bool { return l.container(name).State == inventory.StateRunning })
	}
	l.settle()
	l.checkClean()
}
