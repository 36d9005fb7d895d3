package lease

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"github.com/insomniacslk/dhcp/dhcpv6"
	"github.com/insomniacslk/dhcp/iana"
	"github.com/mdlayher/ndp"
	"golang.org/x/sys/unix"
)

var (
	web      = hardware{2, 0, 0, 0, 0, 0x10}
	stranger = hardware{2, 0, 0, 0, 0, 0x66}
	epoch    = time.Unix(1_800_000_000, 0)
)

func testLink() *served {
	return newServed(Link{Network: "n", Bridge: "br", MAC: "02:00:00:00:00:01",
		LinkLocal: netip.MustParseAddr("fe80::1"), IPv4: netip.MustParsePrefix("10.86.7.1/24"),
		IPv6: netip.MustParsePrefix("fd4c:86:7::1/64"), MTU: 1400, Bindings: []Binding{
			{MAC: "02:00:00:00:00:10", Name: "web1", IPv4: netip.MustParseAddr("10.86.7.2"),
				IPv6: netip.MustParseAddr("fd4c:86:7::2"), Search: []string{"shop.lodge.internal", "lodge.internal"}}}}, nil)
}

// ask4 sends a message as a client does and returns what comes back.
func ask4(t *testing.T, s *served, h hardware, modifiers ...dhcpv4.Modifier) (*dhcpv4.DHCPv4, datagram) {
	t.Helper()
	m, err := dhcpv4.New(append([]dhcpv4.Modifier{dhcpv4.WithHwAddr(web.mac())}, modifiers...)...)
	if err != nil {
		t.Fatal(err)
	}
	raw := datagram{src: netip.IPv4Unspecified(), dst: netip.AddrFrom4([4]byte{255, 255, 255, 255}), srcPort: 68, dstPort: 67,
		hops: 64, proto: protoUDP, payload: m.ToBytes()}.bytes()
	out, ok := s.reply(unix.ETH_P_IP, raw, h, epoch)
	if !ok {
		return nil, out
	}
	back, ok := parse4(out.bytes())
	if !ok {
		t.Fatal("the answer is no packet")
	}
	resp, err := dhcpv4.FromBytes(back.payload)
	if err != nil {
		t.Fatal(err)
	}
	return resp, out
}

func TestDHCPv4(t *testing.T) {
	kind := func(k dhcpv4.MessageType) dhcpv4.Modifier { return dhcpv4.WithMessageType(k) }
	option := func(o dhcpv4.Option) dhcpv4.Modifier { return dhcpv4.WithOption(o) }
	want := func(ip string) dhcpv4.Modifier { return option(dhcpv4.OptRequestedIPAddress(net.ParseIP(ip))) }
	server := func(ip string) dhcpv4.Modifier { return option(dhcpv4.OptServerIdentifier(net.ParseIP(ip))) }
	none := dhcpv4.MessageTypeNone
	for _, c := range []struct {
		name string
		from hardware
		ask  []dhcpv4.Modifier
		want dhcpv4.MessageType
	}{
		{"discover", web, []dhcpv4.Modifier{kind(dhcpv4.MessageTypeDiscover)}, dhcpv4.MessageTypeOffer},
		{"discover of a stranger", stranger, []dhcpv4.Modifier{kind(dhcpv4.MessageTypeDiscover)}, none},
		{"in another's name", web, []dhcpv4.Modifier{kind(dhcpv4.MessageTypeDiscover), dhcpv4.WithHwAddr(stranger.mac())}, none},
		{"by a relay", web, []dhcpv4.Modifier{kind(dhcpv4.MessageTypeDiscover), dhcpv4.WithGatewayIP(net.ParseIP("10.9.9.9"))}, none},
		{"request", web, []dhcpv4.Modifier{kind(dhcpv4.MessageTypeRequest), want("10.86.7.2"), server("10.86.7.1")}, dhcpv4.MessageTypeAck},
		{"request after a reboot", web, []dhcpv4.Modifier{kind(dhcpv4.MessageTypeRequest), want("10.86.7.2")}, dhcpv4.MessageTypeAck},
		{"renew", web, []dhcpv4.Modifier{kind(dhcpv4.MessageTypeRequest), dhcpv4.WithClientIP(net.ParseIP("10.86.7.2"))}, dhcpv4.MessageTypeAck},
		{"another's address", web, []dhcpv4.Modifier{kind(dhcpv4.MessageTypeRequest), want("10.86.7.3")}, dhcpv4.MessageTypeNak},
		{"another server's offer", web, []dhcpv4.Modifier{kind(dhcpv4.MessageTypeRequest), want("10.86.7.2"), server("10.86.7.9")}, none},
		{"release", web, []dhcpv4.Modifier{kind(dhcpv4.MessageTypeRelease)}, none},
		{"decline", web, []dhcpv4.Modifier{kind(dhcpv4.MessageTypeDecline), want("10.86.7.2")}, none},
		{"inform", web, []dhcpv4.Modifier{kind(dhcpv4.MessageTypeInform), dhcpv4.WithClientIP(net.ParseIP("10.86.7.2"))}, dhcpv4.MessageTypeAck},
		{"no type", web, nil, none},
	} {
		resp, out := ask4(t, testLink(), c.from, c.ask...)
		if got := func() dhcpv4.MessageType {
			if resp == nil {
				return none
			}
			return resp.MessageType()
		}(); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
		if c.want == dhcpv4.MessageTypeOffer && (resp.YourIPAddr.String() != "10.86.7.2" || out.dst.String() != "10.86.7.2" ||
			resp.Options.Get(dhcpv4.OptionInterfaceMTU)[1] != 1400&0xff || resp.Router()[0].String() != "10.86.7.1") {
			t.Errorf("%s: %s to %s", c.name, resp.Summary(), out.dst)
		}
		if c.name == "inform" && (!resp.YourIPAddr.IsUnspecified() || resp.IPAddressLeaseTime(0) != 0) {
			t.Errorf("%s: %s", c.name, resp.Summary())
		}
	}
}

