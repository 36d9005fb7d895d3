package names

import (
	"log/slog"
	"net/netip"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/miekg/dns"
)

// maxUDP is the largest answer sent over UDP, whatever the asker says it can take: it passes every
// path unfragmented (DNS Flag Day 2020).
const maxUDP = 1232

// A Handler answers questions from the present zone. It is safe for concurrent use.
type Handler struct {
	table   atomic.Pointer[table]
	forward *forwarder
	log     *slog.Logger
	limit   *limiter
	panics  atomic.Int64
}

// NewHandler returns a handler with an empty zone: it refuses everybody.
func NewHandler(log *slog.Logger) *Handler {
	h := &Handler{forward: newForwarder(), limit: newLimiter(), log: log}
	h.SetZone(Zone{Domain: "invalid"})
	return h
}

// SetZone replaces everything the handler answers from. Questions that are answered while it runs
// see the old zone or the new one, never both.
func (h *Handler) SetZone(z Zone) {
	h.table.Store(newTable(z))
	h.forward.setServers(z.Upstreams)
}

// Serial is that of the present zone.
func (h *Handler) Serial() uint32 { return h.table.Load().zone.Serial }

// ServeDNS answers one question (dns.Handler).
func (h *Handler) ServeDNS(w dns.ResponseWriter, req *dns.Msg) {
	// A bug in parsing what a container sent must cost that container an answer, not everybody
	// their names.
	defer func() {
		if r := recover(); r != nil && h.panics.Add(1) <= 10 {
			h.log.Error("answering a question panicked", "panic", r, "stack", string(debug.Stack()))
		}
	}()
	source, err := netip.ParseAddrPort(w.RemoteAddr().String())
	if err != nil {
		return
	}
	tcp := w.RemoteAddr().Network() == "tcp"
	if isTransfer(req) && tcp {
		h.transfer(w, req, source.Addr())
		return
	}
	if m := h.Reply(req, source.Addr(), tcp); m != nil {
		sign(w, m, req)
		if err := w.WriteMsg(m); err != nil {
			h.log.Debug("answer not sent", "to", source.String(), "err", err)
		}
	}
}

// Reply returns the answer to req, ready to be sent, or nil when it deserves none.
func (h *Handler) Reply(req *dns.Msg, source netip.Addr, tcp bool) *dns.Msg {
	if req.Response || len(req.Question) != 1 {
		return nil
	}
	m := new(dns.Msg).SetReply(req)
	m.RecursionAvailable = true
	m.Compress = true
	if !h.limit.take(source, h.table.Load(), time.Now()) {
		if !tcp {
			return nil
		}
		m.Rcode = dns.RcodeRefused
		return m
	}
	h.fill(m, req, source, tcp)
	return finish(m, req, tcp)
}

// fill finds the answer, or the rcode that says why there is none.
func (h *Handler) fill(m, req *dns.Msg, source netip.Addr, tcp bool) {
	t, q := h.table.Load(), req.Question[0]
	opt := req.IsEdns0()
	switch {
	case !t.isLocal(source) && !t.isSecondary(source):
		m.Rcode, m.RecursionAvailable = dns.RcodeRefused, false
	case req.Opcode != dns.OpcodeQuery:
		m.Rcode = dns.RcodeNotImplemented
	case opt != nil && opt.Version() != 0:
		m.Rcode = dns.RcodeBadVers
	case q.Qclass != dns.ClassINET || q.Qtype == dns.TypeAXFR || q.Qtype == dns.TypeIXFR:
		m.Rcode = dns.RcodeRefused
	case t.answer(m, q):
		h.leave(m, req, t.leavesTo(m), source, tcp)
	case !req.RecursionDesired || !t.isLocal(source):
		m.Rcode = dns.RcodeRefused
	default:
		h.forward.fill(m, req, source, tcp)
	}
}

// leave goes on with an alias that leads out of our names, for an asker who wants it to the end.
func (h *Handler) leave(m, req *dns.Msg, target string, source netip.Addr, tcp bool) {
	if target == "" || !req.RecursionDesired || req.Question[0].Qtype == dns.TypeCNAME || !h.table.Load().isLocal(source) {
		return
	}
	on, rest := req.Copy(), new(dns.Msg)
	on.Question[0].Name = target
	h.forward.fill(rest, on, source, tcp)
	m.Answer = append(m.Answer, rest.Answer...)
	m.Rcode, m.Ns, m.Truncated = rest.Rcode, rest.Ns, m.Truncated || rest.Truncated
}

// finish puts in our own EDNS part when the asker has one (RFC 6891, 6.1.1) and cuts the answer to
// what the asker can take; the TC bit then makes it ask over TCP.
func finish(m, req *dns.Msg, tcp bool) *dns.Msg {
	size := dns.MinMsgSize
	if opt := req.IsEdns0(); opt != nil {
		size = min(max(int(opt.UDPSize()), dns.MinMsgSize), maxUDP)
		m.SetEdns0(maxUDP, opt.Do())
	} else if m.Rcode > 0xF {
		m.Rcode = dns.RcodeServerFailure // an extended code needs EDNS to travel in
	}
	if tcp {
		size = dns.MaxMsgSize
	}
	m.Truncate(size)
	return m
}
