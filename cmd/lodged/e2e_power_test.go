package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"lodge/inventory"
	"lodge/web/client"
)

// of is tiny made from another image.
func of(image, name string) inventory.CreateArgs {
	args := tiny(name)
	args.Image = image
	return args
}

func TestOddInits(t *testing.T) {
	l := newLab(t)
	l.importImage("hasty", tinyImage(t, hasty))
	l.importImage("deaf", tinyImage(t, deaf))
	l.do(l.create(of("hasty", "lt-hasty"), false))
	if op, err := l.try(power(l.api.Start, "lt-hasty")); err == nil || !strings.Contains(err.Error(), "init") {
		t.Errorf("starting an init that ends at once: %v (%s)", err, op.State)
	}
	if c := l.container("lt-hasty"); c.State.IsLive() || c.Intent != inventory.IntentStop {
		t.Errorf("it is %s, meant to %s", c.State, c.Intent)
	}
	l.do(l.create(of("deaf", "lt-deaf"), true))
	pid := l.container("lt-deaf").Observed.InitPID
	_, err := l.try(l.stopping("lt-deaf", inventory.StopArgs{Timeout: "1s"}))
	if err == nil || !strings.Contains(err.Error(), "--kill") {
		t.Errorf("stopping an init that hears nothing: %v", err)
	}
	if c := l.container("lt-deaf"); c.Observed.InitPID != pid || c.Intent != inventory.IntentRun {
		t.Errorf("it is %s, meant to %s", c.State, c.Intent)
	}
	if out, code := l.lodge("stop", "--kill", "--timeout", "1s", "lt-deaf"); code != 0 {
		t.Errorf("lodge stop --kill: %d %s", code, out)
	}
	l.checkClean()
}

// audited reports whether the journal has a fact about the container.
func (l *lab) audited(verb, name string) bool {
	l.t.Helper()
	page, err := l.api.AuditRecords(context.Background(), client.RecordQuery{Verb: verb, Name: name})
	l.must(err)
	return len(page.Items) > 0
}

// TestOwnReboot: what the container does to itself is seen and recorded.
func TestOwnReboot(t *testing.T) {
	l := newLab(t)
	l.launch("lt-web")
	pid := l.container("lt-web").Observed.InitPID
	l.exec("lt-web", "reboot", "-f")
	l.await("a new init", func() bool {
		c := l.container("lt-web")
		return c.State == inventory.StateRunning && c.Observed.InitPID != pid
	})
	l.await("the reboot is recorded", func() bool { return l.audited("container.reboot", "lt-web") })
	l.tryExec("lt-web", "poweroff", "-f")
	l.await("it is stopped, and meant to be", func() bool {
		c := l.container("lt-web")
		return c.State == inventory.StateStopped && c.Intent == inventory.IntentStop
	})
	l.await("the poweroff is recorded", func() bool { return l.audited("container.poweroff", "lt-web") })
	l.settle()
	l.checkClean()
}

// TestRestartPolicy: an init that dies is started again, also when it died while no agent ran; one
// with the policy never is not.
func TestRestartPolicy(t *testing.T) {
	l := newLab(t)
	l.do(l.create(sized("lt-back", "restart.policy", "always"), true))
	l.do(l.create(sized("lt-gone", "restart.policy", "never"), true))
	dies := func(down bool) {
		t.Helper()
		before := l.container("lt-back").Observed.InitPID
		gone := l.container("lt-gone").Observed.InitPID
		if down {
			l.kill()
		}
		syscall.Kill(before, syscall.SIGKILL)
		if gone != 0 {
			syscall.Kill(gone, syscall.SIGKILL)
		}
		if down {
			time.Sleep(200 * time.Millisecond)
			l.start()
		}
		l.await("it runs again", func() bool {
			c := l.container("lt-back")
			return c.State == inventory.StateRunning && c.Observed.InitPID != before
		})
		l.await("the other is written down as stopped", func() bool {
			c := l.container("lt-gone")
			return c.State == inventory.StateStopped && c.Intent == inventory.IntentStop
		})
		l.settle()
	}
	dies(false)
	l.do(power(l.api.Start, "lt-gone"))
	dies(true)
	l.checkClean()
}

