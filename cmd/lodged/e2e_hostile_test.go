package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"lodge/inventory"
	"lodge/packaging/need"
	"lodge/web/client"
	"lodge/web/wire"
)

// TestHostileContainer: a container that takes all it can get takes nothing from its neighbour or
// the agent.
func TestHostileContainer(t *testing.T) {
	l := newLab(t)
	l.launch("lt-neighbour")
	for what, script := range map[string]string{
		"fork bomb": `b() { b | b & }; b; sleep 60`,
		"memory":    `x=aaaaaaaaaaaaaaaa; while :; do x=$x$x; done; sleep 60`,
		"disk":      `cat /dev/zero >/fill; sleep 60`,
		"inodes":    `mkdir /many; i=0; while :; do : >/many/$i || break; i=$((i+1)); done; sleep 60`,
		"busy":      `while :; do :; done & while :; do :; done`,
	} {
		t.Run(strings.ReplaceAll(what, " ", "-"), func(t *testing.T) {
			l.t = t
			l.do(l.create(sized("lt-hostile", "processes", "100"), true))
			defer func() { l.do(power(l.api.Purge, "lt-hostile")) }()
			s := l.open("lt-hostile", "sh", "-c", script)
			time.Sleep(500 * time.Millisecond) // it is to be at its worst
			for range 5 {
				if out, code := l.exec("lt-neighbour", "echo", "well"); out != "well\n" || code != 0 {
					t.Errorf("the neighbour: %q, %d", out, code)
				}
				l.container("lt-hostile")
			}
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			if _, err := l.api.EndSession(ctx, s.ID); err != nil && !strings.Contains(err.Error(), "ended") {
				t.Errorf("its session can't be ended: %v", err)
			}
		})
	}
	l.t = t
	l.settle()
	l.checkClean()
}

// open starts a command in a container and does not wait for it.
func (l *lab) open(name string, command ...string) wire.Session {
	l.t.Helper()
	s, err := l.api.OpenSession(context.Background(), at(name), wire.SessionRequest{Kind: inventory.SessionExec,
		SessionArgs: inventory.SessionArgs{Command: command}}, client.Options{})
	l.must(err)
	return s
}

// TestDiskLimit: writing ends at the limit, which neither nested subvolumes nor snapshots get
// around, and which moves while the container runs.
func TestDiskLimit(t *testing.T) {
	l := newLab(t)
	l.do(l.create(sized("lt-disk", "disk", "96MiB"), true))
	written := func() int64 {
		t.Helper()
		l.exec("lt-disk", "sh", "-c", "rm -f /fill; sync; dd if=/dev/zero of=/fill bs=64k 2>/dev/null; sync")
		out, _ := l.exec("lt-disk", "stat", "-c", "%s", "/fill")
		n, err := strconv.ParseInt(strings.TrimSpace(out), 10, 64)
		if err != nil {
			t.Fatalf("stat says %q", out)
		}
		return n
	}
	const slack = 8 << 20
	if n := written(); n > 96<<20+slack || n < 96<<20-4*slack {
		t.Errorf("%d MiB fit into 96", n>>20)
	}
	l.exec("lt-disk", "rm", "/fill")
	l.do(l.updating("lt-disk", inventory.UpdateArgs{Settings: map[string]string{"disk": "160MiB"}}))
	if n := written(); n > 160<<20+slack || n < 160<<20-4*slack {
		t.Errorf("%d MiB fit into 160", n>>20)
	}
	l.exec("lt-disk", "rm", "/fill")
	btrfs := need.Program(t, "btrfs")
	// The host's own program, in the container's namespaces and under its seccomp policy, would be
	// too big a guest: the system call is what is refused, so python-free sh can't make it. The
	// copy is enough where the libraries are there, else the limit above has to do.
	volume := l.volume(l.container("lt-disk").ID)
	if out, err := exec.Command("sh", "-c", fmt.Sprintf("for f in %s $(ldd %s | grep -o '/[^ ]*'); do mkdir -p %s$(dirname $f) && cp -L $f %s$f; done",
		btrfs, btrfs, volume, volume)).CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	if out, code := l.exec("lt-disk", btrfs, "subvolume", "create", "/nested"); code == 0 {
		t.Errorf("a subvolume can be made inside: %s", out)
	} else if !strings.Contains(out, "ioctl") {
		t.Errorf("btrfs inside says: %s", out)
	}
	if out, code := l.exec("lt-disk", btrfs, "subvolume", "snapshot", "/", "/copy"); code == 0 {
		t.Errorf("a snapshot can be made inside: %s", out)
	}
}

// TestSetuidStaysInside: a setuid file that root of a container makes is out of the reach of the
// host's users.
func TestSetuidStaysInside(t *testing.T) {
	l := newLab(t)
	l.launch("lt-web")
	l.exec("lt-web", "sh", "-c", "cp /bin/busybox /bin/become && chmod 4755 /bin/become")
	c := l.container("lt-web")
	path := filepath.Join(l.volume(c.ID), "bin/become")
	for _, try := range []string{path, fmt.Sprintf("/proc/%d/root/bin/become", c.Observed.InitPID)} {
		if !exists(try) {
			t.Fatalf("%s is not there", try)
		}
		cmd := exec.Command("/bin/busybox", "id")
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("a host user can run nothing at all: %v %s", err, out)
		}
		cmd = exec.Command(try, "id", "-u")
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		if out, err := cmd.CombinedOutput(); err == nil {
			t.Errorf("a host user runs %s: %s", try, out)
		}
	}
	for _, dir := range []string{"pools", "audit", "keys", "run", "lodge.db", "images", "sessions"} {
		if mode := permissions(t, filepath.Join(l.root, dir)); mode&0o077 != 0 {
			t.Errorf("%s is open to others: %o", dir, mode)
		}
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func permissions(t *testing.T, path string) os.FileMode {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Mode().Perm()
}
