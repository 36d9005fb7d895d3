package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"lodge/inventory"
	"lodge/web/client"
)

// TestProjects: two containers of one name, what they inherit and where it comes from, a default
// that changes under a running container, a move, and the end of a project.
func TestProjects(t *testing.T) {
	l := newLab(t)
	l.run("project", "create", "lt-shop", "--purpose", "the web shop", "--member", "dev1=operator",
		"--image", "tiny", "memory=64MiB", "disk=64MiB")
	for _, project := range []string{"default", "lt-shop"} {
		l.run("--project", project, "launch", "tiny", "lt-web", "--purpose", "shop front", "--set", "cpus=1")
	}
	shop := inventory.Ref{Project: "lt-shop", Name: "lt-web"}
	c := l.container("lt-shop/lt-web")
	if _, err := os.Stat(filepath.Join(l.root, "containers", "lt-shop_lt-web", "config")); err != nil {
		t.Error(err)
	}
	if out, _ := l.lodge("get", "lt-shop/lt-web"); !strings.Contains(out, "64MiB") || !strings.Contains(out, "project lt-shop") {
		t.Errorf("the origin of an inherited value is not shown:\n%s", out)
	}
	if out, _ := l.lodge("--project", "lt-shop", "exec", "lt-web", "--", "hostname"); out != "lt-web\n" {
		t.Errorf("hostname says %q", out)
	}
	l.answers("lt-web.lt-shop.lodge.internal", c.NICs[0].IPv4)
	l.answers("lt-web.lodge.internal", l.container("lt-web").NICs[0].IPv4)

	l.run("project", "set", "lt-shop", "memory=96MiB")
	if got := cgroupLimit(c.Observed.InitPID); got != fmt.Sprint(96<<20) {
		t.Errorf("the kernel's limit is %s after the project's default became 96MiB", got)
	}
	l.run("quota", "set", "lt-shop", "memory=100MiB")
	if out, code := l.lodge("project", "set", "lt-shop", "memory=128MiB"); code != 4 || !strings.Contains(out, "asks for 128MiB") {
		t.Errorf("a default past the quota: %d %s", code, out)
	}
	l.run("quota", "set", "lt-shop", "nested=0")
	if out, code := l.lodge("config", "set", "security.nesting=true"); code != 4 || !strings.Contains(out, "project lt-shop may have 0 nested containers") {
		t.Errorf("a default of the host past a quota: %d %s", code, out)
	}
	if out, code := l.lodge("project", "delete", "lt-shop"); code != 1 || !strings.Contains(out, "has 1 containers") {
		t.Errorf("a project with a container is deleted: %d %s", code, out)
	}

	if out, code := l.lodge("move", "lt-shop/lt-web", "--to-project", "default"); code != 1 || !strings.Contains(out, "exists already") {
		t.Errorf("moved over another: %d %s", code, out)
	}
	l.do(func(ctx context.Context) (client.Answer, error) {
		return l.api.Stop(ctx, shop, inventory.StopArgs{Kill: true, Timeout: "1s"}, client.Options{})
	})
	l.run("delete", "lt-web", "--purge", "--yes")
	l.run("move", "lt-shop/lt-web", "--to-project", "default")
	now := l.container("lt-web")
	if now.ID != c.ID || now.NICs[0].IPv4 != c.NICs[0].IPv4 || now.Limits.Memory == "96MiB" {
		t.Errorf("after the move: %+v", now)
	}
	l.answers("lt-web.lodge.internal", c.NICs[0].IPv4)
	l.run("start", "lt-web")
	if out, _ := l.lodge("exec", "lt-web", "--", "cat", "/etc/hosts"); strings.Contains(out, "lt-shop") {
		t.Errorf("it still knows its old names:\n%s", out)
	}
	l.run("project", "delete", "lt-shop")
	if out, code := l.lodge("--project", "lt-shop", "launch", "tiny", "--purpose", "none"); code != 3 {
		t.Errorf("a container in a project that is gone: %d %s", code, out)
	}
	l.checkClean()
}

// run runs the command line, which has to succeed.
func (l *lab) run(args ...string) string {
	l.t.Helper()
	out, code := l.lodge(args...)
	if code != 0 {
		l.t.Fatalf("lodge %s: %d %s", strings.Join(args, " "), code, out)
	}
	return out
}

// answers asks the agent's own name server.
func (l *lab) answers(name, want string) {
	l.t.Helper()
	networks, err := l.api.Networks(context.Background())
	l.must(err)
	gateway, _, _ := strings.Cut(networks[0].IPv4, "/")
	r := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", gateway+":53")
	}}
	got, err := r.LookupHost(context.Background(), name)
	if err != nil || !strings.Contains(strings.Join(got, " "), want) {
		l.t.Errorf("%s is %v, %v, not %s", name, got, err, want)
	}
}

// TestQuotaIsReserved: of many creates at once no more pass than the quotas of their projects and of
// their owner have room for, whichever comes first.
func TestQuotaIsReserved(t *testing.T) {
	l := newLab(t)
	l.project("lt-q", nil)
	l.run("quota", "set", "lt-q", "containers=5", "memory=224MiB") // 64MiB each: memory allows three
	l.run("quota", "set", "--owner", "lt-dev", "containers=5")     // in both projects
	l.run("quota", "set", "--env", "test", "addresses=6")
	var mu sync.Mutex
	made, refused := 0, 0
	var wg sync.WaitGroup
	for n := range 64 {
		wg.Go(func() {
			args := tiny(fmt.Sprintf("lt-q%d", n))
			args.Owner, args.Environment = "lt-dev", "test"
			if n%2 == 0 {
				args.Project = "lt-q"
			}
			op, err := l.try(l.create(args, false))
			mu.Lock()
			defer mu.Unlock()
			switch kind, _ := inventory.Kind(err); {
			case err == nil && op.State == inventory.OperationDone:
				made++
			case kind.Err == inventory.ErrQuota:
				refused++
			default:
				t.Errorf("create %d: %v %s %s", n, err, op.State, op.Error)
			}
		})
	}
	wg.Wait()
	if made != 5 || refused != 59 {
		t.Errorf("%d were made and %d refused; the quotas have room for 5", made, refused)
	}
	if out, code := l.lodge("create", "tiny", "--purpose", "one more", "--owner", "lt-dev"); code != 4 ||
		!strings.Contains(out, "owner lt-dev may have 5 containers and has 5") {
		t.Errorf("one more: %d %s", code, out)
	}
	all, err := l.api.Quotas(context.Background(), "")
	l.must(err)
	for _, q := range all {
		if q.Used > q.Max {
			t.Errorf("the quota %s is exceeded: %d of %d", q.Name, q.Used, q.Max)
		}
	}
	l.checkClean()
}
