package systemd_test

import (
	"testing"

	"lodge/manager/systemd"
)

// That it says true when the host does go down is checked by packaging/test-vm, which reboots one.
func TestHostIsNotStopping(t *testing.T) {
	if stopping, err := systemd.IsHostStopping(t.Context()); stopping || err != nil {
		t.Errorf("this host goes down? %v, %v", stopping, err)
	}
}
