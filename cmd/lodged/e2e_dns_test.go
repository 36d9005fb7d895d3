package main

import (
	"context"
	"strings"
	"testing"

	"lodge/inventory"
	"lodge/web/client"
)

// named adds an A record.
func (l *lab) named(name, ip string) mutation {
	return func(ctx context.Context) (client.Answer, error) {
		return l.api.AddDNSRecord(ctx, inventory.DNSRecordArgs{Name: name, Type: "A", Data: ip}, client.Options{})
	}
}

// answer is what the name server says of a name of ours; "" when it denies it.
func (l *lab) answer(name string) string {
	l.t.Helper()
	got, _ := resolve(l.gateway(), name+"."+inventory.Domain)
	return got
}

// TestDNSRecords: records that people add are answered at once, beside the containers' names and never
// in their place, and by the next agent too.
func TestDNSRecords(t *testing.T) {
	l := newLab(t)
	l.do(l.create(tiny("dn-web"), false))
	ip := l.container("dn-web").NICs[0].IPv4
	lodge := func(args ...string) string {
		t.Helper()
		out, code := l.lodge(append([]string{"dns"}, args...)...)
		if code != 0 {
			t.Fatalf("dns %v: %d\n%s", args, code, out)
		}
		return out
	}
	lodge("add", "www", "CNAME", "dn-web", "--reason", "for people")
	lodge("add", "printer", "a", "192.0.2.7", "--ttl", "3600")
	if got := l.answer("www"); got != ip {
		t.Errorf("www is %q, want %s", got, ip)
	}
	if out := lodge("list", "-o", "csv"); !strings.Contains(out, "www,CNAME,dn-web") || !strings.Contains(out, "printer,A,192.0.2.7,3600") {
		t.Errorf("the list says:\n%s", out)
	}
	for want, args := range map[string][]string{
		"name of a container": {"add", "dn-web", "A", "192.0.2.9"},
		"stands alone":        {"add", "www", "A", "192.0.2.9"},
		"no data of a":        {"add", "x", "A", "nonsense"},
		"can't be named":      {"add", "a*b", "TXT", "x"},
		"there is no record":  {"remove", "nobody", "A", "192.0.2.9"},
	} {
		if out, code := l.lodge(append([]string{"dns"}, args...)...); code == 0 || !strings.Contains(out, want) {
			t.Errorf("%v: %d\n%s", args, code, out)
		}
	}
	gateway := l.gateway()
	l.kill()
	if got, err := resolve(gateway, "printer."+inventory.Domain); got != "192.0.2.7" {
		t.Errorf("without an agent printer is %q, %v", got, err)
	}
	l.start()
	if got := l.answer("www"); got != ip {
		t.Errorf("with the next agent www is %q, want %s", got, ip)
	}
	lodge("remove", "www", "CNAME", "dn-web")
	if got := l.answer("www"); got != "" {
		t.Errorf("removed, and still %q", got)
	}
}
