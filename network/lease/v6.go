package lease

import (
	"net"
	"slices"

	"github.com/insomniacslk/dhcp/dhcpv6"
	"github.com/insomniacslk/dhcp/iana"
	"github.com/insomniacslk/dhcp/rfc1035label"
)

// maxIAs bounds how many associations of one message are answered: a client has one per interface.
const maxIAs = 8

// reply6 answers a DHCPv6 message of a client (RFC 8415, 18.3); ok is false when it deserves none.
func (s *served) reply6(d datagram, c *client) (out datagram, ok bool) {
	if !c.IPv6.IsValid() || !s.LinkLocal.IsValid() || !d.src.IsLinkLocalUnicast() && d.src != c.IPv6 {
		return out, false
	}
	req, err := dhcpv6.MessageFromBytes(d.payload)
	if err != nil || !s.deserves6(req) {
		return out, false
	}
	resp := &dhcpv6.Message{MessageType: dhcpv6.MessageTypeReply, TransactionID: req.TransactionID}
	resp.AddOption(dhcpv6.OptServerID(s.duid()))
	if id := req.GetOneOption(dhcpv6.OptionClientID); id != nil {
		resp.AddOption(id)
	}
	if !s.fill6(resp, req, c) {
		return out, false
	}
	return datagram{src: s.LinkLocal, dst: d.src, srcPort: portServer6, dstPort: portClient6,
		hops: 64, proto: protoUDP, payload: resp.ToBytes()}, true
}

// duid names this server: the same as long as the bridge has its MAC, which never changes.
func (s *served) duid() dhcpv6.DUID {
	return &dhcpv6.DUIDLL{HWType: iana.HWTypeEthernet, LinkLayerAddr: s.mac.mac()}
}

// deserves6 holds a message to what its kind must and must not have (RFC 8415, 16).
func (s *served) deserves6(req *dhcpv6.Message) bool {
	client, server := req.Options.ClientID(), req.Options.ServerID()
	ours := server != nil && server.Equal(s.duid())
	switch req.MessageType {
	case dhcpv6.MessageTypeSolicit, dhcpv6.MessageTypeConfirm, dhcpv6.MessageTypeRebind:
		return client != nil && server == nil
	case dhcpv6.MessageTypeRequest, dhcpv6.MessageTypeRenew, dhcpv6.MessageTypeRelease, dhcpv6.MessageTypeDecline:
		return client != nil && ours
	case dhcpv6.MessageTypeInformationRequest:
		return server == nil || ours
	}
	return false
}

func (s *served) fill6(resp, req *dhcpv6.Message, c *client) bool {
	switch req.MessageType {
	case dhcpv6.MessageTypeRelease, dhcpv6.MessageTypeDecline:
		resp.AddOption(status(iana.StatusSuccess))
		return true
	case dhcpv6.MessageTypeConfirm:
		return confirm(resp, req, c)
	case dhcpv6.MessageTypeSolicit:
		if req.GetOneOption(dhcpv6.OptionRapidCommit) != nil {
			resp.AddOption(&dhcpv6.OptionGeneric{OptionCode: dhcpv6.OptionRapidCommit})
		} else {
			resp.MessageType = dhcpv6.MessageTypeAdvertise
		}
	}
	if req.MessageType != dhcpv6.MessageTypeInformationRequest {
		associate(resp, req, c)
	}
	if c.Extra {
		return true
	}
	resp.AddOption(dhcpv6.OptDNS(toIP(s.IPv6.Addr())))
	if len(c.Search) > 0 {
		resp.AddOption(dhcpv6.OptDomainSearchList(&rfc1035label.Labels{Labels: c.Search}))
	}
	return true
}

// associate gives the first association the address; others get none, and addresses that aren't the
// client's are taken back (RFC 8415, 18.3.4).
func associate(resp, req *dhcpv6.Message, c *client) {
	for i, ia := range req.Options.IANA() {
		if i == maxIAs {
			return
		}
		out := &dhcpv6.OptIANA{IaId: ia.IaId}
		if i == 0 {
			out.T1, out.T2 = leaseTime/2, leaseTime*7/8
			out.Options.Add(&dhcpv6.OptIAAddress{IPv6Addr: toIP(c.IPv6),
				PreferredLifetime: leaseTime, ValidLifetime: leaseTime})
		}
		for _, has := range ia.Options.Options.Get(dhcpv6.OptionIAAddr) {
			if a, ok := has.(*dhcpv6.OptIAAddress); ok && (i > 0 || !a.IPv6Addr.Equal(toIP(c.IPv6))) {
				out.Options.Add(&dhcpv6.OptIAAddress{IPv6Addr: a.IPv6Addr})
			}
		}
		if i > 0 {
			out.Options.Add(status(iana.StatusNoAddrsAvail))
		}
		resp.AddOption(out)
	}
}

// confirm says whether all addresses are the client's (RFC 8415, 18.3.3); without any there is nothing
// to say.
func confirm(resp, req *dhcpv6.Message, c *client) bool {
	var all []net.IP
	for _, ia := range req.Options.IANA() {
		for _, has := range ia.Options.Options.Get(dhcpv6.OptionIAAddr) {
			if a, ok := has.(*dhcpv6.OptIAAddress); ok {
				all = append(all, a.IPv6Addr)
			}
		}
	}
	code := iana.StatusSuccess
	if slices.ContainsFunc(all, func(ip net.IP) bool { return !ip.Equal(toIP(c.IPv6)) }) {
		code = iana.StatusNotOnLink
	}
	resp.AddOption(status(code))
	return len(all) > 0
}

func status(code iana.StatusCode) dhcpv6.Option { return &dhcpv6.OptStatusCode{StatusCode: code} }
