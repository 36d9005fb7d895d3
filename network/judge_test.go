package network_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"lodge/inventory"
	"lodge/network"
)

// A neighbourhood is containers on one bridge, the host, and a machine beyond it.
type neighbourhood struct {
	s          *network.Service
	n          inventory.Network
	containers []*inventory.Container
	hosts      []*host
	outside    *host
}

var outsideAddress = netip.MustParseAddr("198.51.100.2")

// judgedPorts are those everybody listens on.
var judgedPorts = []uint16{80, 5432}

// newNeighbourhood has five containers of two projects, with labels.
func newNeighbourhood(t testing.TB) *neighbourhood {
	t.Helper()
	h := &neighbourhood{}
	h.s, h.n = setup(t)
	for i, at := range []struct{ project, role string }{{"default", "web"}, {"default", "db"}, {"shop", "web"}, {"shop", "db"}, {"shop", ""}} {
		guest, c := guarded(t, h.s, h.n, 2+i)
		c.Project, c.Labels = at.project, map[string]string{}
		if at.role != "" {
			c.Labels["role"] = at.role
		}
		h.containers, h.hosts = append(h.containers, c), append(h.hosts, guest)
		guest.listenAll()
	}
	h.outside = newHost(t)
	uplink := h.outside.plug("198.51.100.2/24")
	command(t, "ip", "addr", "add", "198.51.100.1/24", "dev", uplink)
	h.outside.run("ip", "route", "add", "10.86.7.0/24", "via", "198.51.100.1")
	h.outside.listenAll()
	estateOf(rootOf(h.s)).Containers = h.containers
	for _, port := range judgedPorts {
		startTool(t, os.Args[0], "lodgetest-listen", fmt.Sprintf(":%d", port))
	}
	return h
}

func (h *host) listenAll() {
	h.t.Helper()
	for _, port := range judgedPorts {
		h.listen(fmt.Sprintf(":%d", port))
	}
}

func (h *neighbourhood) rules(t testing.TB, texts ...string) []inventory.FirewallRule {
	t.Helper()
	var out []inventory.FirewallRule
	for _, text := range texts {
		out = append(out, parseRule(t, text))
	}
	estateOf(rootOf(h.s)).Rules = out
	if err := h.s.ApplyRules(t.Context()); err != nil {
		t.Fatal(err)
	}
	return out
}

func parseRule(t testing.TB, text string) inventory.FirewallRule {
	t.Helper()
	words := strings.Fields(text)
	from, err1 := inventory.ParseSelector(words[1])
	to, err2 := inventory.ParseSelector(words[2])
	ports, err3 := inventory.ParsePorts(words[3])
	r := inventory.FirewallRule{Action: inventory.FirewallAction(words[0]), From: from, To: to, Ports: ports}
	if err1 != nil || err2 != nil || err3 != nil || r.Check() != nil {
		t.Fatalf("%s: %v %v %v %v", text, err1, err2, err3, r.Check())
	}
	r.Identify()
	return r
}

// A trial is a flow with who opens it and where it goes.
type trial struct {
	inventory.Flow
	by   *host // nil: the host
	text string
}

// trials are all connections between any two, in both families among containers.
func (h *neighbourhood) trials() (out []trial) {
	type at struct {
		inventory.End
		host *host
		name string
	}
	var ends []at
	for i, c := range h.containers {
		ends = append(ends, at{inventory.End{Container: c, Address: c.NICs[0].IPv4}, h.hosts[i], c.Name},
			at{inventory.End{Container: c, Address: c.NICs[0].IPv6}, h.hosts[i], c.Name})
	}
	ends = append(ends, at{inventory.End{Host: true, Address: h.n.IPv4.Addr()}, nil, "host"},
		at{inventory.End{Host: true, Address: h.n.IPv6.Addr()}, nil, "host"},
		at{inventory.End{Address: outsideAddress}, h.outside, "outside"})
	for _, from := range ends {
		for _, to := range ends {
			judged := from.Container != nil || to.Container != nil
			if from.name == to.name || from.Address.Is4() != to.Address.Is4() || !judged {
				continue
			}
			for _, port := range judgedPorts {
				flow := inventory.Flow{From: from.End, To: to.End, Protocol: inventory.TCP, Port: port}
				out = append(out, trial{flow, from.host, fmt.Sprintf("%s to %s port %d", from.name, netip.AddrPortFrom(to.Address, port), port)})
			}
		}
	}
	return out
}

func (x trial) connects() bool {
	args := []string{os.Args[0], "lodgetest-connect", netip.AddrPortFrom(x.To.Address, x.Port).String()}
	if x.by != nil {
		args = x.by.in(args...)
	}
	_, err := try(args...)
	return err == nil
}

