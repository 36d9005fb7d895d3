package session_test

import (
	"os/exec"
	"strings"
	"testing"
	"time"

	"lodge/inventory"
	"lodge/manager/session/sessiontest"
	"lodge/manager/session/stream"
)

// A container that is frozen between the gate's look at it and our entering it.
func TestFrozenWhileEntering(t *testing.T) {
	w, s := newWorld(t)
	s.SetEnterLimit(500 * time.Millisecond)
	sessiontest.Must(t, exec.Command("lxc-freeze", "-P", w.Box.LXCPath, "-n", w.Box.Name).Run())
	ctx := caller("ann")
	opened, err := s.Open(ctx, request("container.exec", inventory.SessionArgs{Command: []string{"touch", "/tmp/ran"}}))
	sessiontest.Must(t, err)
	conn, err := s.Attach(ctx, opened.ID, false)
	sessiontest.Must(t, err)
	if _, err := stream.Dial(conn).Run(ctx, nil, nil, nil, nil); err == nil {
		t.Error("the command ended in a frozen container")
	}
	if r := w.outcome(t, opened.ID); !strings.Contains(r.Result, "frozen") {
		t.Errorf("outcome %q", r.Result)
	}
	sessiontest.Must(t, exec.Command("lxc-unfreeze", "-P", w.Box.LXCPath, "-n", w.Box.Name).Run())
	time.Sleep(500 * time.Millisecond)
	if out := w.Box.Inside(t, "sh", "-c", "ls /tmp; ps | grep touch | grep -v grep; true"); out != "" {
		t.Errorf("it ran once thawed: %s", out)
	}
	w.noFiles(t, opened.ID)
}
