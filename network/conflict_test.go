package network_test

import (
	"net/netip"
	"strings"
	"testing"

	"lodge/inventory"
	"lodge/network"
)

// Somebody who takes a container's address is found by ARP and by ND, whether the container runs or not;
// the container itself, and the host, are nobody else.
func TestConflicts(t *testing.T) {
	s, n := setup(t)
	_, web := guarded(t, s, n, 2)
	db := testContainer("db", "10.86.7.3") // which doesn't run
	db.NICs[0].MAC = "02:00:00:00:00:03"
	estateOf(rootOf(s)).Containers = []*inventory.Container{web, &db}
	look := func() []network.Conflict {
		t.Helper()
		found, err := s.Conflicts(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	if found := look(); len(found) > 0 {
		t.Errorf("nobody else is there, and it found %v", found)
	}
	stranger := newGuest(t, n, 9)
	mac := strings.Fields(stranger.run("ip", "-br", "link", "show", "eth0"))[2]
	for _, address := range []string{web.NICs[0].IPv4.String() + "/24", db.NICs[0].IPv4.String() + "/24", web.NICs[0].IPv6.String() + "/64"} {
		stranger.run("ip", "addr", "add", address, "dev", "eth0", "nodad") // it looks at nothing before it takes one
	}
	want := map[netip.Addr]inventory.Ref{web.NICs[0].IPv4: web.Ref(), db.NICs[0].IPv4: db.Ref(), web.NICs[0].IPv6: web.Ref()}
	found := look()
	if len(found) != len(want) {
		t.Errorf("it found %v", found)
	}
	for _, c := range found {
		if c.MAC != mac || want[c.IP] != c.Container || c.Network != n.Name {
			t.Errorf("it found %+v, and %s has it", c, mac)
		}
	}
}
