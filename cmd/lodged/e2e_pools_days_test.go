package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"lodge/inventory"
	"lodge/manager/gate"
	"lodge/web/client"
)

// TestSixIntoFive: 6 GiB don't fit into a container of 5 GiB, on pools that have or may have more.
func TestSixIntoFive(t *testing.T) {
	for driver, args := range map[string]inventory.PoolArgs{
		"btrfs": {Name: "wide", Size: "7GiB"}, "dir": {Name: "wide", Driver: "dir"},
	} {
		t.Run(driver, func(t *testing.T) {
			l := newLab(t)
			l.do(l.addPool(args))
			big := onPool("lt-five", "wide")
			big.Settings["disk"] = "5GiB"
			l.do(l.create(big, true))
			out, code := l.exec("lt-five", "dd", "if=/dev/zero", "of=/six", "bs=1M", "count=6144")
			if code == 0 {
				t.Errorf("6 GiB fit into 5: %s", out)
			}
			out, _ = l.exec("lt-five", "stat", "-c", "%s", "/six")
			n, err := strconv.ParseInt(strings.TrimSpace(out), 10, 64)
			l.must(err)
			if n > 5<<30+64<<20 || n < 5<<30-5<<28 {
				t.Errorf("%d MiB fit into 5 GiB", n>>20)
			}
			if c := l.container("lt-five"); c.State != inventory.StateRunning {
				t.Errorf("it is %s", c.State)
			}
			l.exec("lt-five", "rm", "/six")
			l.mark("lt-five", "again")
			l.do(power(l.api.Purge, "lt-five"))
			l.do(l.dropPool("wide"))
		})
	}
}

// smallDisk makes a file system of 512 MiB beside the root, mounted at the folder returned; again mounts
// it once more after away took it from there.
func (l *lab) smallDisk(kind string) (folder string, again, away func()) {
	l.t.Helper()
	folder = filepath.Join(filepath.Dir(l.root), "disk")
	image := folder + ".img"
	l.must(os.WriteFile(image, nil, 0o600))
	l.must(os.Truncate(image, 512<<20))
	l.must(os.MkdirAll(folder, 0o700))
	l.must(exec.Command("mkfs."+kind, "-q", image).Run())
	again = func() { l.must(exec.Command("mount", "-o", "loop", image, folder).Run()) }
	away = func() {
		for _, place := range mountsUnder(folder) {
			_ = unix.Unmount(place, unix.MNT_DETACH)
		}
	}
	again()
	l.t.Cleanup(away)
	return folder, again, away
}

// TestPromisedTooMuch fills the disk below a dir pool whose containers were promised more than it has:
// the pool warns, others go on, and what stopped writing works again once there is room.
func TestPromisedTooMuch(t *testing.T) {
	l := newLab(t)
	folder, _, _ := l.smallDisk("ext4")
	l.do(l.addPool(inventory.PoolArgs{Name: "small", Driver: "dir", Source: folder}))
	big := onPool("lt-big", "small")
	big.Settings["disk"] = "400MiB"
	l.do(l.create(big, true))
	l.launch("lt-other")
	l.exec("lt-big", "sh", "-c", "printf before > /marker; sync")
	ballast := filepath.Join(folder, "ballast")
	if n, err := fill(ballast); err == nil {
		t.Fatalf("%d bytes fit into 512 MiB", n)
	}
	l.tryExec("lt-big", "sh", "-c", "dd if=/dev/zero of=/fat bs=1M count=200; sync") // however that ends
	if p := l.pool("small"); !slices.ContainsFunc(p.Warnings, func(w string) bool { return strings.Contains(w, "promised") }) {
		t.Errorf("its warnings are %q", p.Warnings)
	}
	if _, code := l.exec("lt-other", "true"); code != 0 {
		t.Error("a container of another pool doesn't work")
	}
	if _, err := l.try(l.create(onPool("lt-more", "small"), false)); err == nil {
		t.Error("a container finds room on a full disk")
	} else if _, ok := inventory.Kind(err); !ok || strings.Contains(err.Error(), "internal") {
		t.Errorf("no sentence for people: %v", err)
	}
	l.must(os.Remove(ballast))
	l.do(power(l.api.Kill, "lt-big"))
	l.do(power(l.api.Start, "lt-big"))
	if out, code := l.exec("lt-big", "cat", "/marker"); code != 0 || out != "before" {
		t.Errorf("it holds %q, %d", out, code)
	}
	l.exec("lt-big", "rm", "-f", "/fat")
	if out, code := l.exec("lt-big", "sh", "-c", "printf after > /marker && sync && cat /marker"); code != 0 || out != "after" {
		t.Errorf("it can't be written to: %q", out)
	}
	l.do(power(l.api.Purge, "lt-big"))
	l.do(l.dropPool("small"))
}

