package session_test

import (
	"errors"
	"os/exec"
	"strings"
	"sync/atomic"
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
	w.Init, _ = w.Box.Init()
	w.Looked = func() {}
	monitor, _ := session.MonitorOf(w.Init)
	t.Cleanup(func() { syscall.Kill(monitor, syscall.SIGCONT) })
	stop := func() {
		sessiontest.Must(t, syscall.Kill(monitor, syscall.SIGSTOP))
		for stopped := false; !stopped; _, stopped = session.MonitorOf(w.Init) {
			time.Sleep(time.Millisecond)
		}
	}
	stop()
	ask := request("container.exec", inventory.SessionArgs{Command: []string{"touch", "/tmp/ran"}})
	opened, err := s.Open(ctx, ask)
	if !errors.Is(err, inventory.ErrState) || !strings.Contains(err.Error(), "kill -CONT") {
		t.Errorf("exec with a stopped monitor: %v", err)
	}
	if r := w.Outcome(t, opened.ID); !strings.Contains(r.Result, "is stopped") {
		t.Errorf("outcome %q", r.Result)
	}
	noFiles(w, t, opened.ID)

	sessiontest.Must(t, syscall.Kill(monitor, syscall.SIGCONT))
	for stopped := true; stopped; _, stopped = session.MonitorOf(w.Init) {
		time.Sleep(time.Millisecond)
	}
	var looks atomic.Int32
	w.Looked = func() {
		if looks.Add(1) == 4 { // the gate's and our three: nobody has begun to enter
			stop()
		}
	}
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
