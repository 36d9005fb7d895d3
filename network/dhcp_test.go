package network_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"lodge/inventory"
	"lodge/network"
)

// leased is a container's interface with nothing set on it, and what it should get by asking.
func leased(t testing.TB, s *network.Service, n inventory.Network) (*host, []inventory.Container) {
	t.Helper()
	h := newHost(t)
	command(t, "ip", "link", "set", h.plug(), "master", n.Bridge)
	web := testContainer("web1", "10.86.7.2")
	web.Project = "shop"
	fields := strings.Fields(h.run("ip", "-o", "link", "show", "eth0"))
	for i, f := range fields {
		if f == "link/ether" {
			web.NICs[0].MAC = fields[i+1]
		}
	}
	all := []inventory.Container{web}
	if err := s.Publish(context.Background(), all); err != nil {
		t.Fatal(err)
	}
	return h, all
}

// shell runs a script in the namespace of h with /etc, /run and /var/lib of its own, so that what a DHCP
// client writes there is not this machine's.
func (h *host) shell(dir, script string) (string, error) {
	const private = `set -e
mkdir -p "$DIR/etc" && cp -a /etc/. "$DIR/etc" 2>/dev/null || true
mount --bind "$DIR/etc" /etc
mount -t tmpfs tmpfs /run
mkdir -p /run/network "$DIR/dhcp" /var/lib/dhcp
mount --bind "$DIR/dhcp" /var/lib/dhcp
`
	return try(h.in("timeout", "60", "env", "DIR="+dir, "unshare", "-m", "sh", "-c", private+script)...)
}

// has fails the test unless every part is in out.
func has(t *testing.T, what, out string, parts ...string) {
	t.Helper()
	flat := strings.Join(strings.Fields(out), " ")
	for _, p := range parts {
		if !strings.Contains(flat, p) {
			t.Errorf("%s: no %q in:\n%s", what, p, out)
		}
	}
}

func TestLeaseOfBusybox(t *testing.T) {
	requireRoot(t, "busybox")
	s, n := setup(t)
	h, _ := leased(t, s, n)
	dir := t.TempDir()
	os.WriteFile(filepath.Join(dir, "script"), []byte("#!/bin/sh\n[ $1 = bound ] && env\nexit 0\n"), 0o755)
	out, err := h.shell(dir, `busybox udhcpc -i eth0 -n -q -f -t 5 -T 1 -O mtu -O search -s "$DIR/script"`)
	if err != nil {
		t.Fatal(err, out)
	}
	has(t, "udhcpc", out, "ip=10.86.7.2", "subnet=255.255.255.0", "router=10.86.7.1", "dns=10.86.7.1", "mtu=1500",
		"domain=shop.lodge.internal", "search=shop.lodge.internal lodge.internal", "serverid=10.86.7.1", "lease=259200",
		"hostname=web1")
}

// ifupdown asks by dhclient, for both families, and the address, route and resolver are seen in use.
func TestLeaseOfIfupdown(t *testing.T) {
	requireRoot(t, "ifup", "dhclient")
	s, n := setup(t)
	h, _ := leased(t, s, n)
	dir := t.TempDir()
	out, err := h.shell(dir, `
printf 'auto eth0\niface eth0 inet dhcp\niface eth0 inet6 dhcp\n' > "$DIR/interfaces"
rm -f /etc/resolv.conf; : > /etc/resolv.conf
ifup -v -i "$DIR/interfaces" eth0 >&2
ip addr show dev eth0; ip route; ip -6 route; cat /etc/resolv.conf
sed -n 's/.*option routers \(.*\);/routers=\1/p; s/.*option domain-name-servers \(.*\);/servers=\1/p' /var/lib/dhcp/dhclient.eth0.leases
dhclient -r -4 eth0 -pf /run/dhclient.eth0.pid -lf /var/lib/dhcp/dhclient.eth0.leases >&2 || true
dhclient -x -6 -pf /run/dhclient6.eth0.pid -lf /var/lib/dhcp/dhclient6.eth0.leases >&2 || true`)
	if err != nil {
		t.Fatal(err, out)
	}
	has(t, "ifupdown", out, "inet 10.86.7.2/24", "inet6 fd4c:86:7::2/128", "default via 10.86.7.1 dev eth0", "mtu 1500",
		"default via fe80::", "fd4c:86:7::/64 dev eth0 proto kernel", "nameserver fd4c:86:7::1", "search shop.lodge.internal",
		"routers=10.86.7.1 servers=10.86.7.1")
	if n := strings.Count(out, "inet6 fd4c"); n != 1 {
		t.Errorf("%d addresses of the network, and only one was given:\n%s", n, out)
	}
}

