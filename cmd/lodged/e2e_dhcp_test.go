package main

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"lodge/packaging/need"
	"lodge/web/wire"
)

// An asker is a container whose image has no network configuration, and what it gets when it asks.
type asker struct {
	*lab
	name string
	nic  wire.NIC
	init int
}

// inside runs a script in the container behind the agent's back, which may be dead.
func (a *asker) inside(script string) string {
	a.t.Helper()
	// A file and no pipe, which a client that stays would keep open.
	said, err := os.CreateTemp(a.t.TempDir(), "")
	a.must(err)
	defer said.Close()
	cmd := exec.Command("nsenter", "-t", strconv.Itoa(a.init), "-a", "timeout", "60", "sh", "-c", script)
	cmd.Stdout, cmd.Stderr = said, said
	err = cmd.Run()
	out, _ := os.ReadFile(said.Name())
	if err != nil {
		a.t.Fatalf("%s: %v\n%s", script, err, out)
	}
	return string(out)
}

// naked takes all that was set from the interface, and makes its MTU another.
const naked = `set -e
systemctl -q stop systemd-networkd.socket systemd-networkd
for p in /run/dhclient*.pid /run/udhcpc.pid; do [ ! -e $p ] || kill $(cat $p) || true; rm -f $p; done
ip addr flush dev eth0; ip route flush dev eth0
ip link set eth0 down; ip link set eth0 mtu 1400; ip link set eth0 up
rm -f /etc/resolv.conf; : > /etc/resolv.conf
`

// shown is what the container has now: addresses, routers, MTU.
type shown struct {
	v4, v6, router, mtu string
	left                int // seconds of the lease of the IPv4 address
}

func (a *asker) shown() shown {
	text := a.inside("ip addr show dev eth0 scope global; ip route show default; ip link show dev eth0")
	all := func(pattern string) string {
		var found []string
		for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1) {
			found = append(found, m[1])
		}
		return strings.Join(slices.Compact(found), " ")
	}
	left, _ := strconv.Atoi(all(`inet 10[^\n]*\n\s+valid_lft (\d+)sec`))
	return shown{all(`inet (\S+)`), all(`inet6 (\S+)/`), all(`default via (\S+)`), all(`mtu (\d+)`), left}
}

// has waits until the container has exactly its addresses, router and MTU.
func (a *asker) has(what string, v6 bool) {
	a.t.Helper()
	want := shown{v4: a.nic.IPv4 + "/24", router: a.gateway(), mtu: "1500"}
	if v6 {
		want.v6 = a.nic.IPv6
	}
	var got shown
	a.await(what+" has what it asked for", func() bool {
		got = a.shown()
		left := got.left
		got.left = 0
		return got == want && (left > 0 || what == "udhcpc") || a.t.Failed()
	})
	a.t.Logf("%s: %+v", what, got)
}

// says fails unless text has every part.
func (a *asker) says(what, text string, parts ...string) {
	a.t.Helper()
	flat := strings.Join(strings.Fields(text), " ")
	for _, p := range parts {
		if !strings.Contains(flat, p) {
			a.t.Errorf("%s: no %q in:\n%s", what, p, text)
		}
	}
}

// TestDHCPClients: a whole container of an image without network configuration asks with systemd-networkd, with
// ifupdown's dhclient and with busybox udhcpc, one after the other, and has from each exactly its own
// addresses, router, resolver, domains and MTU; it renews them, and while no agent runs as well. Before that its
// systemd, the only whole one here, is told of sessions (testLogins).
func TestDHCPClients(t *testing.T) {
	need.Programs(t, "nsenter")
	l := newLab(t)
	l.importImage("debian", debianImage(t, "systemd", "ifupdown", "isc-dhcp-client", "busybox-static", "iproute2", "iputils-ping", "dbus"))
	l.run("project", "create", "shop", "--purpose", "leases")
	args := tiny("asks")
	args.Project, args.Image = "shop", "debian"
	args.Settings = map[string]string{"disk": "512MiB", "memory": "256MiB", "cpus": "2"}
	l.do(l.create(args, true))
	c := l.container("shop/asks")
	a := &asker{l, "shop/asks", c.NICs[0], c.Observed.InitPID}
	l.await("systemd runs", func() bool {
		out, _ := exec.Command("nsenter", "-t", strconv.Itoa(a.init), "-a", "systemctl", "is-system-running").Output()
		return slices.Contains([]string{"running", "degraded"}, strings.TrimSpace(string(out)))
	})
	for _, client := range []struct {
		name string
		test func(*testing.T, *asker)
	}{{"logins", testLogins}, {"networkd", testNetworkd}, {"dhclient", testDhclient}, {"udhcpc", testUdhcpc}} {
		t.Run(client.name, func(t *testing.T) {
			one := *a
			one.lab = &lab{}
			*one.lab = *l
			one.t = t
			client.test(t, &one)
		})
	}
	l.kill() // the role answers on
	a.inside(udhcpc)
	a.nameIsKnown()
	a.inside("kill -USR1 $(cat /run/udhcpc.pid)")
	a.await("a renewal without an agent", func() bool { return strings.Contains(a.inside("cat /run/udhcpc.did"), "renew") })
	l.start()
	a.nameIsKnown()
}

