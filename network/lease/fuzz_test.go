package lease

import (
	"net/netip"
	"testing"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"github.com/insomniacslk/dhcp/dhcpv6"
	"golang.org/x/sys/unix"
)

// Whatever comes in, nothing panics, and what goes out goes to the one who asked and names nobody
// else's address.
func FuzzPacket4(f *testing.F) {
	m, _ := dhcpv4.NewDiscovery(web.mac())
	discover := m.ToBytes()
	m.UpdateOption(dhcpv4.OptMessageType(dhcpv4.MessageTypeRequest))
	for _, payload := range [][]byte{discover, m.ToBytes(), discover[:240], {1}, nil} {
		f.Add(datagram{src: netip.IPv4Unspecified(), dst: netip.AddrFrom4([4]byte{255, 255, 255, 255}), srcPort: 68,
			dstPort: 67, hops: 64, proto: protoUDP, payload: payload}.bytes())
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		out, ok := testLink().reply(unix.ETH_P_IP, raw, web, epoch)
		if !ok {
			return
		}
		back, ok := parse4(out.bytes())
		if !ok || back.src.String() != "10.86.7.1" || back.dst.String() != "10.86.7.2" && back.dst.String() != "255.255.255.255" {
			t.Fatalf("%+v", back)
		}
		resp, err := dhcpv4.FromBytes(back.payload)
		if err != nil || !resp.YourIPAddr.IsUnspecified() && resp.YourIPAddr.String() != "10.86.7.2" {
			t.Fatalf("%v %v", resp, err)
		}
	})
}

func FuzzPacket6(f *testing.F) {
	m, _ := dhcpv6.NewSolicit(web.mac())
	for _, payload := range [][]byte{m.ToBytes(), {1, 0, 0, 1}, {11, 0, 0, 0, 0, 1, 0, 0}, nil} {
		f.Add(datagram{src: netip.MustParseAddr("fe80::10"), dst: netip.MustParseAddr("ff02::1:2"), srcPort: 546,
			dstPort: 547, hops: 1, proto: protoUDP, payload: payload}.bytes())
	}
	f.Add(solicitation(255))
	f.Fuzz(func(t *testing.T, raw []byte) {
		out, ok := testLink().reply(unix.ETH_P_IPV6, raw, web, epoch)
		if !ok {
			return
		}
		if back, ok := parse6(out.bytes()); !ok || back.src.String() != "fe80::1" {
			t.Fatalf("%+v", back)
		}
		if out.proto != protoUDP {
			return
		}
		resp, err := dhcpv6.MessageFromBytes(out.payload)
		if err != nil {
			t.Fatal(err)
		}
		for _, ia := range resp.Options.IANA() {
			for _, a := range ia.Options.Addresses() {
				if a.ValidLifetime > 0 && a.IPv6Addr.String() != "fd4c:86:7::2" {
					t.Fatalf("gave %v", a)
				}
			}
		}
	})
}
