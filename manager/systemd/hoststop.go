package systemd

import (
	"context"
	"time"

	"github.com/coreos/go-systemd/v22/dbus"
)

// askWait bounds the question to PID 1, which is busy when a host goes down.
const askWait = 5 * time.Second

// IsHostStopping reports whether the host is going down or rebooting: systemd's own state is
// "stopping" from when the shutdown is queued (systemctl(1), is-system-running). Without systemd, or
// when it does not answer, it is false.
func IsHostStopping(ctx context.Context) bool {
	if !IsPID1() {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, askWait)
	defer cancel()
	conn, err := dbus.NewSystemdConnectionContext(ctx)
	if err != nil {
		return false
	}
	defer conn.Close()
	state, err := conn.SystemStateContext(ctx)
	if err != nil {
		return false
	}
	text, _ := state.Value.Value().(string)
	return text == "stopping"
}