// An interface beside the first gets its address and no way out.
func TestExtraInterface(t *testing.T) {
	s := testLink()
	link := s.Link
	link.Bindings[0].Extra = true
	s = newServed(link, nil)
	resp, _ := ask4(t, s, web, dhcpv4.WithMessageType(dhcpv4.MessageTypeDiscover))
	if resp == nil || resp.YourIPAddr.String() != "10.86.7.2" || resp.SubnetMask().String() != "ffffff00" ||
		len(resp.Router())+len(resp.DNS()) > 0 || resp.DomainSearch() != nil {
		t.Errorf("%s", resp.Summary())
	}
}

// ask6 is ask4 for DHCPv6.
func ask6(t *testing.T, s *served, h hardware, m *dhcpv6.Message) *dhcpv6.Message {
	t.Helper()
	raw := datagram{src: netip.MustParseAddr("fe80::10"), dst: netip.MustParseAddr("ff02::1:2"), srcPort: 546, dstPort: 547,
		hops: 1, proto: protoUDP, payload: m.ToBytes()}.bytes()
	out, ok := s.reply(unix.ETH_P_IPV6, raw, h, epoch)
	if !ok {
		return nil
	}
	back, ok := parse6(out.bytes())
	if !ok || back.dst != netip.MustParseAddr("fe80::10") || back.dstPort != 546 {
		t.Fatalf("the answer goes to %v", back)
	}
	resp, err := dhcpv6.MessageFromBytes(back.payload)
	if err != nil {
		t.Fatal(err)
	}
	return resp
}

