package names_test

import (
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/miekg/dns"

	"lodge/network/names"
)

var guest = netip.MustParseAddr("10.86.0.9")

func testZone(upstreams ...netip.AddrPort) names.Zone {
	ip := netip.MustParseAddr
	return names.Zone{Serial: 7, Domain: "lodge.internal", Upstreams: upstreams,
		Networks: []names.Net{{IPv4: netip.MustParsePrefix("10.86.0.1/24"), IPv6: netip.MustParsePrefix("fd4c:86::1/64")},
			{IPv4: netip.MustParsePrefix("172.16.4.1/22")}},
		Entries: []names.Entry{
			{Name: "web1", Project: "default", IPv4: ip("10.86.0.2"), IPv6: ip("fd4c:86::2")},
			{Name: "db", Project: "shop", IPv4: ip("10.86.0.3")},
			{Name: "shop", Project: "default", IPv4: ip("10.86.0.4")},
			{Name: "two", Project: "default", IPv4: ip("10.86.0.5")},
			{Name: "two", Project: "default", IPv4: ip("172.16.7.9")},
			{Name: "far", Project: "lab", IPv4: ip("203.0.113.1")},
		}}
}

func newHandler(z names.Zone) *names.Handler {
	h := names.NewHandler(slog.New(slog.NewTextHandler(io.Discard, nil)))
	h.SetZone(z)
	return h
}

func question(name string, kind uint16) *dns.Msg {
	return new(dns.Msg).SetQuestion(dns.Fqdn(name), kind)
}

// short writes the data of the answer as dig +short does.
func short(m *dns.Msg) string {
	var out []string
	for _, rr := range m.Answer {
		out = append(out, strings.TrimPrefix(rr.String(), rr.Header().String()))
	}
	return strings.Join(out, " ")
}

