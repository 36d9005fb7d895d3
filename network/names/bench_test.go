package names_test

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"testing"

	"github.com/miekg/dns"

	"lodge/network/names"
)

func bigZone(n int) names.Zone {
	z := testZone()
	for i := range n {
		v4 := netip.AddrFrom4([4]byte{172, 16, byte(4 + i/256%4), byte(i)})
		z.Entries = append(z.Entries, names.Entry{Name: fmt.Sprintf("c%d", i), Project: "default", IPv4: v4,
			IPv6: netip.MustParseAddr(fmt.Sprintf("fd4c:86::%x", i+2))})
	}
	return z
}

func BenchmarkSetZone(b *testing.B) {
	h, z := newHandler(testZone()), bigZone(1000)
	for b.Loop() {
		h.SetZone(z)
	}
}

func BenchmarkReadZone(b *testing.B) {
	data, err := json.Marshal(bigZone(1000))
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		var z names.Zone
		if err := json.Unmarshal(data, &z); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkReply(b *testing.B) {
	h, q := newHandler(bigZone(1000)), question("c500.lodge.internal", dns.TypeA)
	for b.Loop() {
		if m := h.Reply(q, guest, false); len(m.Answer) != 1 {
			b.Fatal(m)
		}
	}
}