// check opens every connection there could be and compares with what the pure rules say.
func (h *neighbourhood) check(t testing.TB, rules []inventory.FirewallRule) {
	t.Helper()
	firewall := inventory.Firewall{Rules: rules, Within: estateOf(rootOf(h.s)).Within,
		Routed: func(string) bool { return !h.n.NAT }, Now: time.Now()}
	var all sync.WaitGroup
	var mu sync.Mutex
	slots := make(chan struct{}, 40)
	allowed := 0
	for _, x := range h.trials() {
		all.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			verdict, got := firewall.Judge(x.Flow), x.connects()
			mu.Lock()
			defer mu.Unlock()
			if got != verdict.Allowed {
				t.Errorf("%s: connects is %v, but %s", x.text, got, verdict.Why)
			}
			if got {
				allowed++
			}
		})
	}
	all.Wait()
	t.Logf("%d of %d connections are allowed by %d rules", allowed, len(h.trials()), len(rules))
}

// What the kernel does is what the pure rules say, for rules made up at random, with the host's own
// switch for bridges off.
func TestKernelAgreesWithJudge(t *testing.T) {
	h := newNeighbourhood(t)
	for _, what := range []string{"iptables", "ip6tables"} {
		if out, err := try("sysctl", "-w", "net.bridge.bridge-nf-call-"+what+"=0"); err != nil {
			t.Fatal(out)
		}
	}
	h.check(t, h.rules(t))
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	pick := func(all ...string) string { return all[random.IntN(len(all))] }
	selector := func() string {
		return pick("any", "host", "label:role=web", "label:role=db", "project:shop", "project:default",
			string(h.containers[random.IntN(5)].ID), "10.86.7.0/29", "10.86.7.3", "fd4c:86:7::/64", "198.51.100.0/24", "label:role=none")
	}
	for round := range 6 {
		within := round%2 == 0
		estateOf(rootOf(h.s)).Within = func(project string) bool { return within || project == "default" }
		texts := map[string]bool{}
		for range 2 + random.IntN(6) {
			text := strings.Join([]string{pick("allow", "allow", "deny"), selector(), selector(),
				pick("any", "tcp", "tcp/80", "tcp/5432", "tcp/1-79,81-6000", "udp/80", "icmp")}, " ")
			words := strings.Fields(text)
			if a, err := inventory.ParseSelector(words[1]); err == nil {
				b, _ := inventory.ParseSelector(words[2])
				if (inventory.FirewallRule{Action: "allow", From: a, To: b}).Check() == nil {
					texts[text] = true
				}
			}
		}
		list := slices.Sorted(maps.Keys(texts))
		rules := h.rules(t, list...)
		if h.check(t, rules); t.Failed() {
			t.Fatalf("the rules were %q", list)
		}
	}
}

// A rule opens just what it says, and the answers to it; connections go on when the agent starts anew.
func TestRuleOpensJustThat(t *testing.T) {
	h := newNeighbourhood(t)
	rules := h.rules(t, "allow label:role=web label:role=db tcp/5432")
	h.check(t, rules)
	again := newService(rootOf(h.s), "1")
	if err := again.Ensure(t.Context(), h.n); err != nil {
		t.Fatal(err)
	}
	h.check(t, rules)
}

// A rule whose time is over means nothing, and neither does one of a container that is gone.
func TestRulesEnd(t *testing.T) {
	h := newNeighbourhood(t)
	rules := h.rules(t, "allow label:role=web label:role=db tcp")
	rules[0].Expires = time.Now().Add(-time.Second)
	if err := h.s.ApplyRules(t.Context()); err != nil {
		t.Fatal(err)
	}
	h.check(t, rules)
}

// Where nothing can judge what the ports of a bridge send each other, they send each other nothing, by
// any address; the host and the outside are reached as ever.
func TestUnjudgedBridge(t *testing.T) {
	t.Cleanup(network.WithoutBridgeNetfilter())
	h := newNeighbourhood(t)
	h.rules(t, "allow any any any")
	try("ip", "link", "set", h.n.Bridge, "type", "bridge", "nf_call_iptables", "0", "nf_call_ip6tables", "0")
	a, b := h.hosts[0], h.containers[1]
	mac := b.NICs[0].MAC
	for _, at := range []string{b.NICs[0].IPv4.String(), b.NICs[0].IPv6.String(), network.LinkLocal(mac).String() + "%eth0"} {
		if seen, err := a.connect("[" + at + "]:80"); err == nil {
			t.Errorf("a container reaches another by %s: %s", at, seen)
		}
	}
	for what, at := range map[string]string{"outside": "198.51.100.2:80"} {
		if seen, err := a.connect(at); err != nil {
			t.Errorf("a container does not reach the %s: %s", what, seen)
		}
	}
	for _, at := range []string{"10.86.7.1", "fd4c:86:7::1"} {
		if out, err := try(a.in("ping", "-c1", "-W2", at)...); err != nil {
			t.Errorf("the gateway %s doesn't answer: %s", at, out)
		}
	}
}