func TestDHCPv6(t *testing.T) {
	s := testLink()
	duid := &dhcpv6.DUIDLL{HWType: iana.HWTypeEthernet, LinkLayerAddr: web.mac()}
	message := func(kind dhcpv6.MessageType, options ...dhcpv6.Option) *dhcpv6.Message {
		m := &dhcpv6.Message{MessageType: kind}
		for _, o := range options {
			m.AddOption(o)
		}
		return m
	}
	ia := func(addrs ...string) dhcpv6.Option {
		out := &dhcpv6.OptIANA{IaId: [4]byte{1, 2, 3, 4}}
		for _, a := range addrs {
			out.Options.Add(&dhcpv6.OptIAAddress{IPv6Addr: net.ParseIP(a)})
		}
		return out
	}
	id, ours := dhcpv6.OptClientID(duid), dhcpv6.OptServerID(s.duid())
	others := dhcpv6.OptServerID(duid)
	for _, c := range []struct {
		name string
		ask  *dhcpv6.Message
		want dhcpv6.MessageType
		gets string // address=lifetime in seconds, or a status
	}{
		{"solicit", message(1, id, ia()), dhcpv6.MessageTypeAdvertise, "fd4c:86:7::2=259200"},
		{"solicit, rapid", message(1, id, ia(), &dhcpv6.OptionGeneric{OptionCode: dhcpv6.OptionRapidCommit}), dhcpv6.MessageTypeReply, "fd4c:86:7::2=259200"},
		{"request", message(3, id, ours, ia("fd4c:86:7::2")), dhcpv6.MessageTypeReply, "fd4c:86:7::2=259200"},
		{"request of another server", message(3, id, others, ia()), 0, ""},
		{"request without a name", message(3, ours, ia()), 0, ""},
		{"renew another's", message(5, id, ours, ia("fd4c:86:7::3")), dhcpv6.MessageTypeReply, "fd4c:86:7::2=259200 fd4c:86:7::3=0"},
		{"rebind", message(6, id, ia("fd4c:86:7::2")), dhcpv6.MessageTypeReply, "fd4c:86:7::2=259200"},
		{"confirm", message(4, id, ia("fd4c:86:7::2")), dhcpv6.MessageTypeReply, "Success"},
		{"confirm another's", message(4, id, ia("fd4c:86:7::3")), dhcpv6.MessageTypeReply, "NotOnLink"},
		{"confirm nothing", message(4, id, ia()), 0, ""},
		{"release", message(8, id, ours, ia("fd4c:86:7::2")), dhcpv6.MessageTypeReply, "Success"},
		{"information", message(11), dhcpv6.MessageTypeReply, ""},
		{"an advertisement", message(2, id, ours), 0, ""},
	} {
		resp := ask6(t, s, web, c.ask)
		if resp == nil {
			if c.want != 0 {
				t.Errorf("%s: no answer", c.name)
			}
			continue
		}
		var got []string
		for _, ia := range resp.Options.IANA() {
			for _, a := range ia.Options.Addresses() {
				got = append(got, fmt.Sprintf("%s=%.0f", a.IPv6Addr, a.ValidLifetime.Seconds()))
			}
		}
		if st := resp.Options.Status(); st != nil {
			got = append(got, st.StatusCode.String())
		}
		if resp.MessageType != c.want || strings.Join(got, " ") != c.gets {
			t.Errorf("%s: %v with %v, want %v with %s", c.name, resp.MessageType, got, c.want, c.gets)
		}
	}
	if ask6(t, s, stranger, message(1, id, ia())) != nil {
		t.Error("a stranger was answered")
	}
}

func solicitation(hops uint8) []byte {
	body, _ := ndp.MarshalMessage(&ndp.RouterSolicitation{})
	return datagram{src: netip.MustParseAddr("fe80::10"), dst: netip.MustParseAddr("ff02::2"), hops: hops,
		proto: protoICMPv6, payload: body}.bytes()
}

// The advertisement says that addresses are asked for and never made up.
func TestRouterAdvertisement(t *testing.T) {
	s := testLink()
	out, ok := s.reply(unix.ETH_P_IPV6, solicitation(255), web, epoch)
	if !ok {
		t.Fatal("no answer")
	}
	m, err := ndp.ParseMessage(out.payload)
	if err != nil {
		t.Fatal(err)
	}
	ra := m.(*ndp.RouterAdvertisement)
	if !ra.ManagedConfiguration || ra.RouterLifetime != routerTime || out.hops != 255 || out.dst.String() != "fe80::10" {
		t.Errorf("%+v to %s with %d hops", ra, out.dst, out.hops)
	}
	for _, o := range ra.Options {
		if p, ok := o.(*ndp.PrefixInformation); ok && (p.AutonomousAddressConfiguration || !p.OnLink) {
			t.Errorf("%+v", p)
		}
	}
	if _, ok := s.reply(unix.ETH_P_IPV6, solicitation(64), web, epoch); ok {
		t.Error("a solicitation from beyond the link was answered")
	}
	if _, ok := s.reply(unix.ETH_P_IPV6, solicitation(255), stranger, epoch); ok {
		t.Error("a stranger was answered")
	}
}

// One who floods uses up his own answers, and a new table gives him no more.
func TestFlood(t *testing.T) {
	link := testLink().Link
	link.Bindings = append(link.Bindings, Binding{MAC: "02:00:00:00:00:11"})
	s := newServed(link, nil)
	answered := 0
	for range 1000 {
		if _, ok := s.reply(unix.ETH_P_IPV6, solicitation(255), web, epoch); ok {
			answered++
		}
	}
	s = newServed(link, s)
	if _, ok := s.reply(unix.ETH_P_IPV6, solicitation(255), web, epoch); ok || answered != clientBurst {
		t.Errorf("%d answers at once, and one more %v", answered, ok)
	}
	if _, ok := s.reply(unix.ETH_P_IPV6, solicitation(255), hardware{2, 0, 0, 0, 0, 0x11}, epoch); !ok {
		t.Error("another waits for it")
	}
	if _, ok := s.reply(unix.ETH_P_IPV6, solicitation(255), web, epoch.Add(time.Second)); !ok {
		t.Error("it stays shut out")
	}
}