func TestAnswers(t *testing.T) {
	h := newHandler(testZone())
	for _, c := range []struct {
		name  string
		kind  uint16
		rcode int
		want  string
	}{
		{"web1.lodge.internal", dns.TypeA, dns.RcodeSuccess, "10.86.0.2"},
		{"wEb1.LODGE.internal", dns.TypeA, dns.RcodeSuccess, "10.86.0.2"},
		{"web1.default.lodge.internal", dns.TypeAAAA, dns.RcodeSuccess, "fd4c:86::2"},
		{"db.shop.lodge.internal", dns.TypeA, dns.RcodeSuccess, "10.86.0.3"},
		{"two.lodge.internal", dns.TypeA, dns.RcodeSuccess, "10.86.0.5 172.16.7.9"},
		// A container may be called like a project: its name and the project's live together.
		{"shop.lodge.internal", dns.TypeA, dns.RcodeSuccess, "10.86.0.4"},
		{"db.shop.lodge.internal", dns.TypeAAAA, dns.RcodeSuccess, ""},
		{"lab.lodge.internal", dns.TypeA, dns.RcodeSuccess, ""}, // exists, because far.lab does
		{"default.lodge.internal", dns.TypeA, dns.RcodeSuccess, ""},
		{"db.lodge.internal", dns.TypeA, dns.RcodeNameError, ""},
		{"web1.shop.lodge.internal", dns.TypeA, dns.RcodeNameError, ""},
		{"x.web1.lodge.internal", dns.TypeA, dns.RcodeNameError, ""},
		{"web1.lodge.internal", dns.TypeMX, dns.RcodeSuccess, ""},
		{"lodge.internal", dns.TypeNS, dns.RcodeSuccess, "lodge.internal."},
		{"lodge.internal", dns.TypeA, dns.RcodeSuccess, "10.86.0.1 172.16.4.1"},
		{"lodge.internal", dns.TypeSOA, dns.RcodeSuccess, "lodge.internal. hostmaster.lodge.internal. 7 60 10 1209600 1"},
		{"2.0.86.10.in-addr.arpa", dns.TypePTR, dns.RcodeSuccess, "web1.lodge.internal."},
		{"3.0.86.10.in-addr.arpa", dns.TypePTR, dns.RcodeSuccess, "db.shop.lodge.internal."},
		{"9.7.16.172.in-addr.arpa", dns.TypePTR, dns.RcodeSuccess, "two.lodge.internal."},
		{"200.0.86.10.in-addr.arpa", dns.TypePTR, dns.RcodeNameError, ""},
		{"0.86.10.in-addr.arpa", dns.TypeNS, dns.RcodeSuccess, "lodge.internal."},
		{"5.16.172.in-addr.arpa", dns.TypePTR, dns.RcodeSuccess, ""},
		{"2." + strings.Repeat("0.", 23) + "6.8.0.0.c.4.d.f.ip6.arpa", dns.TypePTR, dns.RcodeSuccess, "web1.lodge.internal."},
		{"0.0.0.0.6.8.0.0.c.4.d.f.ip6.arpa", dns.TypePTR, dns.RcodeServerFailure, ""}, // above our /64: the upstreams' business
		{"web1.lodge.internal", dns.TypeAXFR, dns.RcodeRefused, ""},
		{"evil-lodge.internal", dns.TypeA, dns.RcodeServerFailure, ""}, // not ours
		{"1.113.0.203.in-addr.arpa", dns.TypePTR, dns.RcodeServerFailure, ""},
	} {
		m := h.Reply(question(c.name, c.kind), guest, false)
		if m.Rcode != c.rcode || short(m) != c.want {
			t.Errorf("%s %s: %s %q, want %s %q", c.name, dns.TypeToString[c.kind], dns.RcodeToString[m.Rcode], short(m),
				dns.RcodeToString[c.rcode], c.want)
		}
		ours := c.rcode == dns.RcodeSuccess || c.rcode == dns.RcodeNameError
		if ours != m.Authoritative {
			t.Errorf("%s: authoritative is %v", c.name, m.Authoritative)
		}
		if ours && c.want == "" && (len(m.Ns) != 1 || m.Ns[0].Header().Rrtype != dns.TypeSOA) {
			t.Errorf("%s: a denial without SOA: %v", c.name, m)
		}
		if len(m.Answer) > 0 && m.Answer[0].Header().Name != dns.Fqdn(c.name) {
			t.Errorf("%s: answered for %s", c.name, m.Answer[0].Header().Name)
		}
	}
}

func TestRefusals(t *testing.T) {
	h := newHandler(testZone())
	q := question("web1.lodge.internal", dns.TypeA)
	for source, want := range map[string]int{
		"10.86.0.1": dns.RcodeSuccess, "::ffff:10.86.0.9": dns.RcodeSuccess, "fd4c:86::9": dns.RcodeSuccess,
		"172.16.5.1": dns.RcodeSuccess, "10.86.1.1": dns.RcodeRefused, "8.8.8.8": dns.RcodeRefused,
		"127.0.0.1": dns.RcodeRefused, "2001:db8::1": dns.RcodeRefused,
	} {
		if m := h.Reply(q, netip.MustParseAddr(source), false); m.Rcode != want {
			t.Errorf("%s: %s", source, dns.RcodeToString[m.Rcode])
		}
	}
	chaos := question("version.bind", dns.TypeTXT)
	chaos.Question[0].Qclass = dns.ClassCHAOS
	if m := h.Reply(chaos, guest, false); m.Rcode != dns.RcodeRefused {
		t.Errorf("class CH: %s", dns.RcodeToString[m.Rcode])
	}
	iterative := question("example.org", dns.TypeA)
	iterative.RecursionDesired = false
	if m := h.Reply(iterative, guest, false); m.Rcode != dns.RcodeRefused {
		t.Errorf("without RD: %s", dns.RcodeToString[m.Rcode])
	}
	badVersion := question("web1.lodge.internal", dns.TypeA)
	badVersion.SetEdns0(1232, false)
	badVersion.IsEdns0().SetVersion(1)
	if m := h.Reply(badVersion, guest, false); m.Rcode != dns.RcodeBadVers {
		t.Errorf("EDNS 1: %s", dns.RcodeToString[m.Rcode])
	}
	if m := h.Reply(new(dns.Msg), guest, false); m != nil {
		t.Errorf("a message without a question was answered: %v", m)
	}
}

