package nft_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"lodge/inventory"
	"lodge/network/nft"
	"lodge/packaging/need"
)

// newConn is a connection in a network namespace of the test's own, which ends with its thread.
func newConn(t *testing.T) *nft.Conn {
	t.Helper()
	need.Root(t)
	need.Program(t, "nft")
	runtime.LockOSThread()
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		t.Fatal(err)
	}
	c, err := nft.Dial()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// listed is what nft(8) reads of the table.
func listed(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("nft", "-s", "list", "ruleset").CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return string(out)
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Every kind of rule that is written here means to nft(8) what it says.
func TestRulesAsNFTReadsThem(t *testing.T) {
	c := newConn(t)
	for rule, want := range map[string]string{ // what nft writes; "" for the same
		`iifname "lodge0" oifname != @bridges accept`:                             "",
		`ip saddr 10.1.2.3 ip daddr != 10.0.0.0/9 drop`:                           "",
		`ip saddr 10.0.0.0/24 ip daddr @v4 tcp dport 5432 accept comment "fw-01"`: "",
		`ip6 saddr fd00:1::/33 ip6 daddr @v6 udp dport 1-79 counter drop`:         "",
		`meta nfproto ipv6 meta l4proto ipv6-icmp accept`:                         "meta l4proto ipv6-icmp accept",
		`ip saddr 10.0.0.1 meta l4proto icmp accept`:                              "",
		`ip saddr vmap @home`:                    "",
		`tcp dport vmap @ports`:                  "",
		`icmpv6 type nd-neighbor-solicit accept`: "",
		`icmp type redirect drop`:                "",
		`ct state established,related accept`:    "",
		`ct state invalid drop`:                  "",
		`ct status dnat accept`:                  "",
		`limit rate 10/second burst 20 packets log prefix "fw-01" group 1025`: "",
		`counter reject with icmpx admin-prohibited`:                          "",
		`jump there`: "",
	} {
		expect(t, c, nft.Hook{Kind: "filter", At: "forward", Priority: 1}, rule, want)
	}
	for rule, want := range map[string]string{
		`meta nfproto ipv4 fib daddr type local tcp dport 443 dnat ip to 10.0.0.2:8443`:   "",
		`meta nfproto ipv4 fib daddr type local udp dport 80-81 dnat ip to 10.0.0.2`:      "",
		`meta nfproto ipv6 fib daddr type local tcp dport 443 dnat ip6 to [fd00::2]:8443`: "",
		`meta nfproto ipv4 udp dport 80-81 dnat ip to 10.0.0.2:udp dport map @moved`:      "",
	} {
		expect(t, c, nft.Hook{Kind: "nat", At: "prerouting", Priority: -100}, rule, want)
	}
	expect(t, c, nft.Hook{Kind: "nat", At: "postrouting", Priority: 100}, `ip saddr 10.0.0.0/24 ct status dnat masquerade`, "")
}

// sets are what the rules of the tests name.
func sets() map[string]nft.Set {
	return map[string]nft.Set{
		"bridges": {Key: "ifname", Elements: []string{`"lodge0"`}},
		"v4":      {Key: "ipv4_addr", Elements: []string{"10.0.0.2"}},
		"v6":      {Key: "ipv6_addr", Elements: []string{"fd00::2"}},
		"home":    {Key: "ipv4_addr", Data: "verdict", Elements: []string{"10.0.0.2 : jump there"}},
		"ports":   {Key: "inet_service", Data: "verdict", Elements: []string{"80 : accept", "81 : jump there", "82 : drop"}},
		"moved":   {Key: "inet_service", Data: "inet_service", Elements: []string{"80 : 90", "81 : 91"}},
	}
}

func expect(t *testing.T, c *nft.Conn, at nft.Hook, rule, want string) {
	t.Helper()
	if want == "" {
		want = rule
	}
	table := &nft.Table{Comment: "a test", Sets: sets(), Chains: map[string]nft.Chain{
		"here": {Hook: at, Rules: []string{rule}}, "there": {}}}
	if err := c.Replace("t", table); err != nil {
		t.Errorf("%s: %v", rule, err)
		return
	}
	if out := listed(t); !strings.Contains(out, "\t\t"+want+"\n") {
		t.Errorf("%s is not in\n%s", want, out)
	} else if !strings.Contains(out, `"lodge0"`) {
		t.Errorf("the name of an interface is not in\n%s", out)
	}
}

// A table that is changed is the one that would have been written, whatever the two are.
func TestChangeIsReplace(t *testing.T) {
	c := newConn(t)
	random := rand.New(rand.NewPCG(1, 2))
	was := &nft.Table{Comment: "x"}
	ok(t, c.Replace("t", was))
	for range 60 {
		next := randomTable(random)
		_, err := c.Change("t", was, next, 0)
		ok(t, err)
		changed := listed(t)
		ok(t, c.Replace("u", next))
		if diff := cmp.Diff(sorted(listed(t), "u"), sorted(changed, "t")); diff != "" {
			t.Fatalf("written (-) and changed (+) differ: %s", diff)
		}
		ok(t, c.Delete("u"))
		if again, err := c.Change("t", next, next, 0); again || err != nil {
			t.Fatalf("nothing differs, and it wrote: %v", err)
		}
		was = next
	}
}

func randomTable(random *rand.Rand) *nft.Table {
	t := &nft.Table{Comment: "x", Sets: map[string]nft.Set{}, Chains: map[string]nft.Chain{
		"forward": {Hook: nft.Hook{Kind: "filter", At: "forward"}}}}
	for i := range 4 {
		if random.IntN(2) == 0 {
			continue
		}
		chain, ports := fmt.Sprint("c", i), fmt.Sprint("p", i)
		t.Add(chain, "accept")
		set := nft.Set{Key: "inet_service", Data: "verdict"}
		for port := range random.IntN(1200) { // more than one message holds
			set.Elements = append(set.Elements, fmt.Sprintf("%d : %s", port, []string{"accept", "drop", "jump " + chain}[random.IntN(3)]))
		}
		t.Sets[ports] = set
		t.Add("forward", "tcp dport vmap @"+ports)
	}
	return t
}

// sorted is a listing's table without its name; the order of sets and chains, which is that in which they
// were made, says nothing.
func sorted(text, table string) string {
	_, text, _ = strings.Cut(text, "table inet "+table+" {")
	text, _, _ = strings.Cut(strings.TrimPrefix(text, "\n\tcomment \"x\""), "\n}")
	blocks := strings.Split(text, "\n\t}")
	for i, block := range blocks {
		head, rest, isSet := strings.Cut(block, "elements = {")
		if rest = strings.Trim(rest, " }\n\t"); isSet {
			all := strings.Split(rest, ",")
			for i := range all {
				all[i] = strings.TrimSpace(all[i])
			}
			rest = strings.Join(slices.Sorted(slices.Values(all)), ", ")
		}
		blocks[i] = strings.TrimSpace(head) + rest
	}
	return strings.Join(slices.Sorted(slices.Values(blocks)), "\n")
}

// What the kernel refuses is refused as a whole, and says why.
func TestRefusedIsWhole(t *testing.T) {
	c := newConn(t)
	good := &nft.Table{Comment: "x", Sets: sets(), Chains: map[string]nft.Chain{"here": {Rules: []string{"ip saddr @v4 accept"}}, "there": {}}}
	ok(t, c.Replace("t", good))
	before := listed(t)
	bad := &nft.Table{Comment: "x", Sets: sets(), Chains: map[string]nft.Chain{"here": {Rules: []string{"accept", "ip saddr @nothing drop"}}, "there": {}}}
	if _, err := c.Change("t", good, bad, 0); !errors.Is(err, inventory.ErrUnavailable) {
		t.Errorf("a set that is not there: %v", err)
	}
	bad.Chains["here"] = nft.Chain{Rules: []string{"ip saddr everybody accept"}}
	if err := c.Replace("t", bad); err == nil {
		t.Error("what is no rule is written")
	}
	if after := listed(t); after != before {
		t.Errorf("the table is\n%s\nand was\n%s", after, before)
	}
}

// A change for another generation of the ruleset is not made.
func TestStale(t *testing.T) {
	c := newConn(t)
	one := &nft.Table{Comment: "x", Chains: map[string]nft.Chain{"here": {}}}
	ok(t, c.Replace("t", one))
	two := &nft.Table{Comment: "x", Chains: map[string]nft.Chain{"here": {Rules: []string{"accept"}}}}
	now, err := c.Generation()
	ok(t, err)
	if _, err := c.Change("t", one, two, now-1); !errors.Is(err, nft.ErrStale) {
		t.Errorf("a change of a ruleset that is no more: %v", err)
	}
	_, err = c.Change("t", one, two, now)
	ok(t, err)
	if then, err := c.Generation(); then != nft.Following(now) || err != nil {
		t.Errorf("after generation %d comes %d, %v", now, then, err)
	}
}