// The agent is killed before the client begins: the role answers from what it was told last.
func TestLeaseOfNetworkd(t *testing.T) {
	requireRoot(t, "ip")
	const networkd = "/lib/systemd/systemd-networkd"
	if _, err := os.Stat(networkd); err != nil {
		requireRoot(t, networkd)
	}
	s, n := setup(t)
	h, _ := leased(t, s, n)
	s.Close()
	out, err := h.shell(t.TempDir(), `
mkdir -p /run/systemd/netif/links /run/systemd/netif/leases; chmod -R a+rwX /run/systemd
rm -rf /etc/systemd/network; mkdir -p /etc/systemd/network
printf '[Match]\nName=eth0\n[Network]\nDHCP=yes\nIPv6AcceptRA=yes\n[DHCPv4]\nUseDomains=yes\nUseMTU=yes\n[IPv6AcceptRA]\nUseDomains=yes\n' > /etc/systemd/network/eth0.network
mount -o remount,bind,ro /sys 2>/dev/null || mount -t sysfs -o ro sysfs /sys
timeout -s KILL 25 `+networkd+` >&2 &
for i in $(seq 100); do
  sleep 0.1
  ip addr show dev eth0 | grep -q 10.86.7.2/24 && ip addr show dev eth0 | grep -q fd4c:86:7::2/128 && break
done
sleep 0.3
ip addr show dev eth0; ip route; ip -6 route; cat /run/systemd/netif/links/* /run/systemd/netif/leases/*
kill -9 $(cat /proc/$!/task/$!/children) $!; wait || true`)
	if err != nil {
		t.Fatal(err, out)
	}
	has(t, "networkd", out, "inet 10.86.7.2/24", "inet6 fd4c:86:7::2/128", "default via 10.86.7.1 dev eth0",
		"default via fe80::", "ADDRESS=10.86.7.2", "ROUTER=10.86.7.1", "DNS=10.86.7.1 fd4c:86:7::1", "MTU=1500", "HOSTNAME=web1",
		"DOMAINNAME=shop.lodge.internal")
	if n := strings.Count(out, "inet6 fd4c"); n != 1 {
		t.Errorf("%d addresses of the network, and only one was given:\n%s", n, out)
	}
}

// Who is not a container of ours gets nothing, and a role that takes over goes on.
func TestLeaseOfAStranger(t *testing.T) {
	requireRoot(t, "busybox")
	s, n := setup(t)
	h, all := leased(t, s, n)
	ask := func() (string, error) {
		return h.shell(t.TempDir(), `busybox udhcpc -i eth0 -n -q -f -t 3 -T 1 -s /bin/true 2>&1`)
	}
	ctx := context.Background()
	all[0].NICs[0].MAC = "02:00:00:00:00:99"
	if err := s.Publish(ctx, all); err != nil {
		t.Fatal(err)
	}
	if out, err := ask(); err == nil {
		t.Errorf("a stranger got something: %s", out)
	}
	fields := strings.Fields(h.run("ip", "-o", "link", "show", "eth0"))
	for i, f := range fields {
		if f == "link/ether" {
			all[0].NICs[0].MAC = fields[i+1]
		}
	}
	if err := s.Publish(ctx, all); err != nil {
		t.Fatal(err)
	}
	root := rootOf(s)
	before := rolePID(t, root)
	s.Close()
	next := newService(root, "2")
	t.Cleanup(next.Close)
	if err := next.Ensure(ctx, n); err != nil {
		t.Fatal(err)
	}
	if err := next.StartRole(ctx); err != nil {
		t.Fatal(err)
	}
	if now := rolePID(t, root); now == before {
		t.Fatal("the role was not replaced")
	}
	if out, err := ask(); err != nil || !strings.Contains(out, "10.86.7.2") {
		t.Errorf("after the handover: %v\n%s", err, out)
	}
	syscall.Kill(rolePID(t, root), syscall.SIGKILL)
	waitFor(t, "a lease of a role started again", func() bool {
		out, err := ask()
		return err == nil && strings.Contains(out, "10.86.7.2")
	})
}
