package liblxc_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"lodge/manager/session/sessiontest"
	"lodge/manager/session/stream"
)

// neverRan fails the test if the command touch /ran began.
func neverRan(t *testing.T, b *sessiontest.Box, exit stream.Exit, why string) {
	t.Helper()
	if exit.Kind != stream.FailedToRun || exit.Code != 125 || !strings.Contains(exit.Message, why) {
		t.Errorf("%+v; %q is not why", exit, why)
	}
	// It was waited for before the exit was told, so what it did is there.
	if _, err := os.Lstat(filepath.Join(b.Rootfs, "ran")); err == nil {
		t.Error("the command has run")
		os.Remove(filepath.Join(b.Rootfs, "ran"))
	}
}

// What has to be recorded does not begin where it can't be, with a terminal or without.
func TestNothingRunsUnrecorded(t *testing.T) {
	b := sessiontest.NewBox(t)
	touch := []string{"touch", "/ran"}
	full := filepath.Join(b.Root, "full")
	sessiontest.Must(t, os.Symlink("/dev/full", full))
	for name, tc := range map[string]struct {
		path string
		kind string
		tty  bool
	}{
		"no file":             {filepath.Join(b.Root, "absent"), "exec", false},
		"a full disk":         {full, "exec", false},
		"with a terminal":     {full, "exec", true},
		"a console, not held": {full, "console", true},
	} {
		t.Run(name, func(t *testing.T) {
			s := stream.Spec{Kind: tc.kind, Command: touch, TTY: tc.tty}
			s.Tail.Record = &stream.Record{Path: tc.path, Required: true, Max: 1 << 20}
			exit, _, _ := run(t, b, s, nil)
			neverRan(t, b, exit, "has to be")
			s.Tail.Record = &stream.Record{Path: tc.path, Max: 1 << 20}
			if tc.kind == "console" {
				return
			}
			if exit, _, _ = run(t, b, s, nil); exit.Kind != stream.Exited {
				t.Errorf("where it need not be recorded: %+v", exit)
			}
			sessiontest.Must(t, os.Remove(filepath.Join(b.Rootfs, "ran")))
		})
	}
}

// What is entered by its name has to be what was judged: not another that came by the name, nor the
// same that was restarted, nor what has the number of its init since.
func TestEntersTheJudgedOne(t *testing.T) {
	b := sessiontest.NewBox(t)
	touch := []string{"touch", "/ran"}
	pid, start := b.Init()
	other := sessiontest.NewBox(t)
	otherPID, otherStart := other.Init()
	for name, init := range map[string]stream.Init{
		"the number is another's": {PID: pid, StartTime: start + 1},
		"another container":       {PID: otherPID, StartTime: otherStart},
		"the host":                {PID: os.Getpid(), StartTime: sessiontest.Began(os.Getpid())},
		"nobody":                  {PID: 1 << 30, StartTime: start},
	} {
		t.Run(name, func(t *testing.T) {
			exit, _, _ := run(t, b, stream.Spec{Command: touch, Init: init}, nil)
			neverRan(t, b, exit, "stopped or restarted")
		})
	}
	b.Stop()
	b.Start(t)
	exit, _, _ := run(t, b, stream.Spec{Command: touch, TTY: true, Init: stream.Init{PID: pid, StartTime: start}}, nil)
	neverRan(t, b, exit, "stopped or restarted")
	if exit, _, _ = run(t, b, stream.Spec{Command: touch}, nil); exit.Code != 0 {
		t.Errorf("the new one, by its own init: %+v", exit)
	}
}
