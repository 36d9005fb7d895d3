package systemd_test

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"lodge/manager/systemd"
)

// output is a file a program writes to.
func output(t *testing.T) *os.File {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func content(t *testing.T, f *os.File) string {
	t.Helper()
	text, err := os.ReadFile(f.Name())
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(text))
}

func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for range 2000 {
		if is() {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatalf("%s: did not come true", what)
}

// field is a number of /proc/PID/stat, counted as proc_pid_stat(5) does.
func field(pid, n int) int {
	text, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	_, rest, _ := strings.Cut(string(text), ") ")
	fields := strings.Fields(rest)
	if len(fields) < n-2 {
		return 0
	}
	v, _ := strconv.Atoi(fields[n-3])
	return v
}

func TestRun(t *testing.T) {
	t.Setenv("LODGE_SECRET", "x")
	stdout, stderr := output(t), output(t)
	script := "pwd; echo $LODGE_SECRET; cut -d' ' -f1,6 /proc/$$/stat; cat; echo oops >&2; exit 3"
	s := systemd.NewStarter(slog.New(slog.DiscardHandler))
	if err := s.Run(t.Context(), "test run", []string{"/bin/sh", "-c", script}, stdout, stderr); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(content(t, stdout), "\n")
	if len(lines) != 3 || lines[0] != "/" || lines[1] != "" {
		t.Fatalf("output %q", lines)
	}
	if pid, session, _ := strings.Cut(lines[2], " "); pid != session {
		t.Errorf("process %s is in session %s", pid, session)
	}
	if got := content(t, stderr); got != "oops" {
		t.Errorf("errors %q", got)
	}
}

func TestRunEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	stdout := output(t)
	s := systemd.NewStarter(slog.New(slog.DiscardHandler))
	if err := s.Run(ctx, "test", []string{"/bin/sh", "-c", "echo $$; exec sleep 1000"}, stdout, nil); err == nil {
		t.Fatal("it ended well")
	}
	if pid, err := strconv.Atoi(content(t, stdout)); err == nil {
		eventually(t, "the program is gone", func() bool { return field(pid, 4) == 0 })
	}
}

func TestRunWithoutProgram(t *testing.T) {
	s := systemd.NewStarter(slog.New(slog.DiscardHandler))
	if err := s.Run(t.Context(), "test", []string{"/no/such/program"}, nil, nil); err == nil {
		t.Error("it ran")
	}
	if _, err := s.Start(t.Context(), "test", []string{"/no/such/program"}); err == nil {
		t.Error("it started")
	}
}

// What Start starts is in a session of its own, with the descriptors it was given, and leaves no
// zombie.
func TestStart(t *testing.T) {
	stdout := output(t)
	s := systemd.NewStarter(slog.New(slog.DiscardHandler))
	pid, err := s.Start(t.Context(), "test", []string{"/bin/sh", "-c", "echo ready $$; ls /proc/self/fd; sleep 100000 & wait"}, nil, stdout)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Kill(-pid, syscall.SIGKILL) })
	eventually(t, "it writes", func() bool { return strings.Count(content(t, stdout), "\n") >= 4 })
	if got := strings.Fields(content(t, stdout)); got[0] != "ready" || got[1] != strconv.Itoa(pid) || len(got) != 6 {
		t.Errorf("process %d wrote %q", pid, got)
	}
	if session := field(pid, 6); session != pid {
		t.Errorf("process %d is in session %d", pid, session)
	}
	syscall.Kill(-pid, syscall.SIGKILL)
	eventually(t, "it is reaped", func() bool { return syscall.Kill(pid, 0) == syscall.ESRCH })
}

func TestUnitName(t *testing.T) {
	for _, name := range []string{"start-1", "a b/../c\n.service", strings.Repeat("x", 300), ""} {
		got := systemd.UnitName(name)
		if strings.Trim(got, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") != "" ||
			len(got) > 255 || !strings.HasPrefix(got, "lodge-") || !strings.HasSuffix(got, ".service") {
			t.Errorf("%q gave %q", name, got)
		}
	}
	if systemd.UnitName("x") == systemd.UnitName("x") {
		t.Error("two units got one name")
	}
}
