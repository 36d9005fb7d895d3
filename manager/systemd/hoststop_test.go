package systemd_test

import (
	"testing"

	"lodge/manager/systemd"
)

// That it says true when the host does go down is checked by packaging/test-vm, which reboots one.
func TestHostIsNotStopping(t *testing.T) {
	if systemd.IsHostStopping(t.Context()) {
		t.Error("this host goes down?")
	}
}
