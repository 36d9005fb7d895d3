package session_test

import (
	"errors"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"lodge/inventory"
	"lodge/manager/session"
	"lodge/manager/session/sessiontest"
	"lodge/manager/session/stream"
)

// A monitor that stands still is said at once, also when it is stopped while we enter.
func TestStoppedMonitor(t *testing.T) {
	w, s := newWorld(t)
	ctx := sessiontest.Caller("ann")
	w.Init = w.Observe(nil).InitPID
	monitor, _ := session.MonitorOf(w.Init)
	sessiontest.Must(t, syscall.Kill(monitor, syscall.SIGSTOP))
	t.Cleanup(func() { syscall.Kill(monitor, syscall.SIGCONT) })
	for stopped := false; !stopped; _, stopped = session.MonitorOf(w.Init) {
		time.Sleep(time.Millisecond)
	}
	ask := request("container.exec", inventory.SessionArgs{Command: []string{"touch", "/tmp/ran"}})
	opened, err := s.Open(ctx, ask)
	if !errors.Is(err, inventory.ErrState) || !strings.Contains(err.Error(), "kill -CONT") {
		t.Errorf("exec with a stopped monitor: %v", err)
	}
	if r := w.Outcome(t, opened.ID); !strings.Contains(r.Result, "is stopped") {
		t.Errorf("outcome %q", r.Result)
	}
	noFiles(w, t, opened.ID)

	w.Lock()
	w.Unmeasured = 2 // as if it was stopped right after the gate's look and ours
	w.Unlock()
	opened, err = s.Open(ctx, ask)
	sessiontest.Must(t, err)
	conn, err := s.Attach(ctx, opened.ID, false)
	sessiontest.Must(t, err)
	exit, err := stream.Dial(conn).Run(ctx, nil, nil, nil, nil)
	if err != nil || exit.Code != inventory.ExitNotRun || !strings.Contains(exit.Message, "kill -CONT") {
		t.Errorf("the client is told %+v, %v", exit, err)
	}
	noFiles(w, t, opened.ID)
	sessiontest.Must(t, syscall.Kill(monitor, syscall.SIGCONT))
	if out := w.Box.Inside(t, "sh", "-c", "ls /tmp"); out != "" {
		t.Errorf("it ran once the monitor did: %s", out)
	}
}

// A container that is frozen between the gate's look at it and our entering it.
func TestFrozenWhileEntering(t *testing.T) {
	w, s := newWorld(t)
	s.SetEnterLimit(500 * time.Millisecond)
	sessiontest.Must(t, exec.Command("lxc-freeze", "-P", w.Box.LXCPath, "-n", w.Box.Name).Run())
	ctx := sessiontest.Caller("ann")
	opened, err := s.Open(ctx, request("container.exec", inventory.SessionArgs{Command: []string{"touch", "/tmp/ran"}}))
	sessiontest.Must(t, err)
	conn, err := s.Attach(ctx, opened.ID, false)
	sessiontest.Must(t, err)
	exit, err := stream.Dial(conn).Run(ctx, nil, nil, nil, nil)
	if err != nil || exit.Kind != stream.FailedToRun || !strings.Contains(exit.Message, "frozen") {
		t.Errorf("the client is told %+v, %v", exit, err)
	}
	if r := w.Outcome(t, opened.ID); !strings.Contains(r.Result, "frozen") {
		t.Errorf("outcome %q", r.Result)
	}
	sessiontest.Must(t, exec.Command("lxc-unfreeze", "-P", w.Box.LXCPath, "-n", w.Box.Name).Run())
	time.Sleep(500 * time.Millisecond)
	if out := w.Box.Inside(t, "sh", "-c", "ls /tmp; ps | grep touch | grep -v grep; true"); out != "" {
		t.Errorf("it ran once thawed: %s", out)
	}
	noFiles(w, t, opened.ID)
}
