package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/miekg/dns"

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

// TestHostKeysHaveRecords: the host keys in a root file system are SSHFP records, and follow a change.
func TestHostKeysHaveRecords(t *testing.T) {
	l := newLab(t)
	l.launch("dn-keys")
	dir := filepath.Join(l.volume(l.container("dn-keys").ID), "etc/ssh")
	l.must(os.MkdirAll(dir, 0o755))
	query := new(dns.Msg).SetQuestion("dn-keys."+inventory.Domain+".", dns.TypeSSHFP)
	gateway := l.gateway()
	for range 2 {
		file := filepath.Join(dir, "ssh_host_ed25519_key")
		os.Remove(file)
		out, err := exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", file).CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		want, err := exec.Command("ssh-keygen", "-r", "x", "-f", file+".pub").Output()
		l.must(err)
		l.await("the key's record", func() bool {
			m, err := dns.Exchange(query, gateway+":53")
			if err != nil || len(m.Answer) == 0 {
				return false
			}
			return strings.Contains(string(want), m.Answer[0].(*dns.SSHFP).FingerPrint)
		})
	}
}