// TestFileOnAFullDisk: a btrfs pool's file is allocated in full, so what its containers may write fits also
// when the disk below it is full.
func TestFileOnAFullDisk(t *testing.T) {
	l := emptyLab(t, "shipped")
	disk := filepath.Join(l.root, "pools")
	l.must(os.MkdirAll(disk, 0o700))
	image := l.root + ".img"
	l.must(os.WriteFile(image, nil, 0o600))
	l.must(os.Truncate(image, 1900<<20))
	l.must(exec.Command("mkfs.ext4", "-q", image).Run())
	l.must(exec.Command("mount", "-o", "loop", image, disk).Run())
	t.Cleanup(func() {
		l.stop()
		_ = exec.Command(l.lodged(), "release", "--config", l.config).Run()
		for _, place := range mountsUnder(disk) {
			_ = unix.Unmount(place, unix.MNT_DETACH)
		}
	})
	l.start()
	l.importImage("tiny", tinyImage(t, ""))
	l.launch("lt-runs")
	if n, err := fill(filepath.Join(disk, "ballast")); err == nil {
		t.Fatalf("%d bytes fit", n)
	}
	if p := l.pool(inventory.DefaultPool); len(p.Warnings) == 0 || !strings.Contains(strings.Join(p.Warnings, " "), "host file system") {
		t.Errorf("its warnings are %q", p.Warnings)
	}
	if out, code := l.exec("lt-runs", "sh", "-c", "dd if=/dev/zero of=/fat bs=1M count=50 && sync"); code != 0 {
		t.Errorf("50 of 64 MiB don't fit: %s", out)
	}
	l.do(l.snapping("lt-runs", "now"))
	l.do(l.create(tiny("lt-more"), true))
	l.do(power(l.api.Purge, "lt-more"))
	l.do(power(l.api.Purge, "lt-runs"))
}

// TestKilledInMove kills the agent while it copies, from each kind of pool to the other: the container is
// where it was, with all it held, and can move then.
func TestKilledInMove(t *testing.T) {
	l := newLab(t)
	l.do(l.addPool(inventory.PoolArgs{Name: "plain", Driver: "dir"}))
	for from, to := range map[string]string{inventory.DefaultPool: "plain", "plain": inventory.DefaultPool} {
		name := "lt-on-" + from
		l.do(l.create(onPool(name, from), true))
		l.exec(name, "sh", "-c", "mkdir /many; i=0; while [ $i -lt 3000 ]; do echo $i > /many/$i; i=$((i+1)); done")
		l.mark(name, "kept")
		if _, err := l.moving(name, to)(context.Background()); err != nil {
			t.Fatal(err)
		}
		id := string(l.container(name).ID)
		l.await("the copy has begun", func() bool {
			return len(l.folder("pools/"+to+"/containers/.new-"+id+"*/*")) > 0
		})
		l.kill()
		l.start()
		l.settle()
		if c := l.container(name); c.Pool != from || c.State != inventory.StateRunning {
			t.Errorf("%s is %s on pool %s", name, c.State, c.Pool)
		}
		l.checkClean()
		l.do(l.moving(name, to))
		out, code := l.exec(name, "sh", "-c", "cat /marker; ls /many | wc -l")
		if code != 0 || strings.TrimSpace(out) != "kept3000" {
			t.Errorf("%s holds %q on pool %s", name, out, to)
		}
		l.checkClean()
	}
}

