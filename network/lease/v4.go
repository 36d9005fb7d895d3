package lease

import (
	"bytes"
	"net"
	"net/netip"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"github.com/insomniacslk/dhcp/iana"
	"github.com/insomniacslk/dhcp/rfc1035label"
)

// reply4 answers a DHCPv4 message that came in a frame from h; ok is false when it deserves none.
func (s *served) reply4(d datagram, h hardware, c *client) (out datagram, ok bool) {
	req, err := dhcpv4.FromBytes(d.payload)
	if err != nil || req.OpCode != dhcpv4.OpcodeBootRequest || req.HWType != iana.HWTypeEthernet ||
		!bytes.Equal(req.ClientHWAddr, h[:]) || !isUnspecified(req.GatewayIPAddr) || !c.IPv4.IsValid() {
		return out, false
	}
	kind := s.answer4(req, c)
	if kind == dhcpv4.MessageTypeNone {
		return out, false
	}
	resp, err := dhcpv4.NewReplyFromRequest(req, dhcpv4.WithMessageType(kind),
		dhcpv4.WithOption(dhcpv4.OptServerIdentifier(toIP(s.IPv4.Addr()))))
	if err != nil {
		return out, false
	}
	// The identifier comes back, so that a client knows the answer for its own (RFC 6842, 3).
	if id := req.Options.Get(dhcpv4.OptionClientIdentifier); id != nil {
		resp.UpdateOption(dhcpv4.OptGeneric(dhcpv4.OptionClientIdentifier, id))
	}
	if kind != dhcpv4.MessageTypeNak {
		s.fill4(resp, req, c)
	}
	return datagram{src: s.IPv4.Addr(), dst: receiver4(req, kind, c), srcPort: portServer4, dstPort: portClient4,
		hops: 64, proto: protoUDP, payload: resp.ToBytes()}, true
}

// answer4 is the kind of the answer (RFC 2131, 4.3); None for none.
func (s *served) answer4(req *dhcpv4.DHCPv4, c *client) dhcpv4.MessageType {
	chosen := req.ServerIdentifier()
	switch req.MessageType() {
	case dhcpv4.MessageTypeDiscover:
		return dhcpv4.MessageTypeOffer
	case dhcpv4.MessageTypeInform:
		return dhcpv4.MessageTypeAck
	case dhcpv4.MessageTypeRequest:
		if chosen != nil && !chosen.Equal(toIP(s.IPv4.Addr())) {
			return dhcpv4.MessageTypeNone // it took another's offer
		}
		want := req.RequestedIPAddress()
		if isUnspecified(want) {
			want = req.ClientIPAddr
		}
		if !want.Equal(toIP(c.IPv4)) {
			return dhcpv4.MessageTypeNak
		}
		return dhcpv4.MessageTypeAck
	}
	// A release gives nothing back, and after a decline there is no other address to give.
	return dhcpv4.MessageTypeNone
}

func (s *served) fill4(resp, req *dhcpv4.DHCPv4, c *client) {
	gateway := toIP(s.IPv4.Addr())
	options := []dhcpv4.Option{
		dhcpv4.OptSubnetMask(net.CIDRMask(s.IPv4.Bits(), 32)),
		dhcpv4.OptBroadcastAddress(broadcast(s.IPv4)), dhcpv4.OptHostName(c.Name),
		dhcpv4.OptGeneric(dhcpv4.OptionInterfaceMTU, []byte{byte(s.MTU >> 8), byte(s.MTU)}),
	}
	if !c.Extra {
		options = append(options, dhcpv4.OptRouter(gateway), dhcpv4.OptDNS(gateway))
	}
	if len(c.Search) > 0 && !c.Extra {
		options = append(options, dhcpv4.OptDomainName(c.Search[0]),
			dhcpv4.OptDomainSearch(&rfc1035label.Labels{Labels: c.Search}))
	}
	if req.MessageType() != dhcpv4.MessageTypeInform { // RFC 2131, 4.3.5
		resp.YourIPAddr = toIP(c.IPv4)
		options = append(options, dhcpv4.OptIPAddressLeaseTime(leaseTime),
			dhcpv4.OptRenewTimeValue(leaseTime/2), dhcpv4.OptRebindingTimeValue(leaseTime*7/8))
	}
	for _, o := range options {
		resp.UpdateOption(o)
	}
}

// receiver4 is where the answer goes by IP (RFC 2131, 4.1). The frame goes to the client alone even when
// that is the broadcast address.
func receiver4(req *dhcpv4.DHCPv4, kind dhcpv4.MessageType, c *client) netip.Addr {
	switch {
	case kind == dhcpv4.MessageTypeNak:
		return netip.AddrFrom4([4]byte{255, 255, 255, 255})
	case !isUnspecified(req.ClientIPAddr) && req.ClientIPAddr.Equal(toIP(c.IPv4)):
		return c.IPv4
	case req.IsBroadcast():
		return netip.AddrFrom4([4]byte{255, 255, 255, 255})
	}
	return c.IPv4
}

func isUnspecified(ip net.IP) bool { return len(ip) == 0 || ip.IsUnspecified() }

func toIP(a netip.Addr) net.IP { return a.AsSlice() }

func broadcast(p netip.Prefix) net.IP {
	ip := toIP(p.Masked().Addr())
	for i, m := range net.CIDRMask(p.Bits(), 32) {
		ip[i] |= ^m
	}
	return ip
}
