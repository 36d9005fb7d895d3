package names

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// A Transfer says who may have our zones whole: secondaries that sign with the key (RFC 5936, 8945).
type Transfer struct {
	Secondaries []netip.AddrPort `json:"secondaries,omitempty"` // told of every change at this port
	KeyName     string           `json:"keyName,omitempty"`
	Key         string           `json:"key,omitempty"` // HMAC-SHA256, in base64
	// Push are primaries elsewhere whose zones of these names are made ours.
	Push []netip.AddrPort `json:"push,omitempty"`
}

func (t Transfer) same(o Transfer) bool {
	return t.KeyName == o.KeyName && t.Key == o.Key && slices.Equal(t.Secondaries, o.Secondaries) &&
		slices.Equal(t.Push, o.Push)
}

const (
	// perMessage is how many records one message of a transfer has: at some 200 bytes each they fit.
	perMessage = 200
	// tsigFudge is by how many seconds clocks may differ (RFC 8945, 10).
	tsigFudge = 300
)

// isSecondary reports whether a source may ask about our zones without being on a bridge.
func (t *table) isSecondary(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	return slices.ContainsFunc(t.zone.Transfer.Secondaries, func(s netip.AddrPort) bool { return s.Addr().Unmap() == a })
}

func isTransfer(req *dns.Msg) bool {
	return len(req.Question) == 1 && (req.Question[0].Qtype == dns.TypeAXFR || req.Question[0].Qtype == dns.TypeIXFR)
}

// transfer sends a zone whole. An asker for what changed (IXFR) gets all as well (RFC 1995, 4).
func (h *Handler) transfer(w dns.ResponseWriter, req *dns.Msg, source netip.Addr) {
	t, apex := h.table.Load(), strings.ToLower(req.Question[0].Name)
	if !t.isSecondary(source) || req.IsTsig() == nil || w.TsigStatus() != nil || !slices.Contains(t.apexes, apex) {
		h.log.Warn("refused to transfer a zone", "zone", apex, "to", source.String(), "signed", req.IsTsig() != nil,
			"signature", w.TsigStatus())
		w.WriteMsg(new(dns.Msg).SetRcode(req, dns.RcodeRefused))
		return
	}
	all := t.dump(apex)
	messages := make(chan *dns.Envelope, len(all)/perMessage+1)
	for chunk := range slices.Chunk(all, perMessage) {
		messages <- &dns.Envelope{RR: chunk}
	}
	close(messages)
	if err := new(dns.Transfer).Out(w, req, messages); err != nil {
		h.log.Warn("a zone was not transferred whole", "zone", apex, "to", source.String(), "err", err)
	}
}

// dump lists the records of a zone, SOA first and last (RFC 5936, 2.2).
func (t *table) dump(apex string) []dns.RR {
	soa := t.soa(apex, apex)
	out := []dns.RR{soa, &dns.NS{Hdr: header(apex, dns.TypeNS), Ns: t.server()}}
	for name, n := range t.nodes {
		if t.apex(name) != apex {
			continue
		}
		out = append(out, t.records(n, nil, dns.Question{Name: name, Qtype: dns.TypeANY, Qclass: dns.ClassINET}, false)...)
	}
	for a, targets := range t.pointers {
		name, err := dns.ReverseAddr(a.String())
		if err != nil || t.apex(name) != apex {
			continue
		}
		for _, target := range targets {
			out = append(out, &dns.PTR{Hdr: header(name, dns.TypePTR), Ptr: target})
		}
	}
	return append(out, soa)
}

// sign signs the answer to a question that was signed rightly.
func sign(w dns.ResponseWriter, m, req *dns.Msg) {
	if key := req.IsTsig(); key != nil && w.TsigStatus() == nil {
		m.SetTsig(key.Hdr.Name, key.Algorithm, tsigFudge, time.Now().Unix())
	}
}

// Generate signs a message with the zone's key (dns.TsigProvider).
func (h *Handler) Generate(msg []byte, t *dns.TSIG) ([]byte, error) {
	tr := h.table.Load().zone.Transfer
	secret, err := base64.StdEncoding.DecodeString(tr.Key)
	if err != nil || len(secret) == 0 || !strings.EqualFold(dns.Fqdn(tr.KeyName), t.Hdr.Name) {
		return nil, dns.ErrSecret
	}
	if dns.CanonicalName(t.Algorithm) != dns.HmacSHA256 {
		return nil, dns.ErrKeyAlg
	}
	sum := hmac.New(sha256.New, secret)
	sum.Write(msg)
	return sum.Sum(nil), nil
}

// Verify checks a signature (dns.TsigProvider).
func (h *Handler) Verify(msg []byte, t *dns.TSIG) error {
	want, err := h.Generate(msg, t)
	if err != nil {
		return err
	}
	got, err := hex.DecodeString(t.MAC)
	if err != nil || !hmac.Equal(want, got) {
		return dns.ErrSig
	}
	return nil
}

// notifyTimes are the pauses before a change is told once more: datagrams get lost, and who knows it
// already does nothing (RFC 1996, 3.6).
var notifyTimes = []time.Duration{0, time.Second, 5 * time.Second}

// Notify tells the secondaries that the zones have changed. It returns after a while, or when the zone
// has changed once more.
func (s *Server) Notify() {
	t := s.handler.table.Load()
	for _, pause := range notifyTimes {
		if len(t.zone.Transfer.Secondaries) == 0 {
			return
		}
		time.Sleep(pause)
		if s.handler.table.Load() != t {
			return
		}
		s.notify(t)
	}
}

// notify sends from the sockets that answer, as secondaries look at where it comes from.
func (s *Server) notify(t *table) {
	s.mu.Lock()
	var conns []net.PacketConn
	for _, l := range s.running {
		if l.srv.PacketConn != nil {
			conns = append(conns, l.srv.PacketConn)
		}
	}
	s.mu.Unlock()
	for _, apex := range t.apexes {
		m := new(dns.Msg).SetNotify(apex)
		m.Authoritative = true
		m.Answer = []dns.RR{t.soa(apex, apex)}
		raw, err := m.Pack()
		if err != nil {
			continue
		}
		for _, to := range t.zone.Transfer.Secondaries {
			for _, conn := range conns {
				local, err := netip.ParseAddrPort(conn.LocalAddr().String())
				if err == nil && local.Addr().Unmap().Is4() == to.Addr().Unmap().Is4() {
					conn.WriteTo(raw, net.UDPAddrFromAddrPort(to))
				}
			}
		}
	}
}
