package lease

import (
	"net/netip"
	"time"

	"github.com/mdlayher/ndp"
)

const (
	// routerTime is how long hosts keep the route without hearing of us, the longest there is
	// (RFC 4861, 6.2.1), as a role that is away is no reason to lose it.
	routerTime = 9000 * time.Second
	// advertTime is how often everybody is told unasked.
	advertTime = 5 * time.Minute

	typeSolicitation = 133
)

var (
	allNodes    = netip.MustParseAddr("ff02::1")
	allNodesMAC = hardware{0x33, 0x33, 0, 0, 0, 1} // RFC 2464, 7
)

// solicited answers a router solicitation (RFC 4861, 6.1.1 and 6.2.6).
func (s *served) solicited(d datagram, c *client) (out datagram, ok bool) {
	if c.Extra || d.hops != 255 || len(d.payload) < 8 || d.payload[0] != typeSolicitation || d.payload[1] != 0 {
		return out, false
	}
	to := d.src
	if !to.IsLinkLocalUnicast() {
		to = allNodes
	}
	return s.advert(to, c.Search)
}

// advert is the router advertisement: ask for your address (M), you find none yourself (A is not
// set), these neighbours are on the link. False without IPv6.
func (s *served) advert(to netip.Addr, search []string) (out datagram, ok bool) {
	if !s.LinkLocal.IsValid() || !s.IPv6.IsValid() {
		return out, false
	}
	ra := &ndp.RouterAdvertisement{CurrentHopLimit: 64, ManagedConfiguration: true, OtherConfiguration: true,
		RouterLifetime: routerTime, Options: []ndp.Option{
			&ndp.LinkLayerAddress{Direction: ndp.Source, Addr: s.mac.mac()},
			ndp.NewMTU(uint32(s.MTU)),
			&ndp.PrefixInformation{PrefixLength: uint8(s.IPv6.Bits()), OnLink: true, Prefix: s.IPv6.Masked().Addr(),
				ValidLifetime: leaseTime, PreferredLifetime: leaseTime},
			&ndp.RecursiveDNSServer{Lifetime: routerTime, Servers: []netip.Addr{s.IPv6.Addr()}},
		}}
	if len(search) > 0 {
		ra.Options = append(ra.Options, &ndp.DNSSearchList{Lifetime: routerTime, DomainNames: search})
	}
	body, err := ndp.MarshalMessage(ra)
	if err != nil {
		return out, false
	}
	return datagram{src: s.LinkLocal, dst: to, hops: 255, proto: protoICMPv6, payload: body}, true
}
