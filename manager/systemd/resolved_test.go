package systemd_test

import (
	"net/netip"
	"testing"

	"lodge/manager/systemd"
)

func TestAsksResolved(t *testing.T) {
	for _, c := range []struct {
		name, resolvConf, nsswitch string
		want                       bool
	}{
		{"the stub", "# by systemd-resolved\nnameserver 127.0.0.53\noptions edns0\n", "hosts: files dns\n", true},
		{"the proxy", "nameserver 127.0.0.54\n", "", true},
		{"its module", "nameserver 192.0.2.1\n", "passwd: files\nhosts: files resolve [!UNAVAIL=return] dns\n", true},
		{"its servers only", "nameserver 192.0.2.1\n", "hosts: files dns\n", false},
		{"a comment", "# nameserver 127.0.0.53\n", "hosts: files # resolve\n", false},
		{"nothing", "", "", false},
	} {
		if got := systemd.AsksResolved(c.resolvConf, c.nsswitch); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

// Without a bus there is nobody to tell, and nothing to take back.
func TestNoResolver(t *testing.T) {
	t.Setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path="+t.TempDir()+"/none")
	var r systemd.Resolver
	servers := []netip.Addr{netip.MustParseAddr("10.86.0.1")}
	if r.IsAsked(t.Context()) {
		t.Error("it is asked")
	}
	if err := r.Route(t.Context(), 1, servers, []string{"lodge.internal"}); err == nil {
		t.Error("it was told")
	}
	if err := r.Revert(t.Context(), 1, servers); err != nil {
		t.Error(err)
	}
}