// TestUnseenDeath: a container that died with its monitor while no agent ran has failed, and one
// that powered itself off then has not. What the restart policy does is told.
func TestUnseenDeath(t *testing.T) {
	l := newLab(t)
	l.launch("lt-back", "lt-off") // on-failure
	back, off := l.container("lt-back").Observed.InitPID, l.container("lt-off").Observed.InitPID
	monitor := parent(t, back)
	l.kill()
	syscall.Kill(monitor, syscall.SIGKILL)
	syscall.Kill(back, syscall.SIGKILL)
	syscall.Kill(off, syscall.SIGUSR2) // busybox's poweroff
	for _, pid := range []int{back, off} {
		l.await("init is dead", func() bool { return syscall.Kill(pid, 0) != nil })
	}
	l.start()
	l.await("it runs again", func() bool {
		c := l.container("lt-back")
		return c.State == inventory.StateRunning && c.Observed.InitPID != back
	})
	l.await("the other is written down as stopped", func() bool {
		return l.container("lt-off").Intent == inventory.IntentStop
	})
	l.settle()
	for verb, name := range map[string]string{"container.died": "lt-back",
		"container.restart-planned": "lt-back", "container.poweroff": "lt-off"} {
		l.await(verb+" is recorded", func() bool { return l.audited(verb, name) })
	}
	if l.audited("container.died", "lt-off") || l.audited("container.poweroff", "lt-back") {
		t.Error("the ends are mixed up")
	}
	if out, _ := l.lodge("show", "lt-back"); !strings.Contains(out, "restarts") {
		t.Errorf("lodge show says nothing of the restart:\n%s", out)
	}
	if n := l.container("lt-back").Observed.Restarts; n != 1 {
		t.Errorf("it was restarted %d times", n)
	}
	l.checkClean()
}

// TestBackOff: a container that can't stay up is tried again ever later, also by the next agent.
func TestBackOff(t *testing.T) {
	l := newLab(t)
	l.launch("lt-web")
	die := func(want int) {
		t.Helper()
		syscall.Kill(l.container("lt-web").Observed.InitPID, syscall.SIGKILL)
		l.await(fmt.Sprintf("try %d is planned", want), func() bool {
			return l.container("lt-web").Observed.Restarts == want
		})
		l.await("it runs again", func() bool { return l.container("lt-web").State == inventory.StateRunning })
	}
	die(1)
	die(2)
	l.kill()
	l.start()
	die(3)
	l.settle()
	l.checkClean()
}

// TestStoppedMonitor: nothing waits for a monitor that does not answer.
func TestStoppedMonitor(t *testing.T) {
	l := newLab(t)
	l.launch("lt-web", "lt-other")
	init := l.container("lt-web").Observed.InitPID
	monitor := parent(t, init)
	syscall.Kill(monitor, syscall.SIGSTOP)
	defer syscall.Kill(monitor, syscall.SIGCONT)
	began := time.Now()
	if c := l.container("lt-web"); c.State != inventory.StateRunning {
		t.Errorf("it is %s", c.State)
	}
	if out, code := l.lodge("list"); code != 0 || !strings.Contains(out, "lt-web") {
		t.Errorf("lodge list: %d %s", code, out)
	}
	if out, code := l.lodge("exec", "lt-web", "--", "true"); code != inventory.ExitNotRun || strings.Count(out, "\n") != 1 ||
		!strings.Contains(out, fmt.Sprintf("kill -CONT %d", monitor)) {
		t.Errorf("lodge exec: %d %q", code, out)
	}
	l.exec("lt-other", "true")
	l.do(power(l.api.Kill, "lt-web"))
	if took := time.Since(began); took > patience/2 {
		t.Errorf("it took %s", took)
	}
	syscall.Kill(monitor, syscall.SIGCONT)
	l.do(power(l.api.Start, "lt-web"))
	l.checkClean()
}

func parent(t *testing.T, pid int) int {
	t.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	ppid, _ := strconv.Atoi(strings.Fields(rest)[1])
	return ppid
}

// TestBootOrder: after the host's boot what was running is started again, each after what it needs.
func TestBootOrder(t *testing.T) {
	l := newLab(t)
	names := []string{"lt-db", "lt-app", "lt-web"}
	for i, name := range names {
		args := tiny(name)
		if i > 0 {
			args.After = names[i-1 : i]
		}
		l.do(l.create(args, true))
	}
	l.do(l.create(tiny("lt-off"), false))
	l.asAfterBoot()
	l.start()
	for _, name := range names {
		l.await(name+" runs", func() bool { return l.container(name).State == inventory.StateRunning })
	}
	l.settle()
	var order []string
	for _, op := range slices.Backward(l.operations("container.start")) {
		order = append(order, op.Name)
	}
	if !slices.Equal(order, names) {
		t.Errorf("they were started in the order %v", order)
	}
	l.checkClean()
}