// nameIsKnown asks for its own name, as its resolver says to.
func (a *asker) nameIsKnown() {
	a.t.Helper()
	a.says("getent", a.inside("getent ahostsv4 asks"), a.nic.IPv4, "asks.shop.lodge.internal")
}

func testNetworkd(t *testing.T, a *asker) {
	a.inside(naked + `printf '[Match]\nName=eth0\n[Network]\nDHCP=yes\n[DHCPv4]\nUseDomains=yes\nUseMTU=yes\n[DHCPv6]\nUseDomains=yes\n' > /etc/systemd/network/eth0.network
systemctl start systemd-networkd`)
	a.has("networkd", true)
	a.await("its domains", func() bool { return strings.Contains(a.inside("networkctl status eth0"), "shop.lodge.internal") })
	gateway6 := strings.Split(a.nic.IPv6, "::")[0] + "::1"
	a.says("networkctl", a.inside("networkctl --no-pager status eth0; cat /run/systemd/netif/leases/*"),
		"DNS: "+a.gateway(), gateway6, "DOMAINNAME=shop.lodge.internal", "DHCP4 via "+a.gateway(), "SERVER_ADDRESS="+a.gateway(),
		"MTU=1500", "HOSTNAME=asks", "ADDRESS="+a.nic.IPv4)
	a.says("IPv6 routes", a.inside("ip -6 route show default"), "proto ra")
	var before int
	a.await("some of the lease is over", func() bool {
		before = a.shown().left
		return before < 3*24*3600-1
	})
	a.inside("networkctl renew eth0")
	a.await("it is renewed", func() bool { return a.shown().left > before })
	a.inside("systemctl -q stop systemd-networkd.socket systemd-networkd; rm /etc/systemd/network/eth0.network")
}

func testDhclient(t *testing.T, a *asker) {
	a.inside(naked + `printf 'auto eth0\niface eth0 inet dhcp\niface eth0 inet6 dhcp\n' > /etc/network/interfaces
mkdir -p /run/network; ifup eth0 2>&1`)
	a.has("dhclient", true)
	resolver := a.inside("cat /etc/resolv.conf")
	a.says("resolv.conf", resolver, "search shop.lodge.internal", "nameserver "+strings.Split(a.nic.IPv6, "::")[0]+"::1")
	leases := func() string { return a.inside("cat /var/lib/dhcp/dhclient.eth0.leases") }
	a.says("the lease", leases(), "fixed-address "+a.nic.IPv4, "option routers "+a.gateway(), "option domain-name-servers "+a.gateway(),
		"option interface-mtu 1500", `option domain-search "shop.lodge.internal.", "lodge.internal."`)
	once := strings.Count(leases(), "lease {")
	out := a.inside(`ifdown eth0 2>&1; ifup -v eth0 2>&1`) // it asks for what it had
	a.says("dhclient", out, "DHCPACK of "+a.nic.IPv4+" from "+a.gateway())
	if now := strings.Count(leases(), "lease {"); now <= once {
		t.Errorf("%d leases after it asked again, %d before", now, once)
	}
	a.has("dhclient", true)
	a.inside("ifdown eth0 2>&1; ip link set eth0 up")
}

// udhcpc starts busybox' client with a script of the kind distributions have for it.
const udhcpc = naked + `cat > /run/udhcpc.script <<'X'
#!/bin/sh
echo $1 >> /run/udhcpc.did
case $1 in
  deconfig) ip addr flush dev $interface ;;
  bound | renew)
    env > /run/udhcpc.env
    ip addr replace $ip/$mask dev $interface
    [ -z "$mtu" ] || ip link set $interface mtu $mtu
    ip route replace default via $router
    { echo search $search; for s in $dns; do echo nameserver $s; done; } > /etc/resolv.conf ;;
esac
X
chmod 755 /run/udhcpc.script; rm -f /run/udhcpc.did
busybox udhcpc -i eth0 -b -p /run/udhcpc.pid -O mtu -O search -s /run/udhcpc.script > /dev/null 2>&1
`

func testUdhcpc(t *testing.T, a *asker) {
	a.inside(udhcpc)
	a.has("udhcpc", false)
	a.says("what the script got", a.inside("cat /run/udhcpc.env"), "ip="+a.nic.IPv4, "router="+a.gateway(), "dns="+a.gateway(),
		"mtu=1500", "search=shop.lodge.internal lodge.internal", "hostname=asks", fmt.Sprint("lease=", 3*24*3600))
	a.inside("kill -USR1 $(cat /run/udhcpc.pid)")
	a.await("it is renewed", func() bool { return strings.Contains(a.inside("cat /run/udhcpc.did"), "renew") })
	a.nameIsKnown()
}