// TestTrashRestoreKilled kills the agent in the middle of a restore from the trash, on both kinds of pools,
// and the restore of the next agent brings everything back.
func TestTrashRestoreKilled(t *testing.T) {
	l := emptyLab(t, "crash")
	l.start()
	l.importImage("tiny", tinyImage(t, ""))
	l.do(l.addPool(inventory.PoolArgs{Name: "plain", Driver: "dir"}))
	verbs := operationVerbs(t)
	steps := verbs[slices.IndexFunc(verbs, func(v gate.Verb) bool { return v.Name == "container.restore" })].Steps
	middle := steps[len(steps)/2].Name
	for _, pool := range []string{inventory.DefaultPool, "plain"} {
		name := "lt-on-" + pool
		l.do(l.create(onPool(name, pool), true))
		l.mark(name, "kept")
		was := l.container(name)
		l.do(power(deleting(l), name))
		l.stop()
		l.start("LODGE_CRASH=container.restore/" + middle + "/after")
		if _, err := l.try(power(l.api.Restore, name)); err == nil {
			t.Fatal("the agent lived on")
		}
		l.awaitEnd()
		l.start()
		l.settle()
		l.checkClean()
		if !l.container(name).TrashedAt.IsZero() { // it was undone
			l.do(power(l.api.Restore, name))
		}
		c := l.container(name)
		if out, code := l.exec(name, "cat", "/marker"); code != 0 || out != "kept" || c.NICs[0].IPv4 != was.NICs[0].IPv4 || c.Pool != pool {
			t.Errorf("%s is back with %q, %s on pool %s", name, out, c.NICs[0].IPv4, c.Pool)
		}
	}
	l.checkClean()
}

// TestRecoverPools loses the database of an agent with several pools, one of them deleted by half, and then
// the copy that tells of them, too.
func TestRecoverPools(t *testing.T) {
	l := emptyLab(t, "crash")
	l.start()
	l.importImage("tiny", tinyImage(t, ""))
	l.do(l.addPool(inventory.PoolArgs{Name: "plain", Driver: "dir"}))
	l.do(l.addPool(inventory.PoolArgs{Name: "second", Size: "256MiB"}))
	l.do(l.addPool(inventory.PoolArgs{Name: "half", Driver: "dir"}))
	l.do(l.create(onPool("rc-plain", "plain"), true))
	l.do(l.create(onPool("rc-second", "second"), false))
	l.do(func(ctx context.Context) (client.Answer, error) {
		return l.api.CreateVolume(ctx, inventory.VolumeArgs{Name: "rc-data", Size: "16MiB", Pool: "plain"}, client.Options{})
	})
	l.mark("rc-plain", "kept")
	l.config1("stop.timeout", "7s") // what awaitCopies looks for
	l.stop()
	l.start("LODGE_CRASH=pool.delete/row/after")
	l.awaitCopies("rc-plain", "rc-second")
	if _, err := l.try(l.dropPool("half")); err == nil {
		t.Fatal("the agent lived on")
	}
	l.awaitEnd()
	pid := 0
	for _, lost := range []string{"lodge.db", "host.yaml"} {
		for _, file := range []string{"lodge.db", "lodge.db-wal", "lodge.db-shm", lost} {
			os.Remove(filepath.Join(l.root, file))
		}
		out, err := l.recover()
		if err != nil || strings.Contains(out, "NOT BACK") || strings.Contains(out, "stray") {
			t.Fatalf("without %s: %v\n%s", lost, err, out)
		}
		for _, want := range []string{"pool plain (dir): ready", "pool second (btrfs): ready", "pool default (btrfs): ready"} {
			if !strings.Contains(out, want) {
				t.Errorf("without %s it doesn't say %q:\n%s", lost, want, out)
			}
		}
		l.start()
		c := l.container("rc-plain")
		if pid != 0 && c.Observed.InitPID != pid {
			t.Errorf("init was %d and is %d", pid, c.Observed.InitPID)
		}
		pid = c.Observed.InitPID
		if out, code := l.exec("rc-plain", "cat", "/marker"); code != 0 || out != "kept" || c.Pool != "plain" {
			t.Errorf("without %s it is on pool %s and holds %q", lost, c.Pool, out)
		}
		l.do(l.moving("rc-second", map[string]string{"lodge.db": inventory.DefaultPool, "host.yaml": "second"}[lost]))
		if lost == "lodge.db" {
			if _, err := l.try(l.dropPool("half")); err != nil {
				t.Errorf("the pool deleted by half can't be deleted: %v", err)
			}
			l.awaitCopies("rc-plain", "rc-second")
			l.kill()
		}
	}
}
