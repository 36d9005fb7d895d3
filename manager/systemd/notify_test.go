package systemd_test

import (
	"context"
	"errors"
	"net"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"lodge/manager/systemd"
)

// manager is the other end of sd_notify.
func manager(t *testing.T) *net.UnixConn {
	t.Helper()
	path := filepath.Join(t.TempDir(), "n")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	t.Setenv("NOTIFY_SOCKET", path)
	return conn
}

func receive(t *testing.T, conn *net.UnixConn) string {
	t.Helper()
	buf := make([]byte, 256)
	conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	n, err := conn.Read(buf)
	if err != nil {
		t.Fatal(err)
	}
	return string(buf[:n])
}

func TestNotify(t *testing.T) {
	conn := manager(t)
	for want, send := range map[string]func() error{
		"READY=1": systemd.Ready, "STOPPING=1": systemd.Stopping,
		"STATUS=busy": func() error { return systemd.Status("busy") },
	} {
		if err := send(); err != nil {
			t.Fatal(err)
		}
		if got := receive(t, conn); got != want {
			t.Errorf("sent %q, want %q", got, want)
		}
	}
}

func TestNotifyWithoutManager(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "")
	if err := systemd.Ready(); err != nil {
		t.Error(err)
	}
	if err := systemd.Watchdog(t.Context(), func() error { return nil }); err != nil {
		t.Error(err)
	}
	if l, err := systemd.Listeners(); err != nil || len(l) != 0 {
		t.Errorf("listeners %v, %v", l, err)
	}
}

func TestWatchdog(t *testing.T) {
	conn := manager(t)
	t.Setenv("WATCHDOG_USEC", strconv.Itoa(20000))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	calls := 0
	go func() {
		done <- systemd.Watchdog(ctx, func() error {
			calls++
			if calls == 1 {
				return errors.New("not yet")
			}
			return nil
		})
	}()
	if got := receive(t, conn); got != "WATCHDOG=1" {
		t.Errorf("sent %q", got)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if calls < 2 {
		t.Error("an agent that is not healthy was reported alive")
	}
}
