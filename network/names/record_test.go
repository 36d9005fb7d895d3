package names_test

import (
	"errors"
	"net/netip"
	"testing"

	"github.com/miekg/dns"

	"lodge/inventory"
	"lodge/network/names"
)

func recordZone(upstreams ...netip.AddrPort) names.Zone {
	z := testZone(upstreams...)
	web := &z.Entries[0]
	web.Owner, web.SSHFP = "anna", []string{"4 2 aabbcc"}
	web.Services = names.Services(map[string]string{"service.http": "80", "service.bad": "x", "role": "web"})
	z.Entries[1].Services = []names.Service{{Name: "pg", Proto: "tcp", Port: 5432}}
	z.Records = []names.Record{
		{Name: "www", Type: "CNAME", Data: "web1", TTL: 60}, {Name: "chain", Type: "cname", Data: "www.lodge.internal."},
		{Name: "gone", Type: "CNAME", Data: "nobody"}, {Name: "loop", Type: "CNAME", Data: "loop"},
		{Name: "out", Type: "CNAME", Data: "example.org."}, {Name: "db.shop", Type: "CNAME", Data: "web1"},
		{Name: "printer", Type: "A", Data: "192.0.2.7"}, {Name: "", Type: "MX", Data: "10 mail"},
		{Name: "note", Type: "TXT", Data: "two words"},
	}
	return z
}

func TestRecords(t *testing.T) {
	h := newHandler(recordZone())
	for _, c := range []struct {
		name  string
		kind  uint16
		rcode int
		want  string
	}{
		{"web1.lodge.internal", dns.TypeTXT, dns.RcodeSuccess, `"owner=anna"`},
		{"web1.default.lodge.internal", dns.TypeSSHFP, dns.RcodeSuccess, "4 2 AABBCC"},
		{"_http._tcp.web1.lodge.internal", dns.TypeSRV, dns.RcodeSuccess, "0 0 80 web1.lodge.internal."},
		{"_HTTP._tcp.lodge.internal", dns.TypeSRV, dns.RcodeSuccess, "0 0 80 web1.lodge.internal."},
		{"_http._tcp.default.lodge.internal", dns.TypeSRV, dns.RcodeSuccess, "0 0 80 web1.lodge.internal."},
		{"_tcp.default.lodge.internal", dns.TypeSRV, dns.RcodeSuccess, ""},
		{"http.svc.default.lodge.internal", dns.TypeAAAA, dns.RcodeSuccess, "fd4c:86::2"},
		{"pg.svc.shop.lodge.internal", dns.TypeA, dns.RcodeSuccess, "10.86.0.3"},
		{"_pg._tcp.lodge.internal", dns.TypeSRV, dns.RcodeNameError, ""}, // another project's
		{"bad.svc.default.lodge.internal", dns.TypeA, dns.RcodeNameError, ""},
		{"www.lodge.internal", dns.TypeA, dns.RcodeSuccess, "web1.lodge.internal. 10.86.0.2"},
		{"www.lodge.internal", dns.TypeCNAME, dns.RcodeSuccess, "web1.lodge.internal."},
		{"chain.lodge.internal", dns.TypeA, dns.RcodeSuccess, "www.lodge.internal. web1.lodge.internal. 10.86.0.2"},
		{"www.lodge.internal", dns.TypeMX, dns.RcodeSuccess, "web1.lodge.internal."},
		{"gone.lodge.internal", dns.TypeA, dns.RcodeNameError, "nobody.lodge.internal."},
		// A container's name stands, whatever alias was there first.
		{"db.shop.lodge.internal", dns.TypeA, dns.RcodeSuccess, "10.86.0.3"},
		{"printer.lodge.internal", dns.TypeA, dns.RcodeSuccess, "192.0.2.7"},
		{"lodge.internal", dns.TypeMX, dns.RcodeSuccess, "10 mail.lodge.internal."},
		{"note.lodge.internal", dns.TypeTXT, dns.RcodeSuccess, `"two words"`},
	} {
		m := h.Reply(question(c.name, c.kind), guest, false)
		if m.Rcode != c.rcode || short(m) != c.want || !m.Authoritative {
			t.Errorf("%s %s: %s %q, want %s %q", c.name, dns.TypeToString[c.kind], dns.RcodeToString[m.Rcode], short(m),
				dns.RcodeToString[c.rcode], c.want)
		}
	}
	if m := h.Reply(question("loop.lodge.internal", dns.TypeA), guest, false); len(m.Answer) == 0 || len(m.Answer) > 16 {
		t.Errorf("an alias of itself: %v", m)
	}
}

func TestParseRecord(t *testing.T) {
	for _, r := range []names.Record{
		{Name: "a", Type: "A", Data: "10.0.0.300"}, {Name: "a", Type: "AAAA", Data: "10.0.0.3"},
		{Name: "a", Type: "NS", Data: "b"}, {Name: "a b", Type: "A", Data: "10.0.0.3"}, {Name: "a.", Type: "A", Data: "10.0.0.3"},
		{Name: "a\n$INCLUDE /etc/passwd", Type: "A", Data: "10.0.0.3"}, {Name: "$INCLUDE", Type: "TXT", Data: "/etc/passwd"},
		{Name: "a", Type: "TXT", Data: "x\n$INCLUDE /etc/passwd"}, {Name: "*", Type: "A", Data: "10.0.0.3"},
		{Name: "a", Type: "SRV", Data: "1 2 x"}, {Name: "a", Type: "CNAME", Data: ""},
	} {
		if rr, err := r.Parse("lodge.internal"); !errors.Is(err, inventory.ErrInvalid) {
			t.Errorf("%+v: %v, %v", r, rr, err)
		}
	}
	rr, err := names.Record{Name: "WWW", Type: "cname", Data: "web1"}.Parse("lodge.internal")
	if err != nil || rr.Header().Name != "www.lodge.internal." || rr.(*dns.CNAME).Target != "web1.lodge.internal." {
		t.Errorf("%v, %v", rr, err)
	}
}

// One source that floods uses up its own answers.
func TestSourceLimit(t *testing.T) {
	h, q := newHandler(testZone()), question("web1.lodge.internal", dns.TypeA)
	refused := 0
	for range 200_000 {
		if h.Reply(q, guest, false) == nil {
			refused++
		}
	}
	if refused == 0 {
		t.Error("a flood was answered")
	}
	if h.Reply(q, netip.MustParseAddr("10.86.0.8"), false) == nil {
		t.Error("another waits for it")
	}
	if h.Reply(q, netip.MustParseAddr("10.86.0.1"), false) == nil {
		t.Error("the host waits for it")
	}
}

// Whatever comes in, nothing panics and what goes out can be sent.
func FuzzRecords(f *testing.F) {
	for _, q := range []*dns.Msg{question("web1.lodge.internal", dns.TypeA), question("loop.lodge.internal", dns.TypeANY),
		question("www.lodge.internal", dns.TypeAAAA), question("2.0.86.10.in-addr.arpa", dns.TypePTR),
		question("lodge.internal", dns.TypeIXFR)} {
		q.SetEdns0(512, true)
		raw, _ := q.Pack()
		f.Add(raw)
	}
	h, gateway := newHandler(recordZone()), netip.MustParseAddr("10.86.0.1")
	f.Fuzz(func(t *testing.T, raw []byte) {
		var req dns.Msg
		if req.Unpack(raw) != nil {
			return
		}
		if m := h.Reply(&req, gateway, false); m != nil {
			if out, err := m.Pack(); err == nil && len(out) > 1232 {
				t.Fatalf("%d bytes over UDP", len(out))
			}
		}
	})
}
