package names

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/miekg/dns"
)

const (
	// attemptTime is one upstream's, totalTime that of a question: resolvers in containers wait
	// 5 seconds (resolv.conf(5), timeout).
	attemptTime = 1500 * time.Millisecond
	totalTime   = 4500 * time.Millisecond
	// Questions that wait for an upstream at the same time; what is beyond fails at once, so that
	// one container can't use up the others' share or our memory.
	maxWaiting       = 512
	maxWaitingSource = 64
	// lameTime is how long an upstream that did not answer comes last.
	lameTime = 10 * time.Second
)

var errUpstream = errors.New("no upstream answered")

// forwarder asks the host's resolvers.
type forwarder struct {
	cache *cache
	now   func() time.Time

	mu      sync.Mutex // guards everything below
	servers []netip.AddrPort
	lame    map[netip.AddrPort]time.Time // until when an upstream comes last
	waiting map[netip.Addr]int           // by source
	total   int
}

func newForwarder() *forwarder {
	return &forwarder{cache: newCache(), now: time.Now,
		lame: map[netip.AddrPort]time.Time{}, waiting: map[netip.Addr]int{}}
}

// setServers replaces the upstreams. What others answered before is forgotten: with a VPN going up
// or down the same name has another address.
func (f *forwarder) setServers(servers []netip.AddrPort) {
	f.mu.Lock()
	defer f.mu.Unlock()
	same := len(servers) == len(f.servers)
	for i := range servers {
		same = same && servers[i] == f.servers[i]
	}
	if !same {
		f.servers, f.lame = servers, map[netip.AddrPort]time.Time{}
		f.cache.clear()
	}
}

// fill answers m from the cache or an upstream. While none answers, what the cache has is answered for as
// long as it would be anyway, and no longer; all else fails.
func (f *forwarder) fill(m, req *dns.Msg, source netip.Addr, tcp bool) {
	key := keyOf(req)
	resp := f.cache.get(key, f.now())
	if resp == nil {
		if !f.enter(source) {
			m.Rcode = dns.RcodeServerFailure
			return
		}
		resp = f.ask(req, tcp)
		f.leave(source)
		f.cache.put(key, resp, f.now())
	}
	m.Rcode, m.Answer, m.Ns = resp.Rcode, resp.Answer, resp.Ns
	m.Truncated = resp.Truncated && !tcp
	m.AuthenticatedData = resp.AuthenticatedData
	for _, rr := range resp.Extra {
		if rr.Header().Rrtype != dns.TypeOPT {
			m.Extra = append(m.Extra, rr)
		}
	}
}

// ask tries the upstreams in turn; a failure when none had an answer.
func (f *forwarder) ask(req *dns.Msg, tcp bool) *dns.Msg {
	ctx, cancel := context.WithTimeout(context.Background(), totalTime)
	defer cancel()
	last := new(dns.Msg).SetRcode(req, dns.RcodeServerFailure)
	for range 2 { // a datagram may be lost
		servers, dead := f.order()
		for _, server := range servers {
			resp, err := exchange(ctx, query(req), server, tcp)
			if ctx.Err() != nil {
				return last
			}
			if err != nil {
				f.markLame(server)
				continue
			}
			if resp.Rcode != dns.RcodeServerFailure && resp.Rcode != dns.RcodeRefused {
				return resp
			}
			last, dead = resp, true
		}
		if dead { // none of them answers these days, or one did and knows no better
			break
		}
	}
	return last
}

// query is the question as we ask it: ours but for the name, the type and what says how the answer
// is to be checked. Options of the container (cookies, its subnet) stay here.
func query(req *dns.Msg) *dns.Msg {
	q := new(dns.Msg)
	q.Id = dns.Id()
	q.Question = req.Question
	q.RecursionDesired = true
	q.CheckingDisabled = req.CheckingDisabled
	q.AuthenticatedData = req.AuthenticatedData
	opt := req.IsEdns0()
	q.SetEdns0(maxUDP, opt != nil && opt.Do())
	return q
}

// exchange asks one upstream: over UDP, and over TCP when the answer did not fit and the asker
// itself came over TCP. An asker on UDP gets the TC bit and comes back over TCP.
func exchange(ctx context.Context, q *dns.Msg, server netip.AddrPort, tcp bool) (*dns.Msg, error) {
	resp, err := exchangeOver(ctx, "udp", q, server)
	if err == nil && (resp.Rcode == dns.RcodeFormatError || resp.Rcode == dns.RcodeNotImplemented) {
		// An upstream from before EDNS (RFC 6891, 7).
		q.Extra = nil
		resp, err = exchangeOver(ctx, "udp", q, server)
	}
	if err == nil && resp.Truncated && tcp {
		return exchangeOver(ctx, "tcp", q, server)
	}
	return resp, err
}

func exchangeOver(ctx context.Context, network string, q *dns.Msg, server netip.AddrPort) (*dns.Msg,
	error) {
	ctx, cancel := context.WithTimeout(ctx, attemptTime)
	defer cancel()
	raw, err := new(net.Dialer).DialContext(ctx, network, server.String())
	if err != nil {
		return nil, err
	}
	conn := &dns.Conn{Conn: raw, UDPSize: dns.MaxMsgSize}
	defer conn.Close()
	deadline, _ := ctx.Deadline()
	conn.SetDeadline(deadline)
	if err := conn.WriteMsg(q); err != nil {
		return nil, err
	}
	for {
		// The socket is connected and its port random; what comes in and doesn't match the
		// question is a forgery or too late, and waiting goes on (RFC 5452, 9.1).
		resp, err := conn.ReadMsg()
		if err == nil && matches(q, resp) {
			return resp, nil
		}
		var netErr net.Error
		if err != nil && (network == "tcp" || errors.As(err, &netErr)) {
			return nil, err
		}
		if ctx.Err() != nil {
			return nil, errUpstream
		}
	}
}

func matches(q, resp *dns.Msg) bool {
	if resp.Id != q.Id || !resp.Response || len(resp.Question) > 1 {
		return false
	}
	if len(resp.Question) == 0 {
		return resp.Rcode == dns.RcodeFormatError || resp.Rcode == dns.RcodeNotImplemented
	}
	a, b := q.Question[0], resp.Question[0]
	return a.Qtype == b.Qtype && a.Qclass == b.Qclass && strings.EqualFold(a.Name, b.Name)
}

// order returns the upstreams as configured, those that lately did not answer last; dead: all of them.
func (f *forwarder) order() (servers []netip.AddrPort, dead bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var good, lame []netip.AddrPort
	for _, s := range f.servers {
		if f.now().Before(f.lame[s]) {
			lame = append(lame, s)
		} else {
			good = append(good, s)
		}
	}
	return append(good, lame...), len(good) == 0
}

func (f *forwarder) markLame(s netip.AddrPort) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lame[s] = f.now().Add(lameTime)
}

func (f *forwarder) enter(source netip.Addr) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.total >= maxWaiting || f.waiting[source] >= maxWaitingSource {
		return false
	}
	f.total++
	f.waiting[source]++
	return true
}

func (f *forwarder) leave(source netip.Addr) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.total--
	if f.waiting[source]--; f.waiting[source] <= 0 {
		delete(f.waiting, source)
	}
}
