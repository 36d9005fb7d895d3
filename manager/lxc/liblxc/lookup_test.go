package liblxc

import (
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/dns/dnsmessage"

	"lodge/packaging/need"
)

// nameServer answers for db.lodge.internal and out.example, on port 53 of a loopback address of its own.
func nameServer(t *testing.T) (server string) {
	need.Root(t)
	server = fmt.Sprintf("127.%d.%d.%d", 64+rand.IntN(64), rand.IntN(256), 1+rand.IntN(254))
	conn, err := net.ListenPacket("udp", net.JoinHostPort(server, "53"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	go func() {
		for buf := make([]byte, 512); ; {
			n, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			var m dnsmessage.Message
			if m.Unpack(buf[:n]) != nil {
				continue
			}
			conn.WriteTo([]byte("noise"), from)
			m.Response, m.RCode = true, dnsmessage.RCodeNameError
			head := dnsmessage.ResourceHeader{Name: m.Questions[0].Name, Class: dnsmessage.ClassINET}
			switch q := m.Questions[0]; q.Name.String() + q.Type.String() {
			case "db.lodge.internal.TypeA", "out.example.TypeA":
				m.RCode, m.Answers = dnsmessage.RCodeSuccess, []dnsmessage.Resource{{Header: head, Body: &dnsmessage.AResource{A: [4]byte{10, 1, 2, 3}}}}
			case "db.lodge.internal.TypeAAAA":
				m.RCode, m.Answers = dnsmessage.RCodeSuccess, []dnsmessage.Resource{{Header: head, Body: &dnsmessage.AAAAResource{AAAA: [16]byte{0xfd, 15: 3}}}}
			case "broken.example.TypeA":
				m.RCode = dnsmessage.RCodeServerFailure
			}
			raw, _ := m.Pack()
			conn.WriteTo(raw, from)
		}
	}()
	return server
}

// What a name means is what the container's name server says: the host's own name, which stands in its
// hosts(5), means nothing.
func TestLookup(t *testing.T) {
	server := nameServer(t)
	own, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	both := []netip.Addr{netip.MustParseAddr("10.1.2.3"), netip.MustParseAddr("fd00::3")}
	for host, want := range map[string]any{"db": both, "db.lodge.internal": both, "db.lodge.internal.": both, "out.example": both[:1],
		"10.9.8.7": []netip.Addr{netip.MustParseAddr("10.9.8.7")}, "::ffff:10.9.8.7": []netip.Addr{netip.MustParseAddr("10.9.8.7")},
		"localhost": []netip.Addr{netip.MustParseAddr("127.0.0.1"), netip.IPv6Loopback()},
		own:         "has no address", "ip6-allnodes": "has no address", "none.example": "has no address",
		"broken.example": "the name server says ServerFailure", strings.Repeat("a", 300): "can't be looked up"} {
		got, err := lookup(host, server, false)
		if all, ok := want.([]netip.Addr); ok && (err != nil || !slices.Equal(got, all)) {
			t.Errorf("%s is at %v, %v; want %v", host, got, err, all)
		}
		if why, ok := want.(string); ok && (err == nil || !strings.Contains(err.Error(), why)) {
			t.Errorf("%s is at %v: %v; want %q", host, got, err, why)
		}
	}
	if got, err := lookup("db", server, true); err != nil || !slices.Contains(got, netip.IPv6Loopback()) {
		t.Errorf("a listener on db is bound to %v, %v", got, err)
	}
}
