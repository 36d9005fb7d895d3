package systemd

import (
	"context"
	"fmt"

	"github.com/coreos/go-systemd/v22/dbus"
)

// IsHostStopping reports whether the host is going down or rebooting: systemd's own state is
// "stopping" from when the shutdown is queued (systemctl(1), is-system-running). Without systemd it
// is false. An error means that PID 1, which is busy when a host goes down, did not answer before
// ctx ended.
func IsHostStopping(ctx context.Context) (bool, error) {
	if !IsPID1() {
		return false, nil
	}
	conn, err := dbus.NewSystemdConnectionContext(ctx)
	if err != nil {
		return false, fmt.Errorf("ask systemd whether the host goes down: %w", err)
	}
	defer conn.Close()
	state, err := conn.SystemStateContext(ctx)
	if err != nil {
		return false, fmt.Errorf("ask systemd whether the host goes down: %w", err)
	}
	text, _ := state.Value.Value().(string)
	return text == "stopping", nil
}
