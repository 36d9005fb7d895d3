package network_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"lodge/inventory"
	"lodge/network"
	"lodge/network/names"
)

// The host knows the names by its own means, others' lines stay as they are, and nothing is left.
func TestHostsFile(t *testing.T) {
	s, _ := setup(t)
	ctx := context.Background()
	path := filepath.Join(rootOf(s), "hosts")
	const theirs = "127.0.0.1\tlocalhost\n# a note without an end"
	if err := os.WriteFile(path, []byte(theirs), 0o644); err != nil {
		t.Fatal(err)
	}
	text := func() string { raw, _ := os.ReadFile(path); return string(raw) }
	web := testContainer("web1", "10.86.7.2")
	publish := func(all ...inventory.Container) {
		t.Helper()
		if err := s.Publish(ctx, all); err != nil {
			t.Fatal(err)
		}
	}
	publish(web)
	if text() != theirs {
		t.Errorf("not asked for, and there is:\n%s", text())
	}
	if err := s.Configure(ctx, network.Options{HostNames: network.HostNamesFile}); err != nil {
		t.Fatal(err)
	}
	lookup := func(name string) string {
		out, _ := try("unshare", "-m", "sh", "-c", "mount --bind "+path+" /etc/hosts && getent ahosts "+name+" | cut -d' ' -f1 | sort -u")
		return out
	}
	waitFor(t, "web1 is known", func() bool { return lookup("web1.lodge.internal") == "10.86.7.2\nfd4c:86:7::2" })
	db := testContainer("db", "10.86.7.3")
	db.Project = "shop"
	publish(db)
	waitFor(t, "db is known, and web1 no longer", func() bool {
		return lookup("db.shop.lodge.internal") == "10.86.7.3\nfd4c:86:7::3" && lookup("web1.lodge.internal") == ""
	})
	records := []names.Record{{Name: "www", Type: "CNAME", Data: "db.shop"}, {Name: "printer", Type: "A", Data: "192.0.2.7"},
		{Name: "six", Type: "AAAA", Data: "2001:db8::7"}, {Name: "db.shop", Type: "A", Data: "192.0.2.8"}, {Name: "note", Type: "TXT", Data: "x"},
		{Name: "bank.example#", Type: "A", Data: "192.0.2.66"}, {Name: "bank.example|", Type: "A", Data: "192.0.2.66"}}
	if err := s.PublishRecords(ctx, records); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"www": "10.86.7.3\nfd4c:86:7::3", "printer": "192.0.2.7", "six": "2001:db8::7"} {
		waitFor(t, name+" is known", func() bool { return lookup(name+".lodge.internal") == want })
	}
	if got := lookup("bank.example"); got != "" || strings.Contains(text(), "192.0.2.66") {
		t.Errorf("a record names what is not ours: %q in:\n%s", got, text())
	}
	if out, _ := try("unshare", "-m", "sh", "-c", "mount --bind "+path+" /etc/hosts && getent hosts 10.86.7.3"); len(strings.Fields(out)) < 2 ||
		strings.Fields(out)[1] != "db.shop.lodge.internal" {
		t.Errorf("backwards: %q", out)
	}
	if err := os.WriteFile(path, []byte(theirs), 0o644); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the names are back after somebody wrote the file", func() bool { return lookup("printer.lodge.internal") == "192.0.2.7" })
	if err := s.Stop(ctx); err != nil {
		t.Fatal(err)
	}
	if text() != theirs+"\n" {
		t.Errorf("left behind:\n%s", text())
	}
}
