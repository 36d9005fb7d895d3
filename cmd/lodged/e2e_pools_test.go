package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"lodge/inventory"
	"lodge/web/client"
	"lodge/web/wire"
)

// onPool are the parameters of a tiny container on a pool.
func onPool(name, pool string) inventory.CreateArgs {
	args := tiny(name)
	args.Pool = pool
	return args
}

func (l *lab) addPool(args inventory.PoolArgs) mutation {
	return func(ctx context.Context) (client.Answer, error) { return l.api.CreatePool(ctx, args, client.Options{}) }
}

func (l *lab) dropPool(name string) mutation {
	return func(ctx context.Context) (client.Answer, error) { return l.api.DeletePool(ctx, name, client.Options{}) }
}

func (l *lab) moving(name, pool string) mutation {
	return func(ctx context.Context) (client.Answer, error) {
		return l.api.Move(ctx, at(name), inventory.MoveArgs{Pool: pool}, client.Options{})
	}
}

func (l *lab) pool(name string) wire.Pool {
	l.t.Helper()
	p, err := l.api.Pool(context.Background(), name)
	l.must(err)
	return p
}

// TestDirPool takes a container with a size through its life on a pool of folders: the size is a bound
// and what df shows inside, the agent's restart keeps its file system, and it moves to btrfs and back.
func TestDirPool(t *testing.T) {
	l := newLab(t)
	l.do(l.addPool(inventory.PoolArgs{Name: "plain", Driver: "dir"}))
	if p := l.pool("plain"); p.State != "ready" || p.Driver != "dir" || !p.SizesOnRequest {
		t.Errorf("%+v", p)
	}
	l.do(l.create(onPool("lt-bound", "plain"), true))
	l.do(l.create(inventory.CreateArgs{Name: "lt-free", Image: "tiny", Purpose: "a test", Pool: "plain"}, false))
	l.mark("lt-bound", "marked")
	out, _ := l.exec("lt-bound", "df", "-m", "/")
	if f := strings.Fields(out[strings.LastIndex(strings.TrimSpace(out), "\n")+1:]); len(f) < 4 || f[3] < "55" || f[3] > "70" {
		t.Errorf("df inside a container of 64 MiB shows %q", out)
	}
	if out, code := l.exec("lt-bound", "dd", "if=/dev/zero", "of=/fat", "bs=1M", "count=90"); code == 0 {
		t.Errorf("90 MiB fit into 64: %s", out)
	}
	l.exec("lt-bound", "rm", "/fat")
	l.do(l.snapping("lt-bound", "then"))
	l.stop()
	l.start()
	l.do(l.updating("lt-free", inventory.UpdateArgs{Settings: map[string]string{"disk": "100MiB"}}))
	if out, code := l.exec("lt-bound", "cat", "/marker"); code != 0 || out != "marked" {
		t.Errorf("after a restart of the agent: %q, %d", out, code)
	}
	l.mark("lt-bound", "later")
	l.do(func(ctx context.Context) (client.Answer, error) {
		return l.api.RestoreSnapshot(ctx, at("lt-bound"), "then", client.Options{})
	})
	if out, _ := l.exec("lt-bound", "cat", "/marker"); out != "marked" {
		t.Errorf("the restored root says %q", out)
	}
	l.refused(l.moving("lt-bound", inventory.DefaultPool), inventory.ErrState, "snapshots")
	l.refused(l.dropPool("plain"), inventory.ErrState, "lt-")
	for _, s := range l.snapshots("lt-bound") {
		l.do(func(ctx context.Context) (client.Answer, error) {
			return l.api.DeleteSnapshot(ctx, at("lt-bound"), s.Name, client.Options{})
		})
	}
	for _, to := range []string{inventory.DefaultPool, "plain", inventory.DefaultPool} {
		l.do(l.moving("lt-bound", to))
		if out, code := l.exec("lt-bound", "cat", "/marker"); code != 0 || out != "marked" {
			t.Errorf("on pool %s: %q, %d", to, out, code)
		}
		l.checkClean()
	}
	l.do(power(l.api.Purge, "lt-free"))
	l.do(l.dropPool("plain"))
	if left := l.folder("pools/plain*"); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
	l.checkClean()
}

// TestPoolLost takes the disk from below a pool while the agent runs, and gives it back.
func TestPoolLost(t *testing.T) {
	for driver, disk := range map[string]string{"dir": "ext4", "btrfs": "btrfs"} {
		t.Run(driver, func(t *testing.T) { losePool(newLab(t), driver, disk) })
	}
}

// keepsToItself looks that no container gets a pool's folder, whatever the host gives away.
func (l *lab) keepsToItself(source string) {
	l.t.Helper()
	if got := l.pool("away").Path; got != source {
		l.t.Errorf("the pool is said to be at %s", got)
	}
	if out, code := l.lodge("config", "set", "storage.host_paths="+source); code != 4 {
		l.t.Errorf("host_paths of a pool: %d %s", code, out)
	}
	l.run("config", "set", "storage.host_paths="+filepath.Dir(source))
	for _, folder := range []string{filepath.Dir(source), source, filepath.Join(source, "containers")} {
		if out, code := l.lodge("device", "add", "lt-here", "peek", "disk", "source="+folder, "path=/media"); code != 4 {
			l.t.Errorf("a device that shows %s: %d %s", folder, code, out)
		}
	}
}

func losePool(l *lab, driver, disk string) {
	l.t.Helper()
	folder, again, away := l.smallDisk(disk)
	source := filepath.Join(folder, "pool")
	l.must(os.Mkdir(source, 0o700))
	l.do(l.addPool(inventory.PoolArgs{Name: "away", Driver: driver, Source: source}))
	l.do(l.create(onPool("lt-there", "away"), false))
	l.launch("lt-here")
	root := filepath.Join(source, "containers", string(l.container("lt-there").ID))
	if driver == "dir" {
		root = filepath.Join(root, "root")
	}
	l.must(os.WriteFile(filepath.Join(root, "marker"), []byte("kept"), 0o644))
	l.keepsToItself(source)

	away()
	l.await("the loss is noticed", func() bool { return l.pool("away").State == "lost" })
	l.await("its container is in error, with the reason", func() bool {
		c := l.container("lt-there")
		return c.State == inventory.StateError && strings.Contains(c.Observed.Reason, "mount")
	})
	if _, err := l.try(power(l.api.Start, "lt-there")); err == nil {
		l.t.Error("a container without its disk starts")
	}
	if _, code := l.exec("lt-here", "true"); code != 0 {
		l.t.Error("a container elsewhere doesn't work")
	}
	l.stop()
	l.start() // an agent comes up without the pool, and makes no other in its place
	if left, _ := os.ReadDir(folder); len(left) > 0 {
		l.t.Errorf("something was made in the empty mount point: %v", left)
	}

	again()
	l.await("the pool is back", func() bool { return l.pool("away").State == "ready" })
	l.do(power(l.api.Start, "lt-there"))
	if out, code := l.exec("lt-there", "cat", "/marker"); code != 0 || out != "kept" {
		l.t.Errorf("it holds %q, %d", out, code)
	}
	l.do(power(l.api.Purge, "lt-there"))
	l.do(l.dropPool("away"))
}

// mountsUnder are the mount points at and below a folder, the last mounted first.
func mountsUnder(folder string) (points []string) {
	table, _ := os.ReadFile("/proc/self/mountinfo")
	for line := range strings.Lines(string(table)) {
		if f := strings.Fields(line); len(f) > 4 && (f[4] == folder || strings.HasPrefix(f[4], folder+"/")) {
			points = append([]string{f[4]}, points...)
		}
	}
	return points
}
