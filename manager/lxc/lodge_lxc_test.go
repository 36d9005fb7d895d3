package lxc_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"lodge/inventory"
	"lodge/manager/lxc"
)

// A helper that hangs, lies or is not there fails the start and nothing else.
func TestBadHelper(t *testing.T) {
	for name, script := range map[string]string{
		"hangs":         "exec sleep 1000",
		"babbles":       "echo hello; echo trouble >&2",
		"is silent":     "exit 1",
		"lies":          `echo '{"init_pid":999999999,"monitor_pid":1}'`,
		"says so":       `echo '{"error":"no luck"}'`,
		"names no init": `echo '{"init_pid":0}'`,
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			helper := filepath.Join(root, "helper")
			if err := os.WriteFile(helper, []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
				t.Fatal(err)
			}
			r := lxc.New(lxc.Config{Root: root, Helper: helper, Starter: starter{}})
			defer r.Close()
			if _, err := r.Adopt(t.Context(), nil); err != nil {
				t.Fatal(err)
			}
			boot := sampleBoot()
			ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
			defer cancel()
			err := r.Start(ctx, boot)
			if !errors.Is(err, inventory.ErrUnavailable) || !strings.HasPrefix(err.Error(), "start web1: ") {
				t.Errorf("got %v", err)
			}
			if state := r.State(boot.Container); state != inventory.StateStopped {
				t.Errorf("it is %s", state)
			}
		})
	}
}

// liblxc gives up a start whose hook fails, so the hook ends well whatever happens.
func TestHookNeverFails(t *testing.T) {
	requireHost(t)
	for _, args := range [][]string{
		{}, {"/no/such/dir", "id"}, {t.TempDir(), "id"}, {t.TempDir(), "../../evil"}, {t.TempDir(), strings.Repeat("x", 10000)}, {"", ""},
	} {
		cmd := exec.Command(filepath.Join(filepath.Dir(helperPath), "lodge-hook"), args...)
		cmd.Env = []string{"LXC_HOOK_TYPE=" + strings.Repeat("y", 5000), "LXC_PID=nonsense\nid=other"}
		if out, err := cmd.CombinedOutput(); err != nil || len(out) != 0 {
			t.Errorf("%.40q: %v %s", args, err, out)
		}
	}
}

func TestRuntimeRefusesPathsAShellReads(t *testing.T) {
	root := t.TempDir()
	r := lxc.New(lxc.Config{Root: filepath.Join(root, "a b;reboot"), Helper: "/usr/lib/lodge/lodge-lxc", Starter: starter{}})
	defer r.Close()
	boot := sampleBoot()
	boot.Rootfs = filepath.Join(root, "rootfs")
	if err := os.MkdirAll(filepath.Join(boot.Rootfs, "sbin"), 0o755); err != nil {
		t.Fatal(err)
	}
	rewrite(t, boot, "sbin/init", "#!/bin/sh\n")
	boot.Settings = nil
	if err := r.Configure(t.Context(), boot); !errors.Is(err, inventory.ErrInvalid) {
		t.Errorf("got %v", err)
	}
}

// An init that knows no halt signal but SIGTERM is stopped by that.
func TestStopByTerm(t *testing.T) {
	b := newBench(t)
	boot := b.container("trap 'poweroff -f' TERM; sleep 100000 & wait", nil)
	b.start(boot)
	if err := b.Stop(t.Context(), boot.Container, 20*time.Second, false); err != nil {
		t.Fatal(err)
	}
}

// A stop that is asked for ends a container that reboots instead.
func TestStopOfOneThatReboots(t *testing.T) {
	b := newBench(t)
	boot := b.container("trap 'reboot -f' PWR; sleep 100000 & wait", nil)
	c := boot.Container
	b.start(boot)
	if err := b.Stop(t.Context(), c, 20*time.Second, false); err != nil {
		t.Fatal(err)
	}
	for b.exit().Target != lxc.TargetStop {
	}
	if state := b.State(c); state != inventory.StateStopped {
		t.Errorf("it is %s", state)
	}
}

// Many at once, as after the host's boot.
func TestParallelStarts(t *testing.T) {
	b := newBench(t)
	done := make(chan error)
	const many = 8
	for range many {
		boot := b.container(waits, nil)
		go func() {
			err := b.Configure(t.Context(), boot)
			if err == nil {
				err = b.Start(t.Context(), boot)
			}
			if err == nil && b.State(boot.Container) != inventory.StateRunning {
				err = errors.New("it does not run")
			}
			done <- errors.Join(err, b.Kill(t.Context(), boot.Container))
		}()
	}
	for range many {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}
