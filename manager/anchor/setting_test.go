package anchor_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"lodge/inventory"
	"lodge/manager/anchor"
)

func TestSettingsRefused(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("no certificate"), 0o644); err != nil {
		t.Fatal(err)
	}
	table := inventory.NewSettings(anchor.Settings())
	for _, c := range []struct {
		name, value string
		fits        bool
	}{
		{anchor.SettingSyslog, "tls://logs.example", true}, {anchor.SettingSyslog, "tls://[fd00::1]:6514", true},
		{anchor.SettingSyslog, "tcp://10.0.0.1:514", true}, {anchor.SettingSyslog, "", true},
		{anchor.SettingSyslog, "tcp://10.0.0.1", false}, {anchor.SettingSyslog, "udp://10.0.0.1:514", false},
		{anchor.SettingSyslog, "logs.example:514", false}, {anchor.SettingSyslog, "tls://", false},
		{anchor.SettingSyslog, "tls://logs:99999", false}, {anchor.SettingSyslog, "tls://me:pw@logs:6514", false},
		{anchor.SettingSyslog, "tls://logs:6514/path", false}, {anchor.SettingSyslog, "tls://lo gs:6514", false},
		{anchor.SettingCA, file, false}, {anchor.SettingCA, "ca.pem", false}, {anchor.SettingCA, dir, false}, {anchor.SettingCA, "", true},
		{anchor.SettingCert, file, false}, {anchor.SettingKey, file, false}, {anchor.SettingKey, "/nowhere", false},
		{anchor.SettingDrop, dir, true}, {anchor.SettingDrop, file, false}, {anchor.SettingDrop, "/", false},
		{anchor.SettingDrop, dir + "/../x", false}, {anchor.SettingDrop, "relative", false}, {anchor.SettingDrop, dir + "/none", false},
		{anchor.SettingJournald, "true", true}, {anchor.SettingJournald, "perhaps", false},
		{anchor.SettingInterval, "5m", true}, {anchor.SettingInterval, "0s", false}, {anchor.SettingInterval, "2d", false},
	} {
		_, err := table.Check(inventory.ScopeHost, map[string]string{c.name: c.value})
		if (err == nil) != c.fits || err != nil && !errors.Is(err, inventory.ErrInvalid) {
			t.Errorf("%s=%s: %v", c.name, c.value, err)
		}
	}
	for _, s := range anchor.Settings() {
		if s.Risk != inventory.RiskHigh {
			t.Errorf("%s can turn an anchor off and has the risk %s", s.Name, s.Risk)
		}
	}
}
