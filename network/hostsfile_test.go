package network_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"lodge/inventory"
	"lodge/network"
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
	if err := s.Configure(ctx, network.Options{HostNames: true}); err != nil {
		t.Fatal(err)
	}
	lookup := func(name string) string {
		out, _ := try("unshare", "-m", "sh", "-c", "mount --bind "+path+" /etc/hosts && getent ahosts "+name+" | cut -d' ' -f1 | sort -u")
		return out
	}
	if got := lookup("web1.lodge.internal"); got != "10.86.7.2\nfd4c:86:7::2" {
		t.Errorf("web1 is %q in:\n%s", got, text())
	}
	db := testContainer("db", "10.86.7.3")
	db.Project = "shop"
	publish(db)
	if got := lookup("db.shop.lodge.internal"); got != "10.86.7.3\nfd4c:86:7::3" || lookup("web1.lodge.internal") != "" {
		t.Errorf("db is %q in:\n%s", got, text())
	}
	if err := s.Stop(ctx); err != nil {
		t.Fatal(err)
	}
	if text() != theirs+"\n" {
		t.Errorf("left behind:\n%s", text())
	}
}