// A name with more addresses than fit comes back cut over UDP, whole over TCP.
func TestTruncation(t *testing.T) {
	z := testZone()
	for i := range 100 {
		z.Entries = append(z.Entries, names.Entry{Name: "many", Project: "default", IPv4: netip.AddrFrom4([4]byte{10, 86, 0, byte(100 + i)})})
	}
	h := newHandler(z)
	for _, c := range []struct {
		edns uint16
		tcp  bool
		max  int
		cut  bool
	}{{0, false, 512, true}, {4096, false, 1232, true}, {600, false, 600, true}, {0, true, 65535, false}, {100, false, 512, true}} {
		q := question("many.lodge.internal", dns.TypeA)
		if c.edns > 0 {
			q.SetEdns0(c.edns, true)
		}
		m := h.Reply(q, guest, c.tcp)
		packed, err := m.Pack()
		if err != nil || len(packed) > c.max || m.Truncated != c.cut || len(m.Answer) == 0 {
			t.Errorf("%+v: %d bytes, cut %v, %d answers, %v", c, len(packed), m.Truncated, len(m.Answer), err)
		}
		if opt := m.IsEdns0(); (opt != nil) != (c.edns > 0) || opt != nil && !opt.Do() {
			t.Errorf("%+v: EDNS %v", c, opt)
		}
	}
}

// fake is an upstream with a behaviour.
type fake struct {
	addr  netip.AddrPort
	asked atomic.Int64
}

func newFake(t *testing.T, answer func(w dns.ResponseWriter, r *dns.Msg)) *fake {
	t.Helper()
	f := &fake{}
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f.addr = pc.LocalAddr().(*net.UDPAddr).AddrPort()
	l, err := net.Listen("tcp", f.addr.String())
	if err != nil {
		t.Fatal(err)
	}
	handler := dns.HandlerFunc(func(w dns.ResponseWriter, r *dns.Msg) { f.asked.Add(1); answer(w, r) })
	for _, srv := range []*dns.Server{{PacketConn: pc, Handler: handler}, {Listener: l, Handler: handler}} {
		started := make(chan struct{})
		srv.NotifyStartedFunc = func() { close(started) }
		go srv.ActivateAndServe()
		<-started
		t.Cleanup(func() { srv.Shutdown() })
	}
	return f
}

func addressed(r *dns.Msg, ttl uint32, ips ...string) *dns.Msg {
	m := new(dns.Msg).SetReply(r)
	for _, ip := range ips {
		m.Answer = append(m.Answer, &dns.A{A: net.ParseIP(ip),
			Hdr: dns.RR_Header{Name: r.Question[0].Name, Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: ttl}})
	}
	return m
}

