package systemd

import (
	"context"
	"os"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

// IsPID1 reports whether systemd runs this host (sd_booted(3)).
func IsPID1() bool {
	info, err := os.Lstat("/run/systemd/system")
	return err == nil && info.IsDir()
}

// Ready tells the service manager that the agent serves. Without one it does nothing, as do all
// functions of this file (sd_notify(3)).
func Ready() error { return notify(daemon.SdNotifyReady) }

// Stopping tells that the agent is on its way out.
func Stopping() error { return notify(daemon.SdNotifyStopping) }

// Status sets the line `systemctl status` shows.
func Status(line string) error { return notify("STATUS=" + line) }

func notify(state string) error {
	_, err := daemon.SdNotify(false, state)
	return err
}

// Watchdog reports the agent alive at half the interval the unit asks for (WatchdogSec=), as long
// as healthy returns nil, until ctx ends. An agent that is not healthy stays silent and is
// restarted by the service manager. It returns at once when no watchdog is asked for.
func Watchdog(ctx context.Context, healthy func() error) error {
	interval, err := daemon.SdWatchdogEnabled(false)
	if err != nil || interval == 0 {
		return err
	}
	tick := time.NewTicker(interval / 2)
	defer tick.Stop()
	for {
		if healthy() == nil {
			if err := notify(daemon.SdNotifyWatchdog); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}