func TestForwarding(t *testing.T) {
	var seen atomic.Pointer[dns.Msg]
	good := newFake(t, func(w dns.ResponseWriter, r *dns.Msg) { seen.Store(r); w.WriteMsg(addressed(r, 60, "192.0.2.1")) })
	broken := newFake(t, func(w dns.ResponseWriter, r *dns.Msg) { w.WriteMsg(new(dns.Msg).SetRcode(r, dns.RcodeServerFailure)) })
	liar := newFake(t, func(w dns.ResponseWriter, r *dns.Msg) {
		other := r.Copy()
		other.Id++
		w.WriteMsg(addressed(other, 60, "203.0.113.66")) // a guess at the id
		other = r.Copy()
		other.Question[0].Name = "other.example."
		w.WriteMsg(addressed(other, 60, "203.0.113.66")) // the answer to another question
		w.Write([]byte{1, 2, 3})
		w.WriteMsg(addressed(r, 60, "192.0.2.2"))
	})
	for _, c := range []struct {
		name      string
		upstreams []netip.AddrPort
		want      string
	}{
		{"one", []netip.AddrPort{good.addr}, "192.0.2.1"},
		{"the first is broken", []netip.AddrPort{broken.addr, good.addr}, "192.0.2.1"},
		{"the first is not there", []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:1"), good.addr}, "192.0.2.1"},
		{"forged answers come first", []netip.AddrPort{liar.addr}, "192.0.2.2"},
	} {
		t.Run(c.name, func(t *testing.T) {
			q := question("Example.org", dns.TypeA)
			q.SetEdns0(4096, true)
			q.IsEdns0().Option = []dns.EDNS0{&dns.EDNS0_COOKIE{Code: dns.EDNS0COOKIE, Cookie: "24a5ac1234567890"}}
			m := newHandler(testZone(c.upstreams...)).Reply(q, guest, false)
			if m.Id != q.Id || short(m) != c.want || m.Authoritative || !m.RecursionAvailable {
				t.Errorf("got %v", m)
			}
		})
	}
	if r := seen.Load(); len(r.IsEdns0().Option) != 0 || !r.IsEdns0().Do() {
		t.Errorf("the container's options went out: %v", r)
	}
	m := newHandler(testZone(broken.addr)).Reply(question("x.example", dns.TypeA), guest, false)
	if m.Rcode != dns.RcodeServerFailure {
		t.Errorf("got %v", m)
	}
}

// What doesn't fit a datagram is asked for over TCP, when the asker came that way.
func TestForwardingOverTCP(t *testing.T) {
	up := newFake(t, func(w dns.ResponseWriter, r *dns.Msg) {
		var ips []string
		for i := range 200 {
			ips = append(ips, fmt.Sprintf("192.0.2.%d", i))
		}
		m := addressed(r, 60, ips...)
		if w.RemoteAddr().Network() == "udp" {
			m.Truncate(512)
		}
		w.WriteMsg(m)
	})
	h := newHandler(testZone(up.addr))
	if m := h.Reply(question("big.example", dns.TypeA), guest, false); !m.Truncated {
		t.Errorf("over UDP: %d answers, not cut", len(m.Answer))
	}
	if m := h.Reply(question("big.example", dns.TypeA), guest, true); m.Truncated || len(m.Answer) != 200 {
		t.Errorf("over TCP: %d answers, cut %v", len(m.Answer), m.Truncated)
	}
}

func TestCache(t *testing.T) {
	var ttl atomic.Uint32
	ttl.Store(60)
	up := newFake(t, func(w dns.ResponseWriter, r *dns.Msg) { w.WriteMsg(addressed(r, ttl.Load(), "192.0.2.1")) })
	h := newHandler(testZone(up.addr))
	for range 5 {
		if m := h.Reply(question("cached.example", dns.TypeA), guest, false); short(m) != "192.0.2.1" {
			t.Fatalf("got %v", m)
		}
	}
	if n := up.asked.Load(); n != 1 {
		t.Errorf("asked %d times", n)
	}
	ttl.Store(0)
	for range 3 {
		h.Reply(question("volatile.example", dns.TypeA), guest, false)
	}
	if n := up.asked.Load(); n != 4 {
		t.Errorf("an answer with TTL 0 was kept: asked %d times", n)
	}
	// Our own names are never kept.
	z := testZone(up.addr)
	z.Entries = nil
	h.SetZone(z)
	if m := h.Reply(question("web1.lodge.internal", dns.TypeA), guest, false); m.Rcode != dns.RcodeNameError {
		t.Errorf("got %v", m)
	}
	// With other upstreams everything is asked for again.
	other := newFake(t, func(w dns.ResponseWriter, r *dns.Msg) { w.WriteMsg(addressed(r, 60, "192.0.2.99")) })
	h.SetZone(testZone(other.addr))
	if m := h.Reply(question("cached.example", dns.TypeA), guest, false); short(m) != "192.0.2.99" {
		t.Errorf("got %v", m)
	}
}

// What no upstream answers fails, and is not asked again for a moment; what the cache has and our own names
// are answered as ever.
func TestDeadUpstream(t *testing.T) {
	var silent atomic.Bool
	up := newFake(t, func(w dns.ResponseWriter, r *dns.Msg) {
		if !silent.Load() {
			w.WriteMsg(addressed(r, 60, "192.0.2.1"))
		}
	})
	h := newHandler(testZone(up.addr))
	h.Reply(question("cached.example", dns.TypeA), guest, false)
	silent.Store(true)
	for range 3 {
		if m := h.Reply(question("other.example", dns.TypeA), guest, false); m.Rcode != dns.RcodeServerFailure {
			t.Errorf("got %v", m)
		}
	}
	if n := up.asked.Load(); n != 3 { // the first, and two tries for the second
		t.Errorf("it was asked %d times", n)
	}
	h.Reply(question("third.example", dns.TypeA), guest, false)
	if n := up.asked.Load(); n != 4 {
		t.Errorf("one that is known to be dead was asked %d times more, and not once", n-3)
	}
	if m := h.Reply(question("cached.example", dns.TypeA), guest, false); short(m) != "192.0.2.1" {
		t.Errorf("what is in the cache: %v", m)
	}
	if m := h.Reply(question("web1.lodge.internal", dns.TypeA), guest, false); m.Rcode != dns.RcodeSuccess || len(m.Answer) == 0 {
		t.Errorf("our own: %v", m)
	}
}

// One container that asks too much waits alone: others are still answered.
func TestOneAskerCantStarveOthers(t *testing.T) {
	hold := make(chan struct{})
	up := newFake(t, func(w dns.ResponseWriter, r *dns.Msg) {
		if strings.HasPrefix(r.Question[0].Name, "slow") {
			<-hold
		}
		w.WriteMsg(addressed(r, 60, "192.0.2.1"))
	})
	h := newHandler(testZone(up.addr))
	var wg sync.WaitGroup
	var failed atomic.Int64
	for i := range 200 {
		wg.Go(func() {
			if m := h.Reply(question(fmt.Sprintf("slow%d.example", i), dns.TypeA), guest, false); m.Rcode != dns.RcodeSuccess {
				failed.Add(1)
			}
		})
	}
	for failed.Load() < 136 { // 200 less the 64 that may wait
	}
	if m := h.Reply(question("quick.example", dns.TypeA), netip.MustParseAddr("10.86.0.10"), false); short(m) != "192.0.2.1" {
		t.Errorf("another container got %v", m)
	}
	close(hold)
	wg.Wait()
}

// Whatever bytes come, nothing panics and what goes back is a message that fits.
func FuzzReply(f *testing.F) {
	for _, q := range []*dns.Msg{question("web1.lodge.internal", dns.TypeA), question("2.0.86.10.in-addr.arpa", dns.TypePTR),
		question("lodge.internal", dns.TypeANY), question(".", dns.TypeNS)} {
		q.SetEdns0(1232, true)
		packed, err := q.Pack()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(packed)
	}
	h := newHandler(testZone())
	f.Fuzz(func(t *testing.T, data []byte) {
		req := new(dns.Msg)
		if req.Unpack(data) != nil {
			return
		}
		m := h.Reply(req, guest, false)
		if m == nil {
			return
		}
		packed, err := m.Pack()
		if err != nil {
			t.Fatalf("the answer to %v can't be packed: %v", req, err)
		}
		if len(packed) > 1232 || m.Id != req.Id {
			t.Fatalf("%d bytes, id %d for %d", len(packed), m.Id, req.Id)
		}
	})
}
