package network_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"lodge/inventory"
	"lodge/network"
)

// killedEstates are two that have little in common: other containers, projects, rules and forwards.
func killedEstates() (out [2]network.Estate) {
	for e := range out {
		for i := range 60 {
			c := testContainer(fmt.Sprintf("c%d", i), netip.AddrFrom4([4]byte{10, 86, 7, byte(2 + i + 60*e)}).String())
			c.ID = inventory.ContainerID(fmt.Sprintf("0198c0de-0000-7000-8000-%06x%06x", e, i))
			c.Project = fmt.Sprintf("p%d%d", e, i%5)
			c.Labels = map[string]string{"role": fmt.Sprint("r", i%10)}
			out[e].Containers = append(out[e].Containers, &c)
		}
		for i := range 300 {
			from := inventory.Selector{Kind: inventory.SelectLabel, Value: fmt.Sprint("role=r", i%10)}
			to := inventory.Selector{Kind: inventory.SelectProject, Value: fmt.Sprintf("p%d%d", e, i%5)}
			rule := inventory.FirewallRule{Action: inventory.FirewallAllow, From: from, To: to, Log: i%7 == 0, Ports: inventory.Ports{
				Protocol: inventory.TCP, Ranges: []inventory.PortRange{{First: uint16(1000 + i), Last: uint16(1000 + i + i%3)}}}}
			rule.Identify()
			out[e].Rules = append(out[e].Rules, rule)
		}
		f := inventory.Forward{Protocol: inventory.TCP, Ports: inventory.PortRange{First: 8000, Last: 8020}, ToPort: uint16(100 * (e + 1)),
			Container: out[e].Containers[0].ID}
		f.Identify()
		out[e].Forwards = []inventory.Forward{f}
	}
	return out
}

// changingAgent changes the rules from one estate to the other and back, in every way an agent writes
// them, until it is killed: changingAgent ROOT BRIDGE.
func changingAgent(args []string) int {
	estates := killedEstates()
	now := 0
	s := network.New(network.Config{Root: args[0], SelfExe: "/proc/self/exe", Version: "1", RoleID: testRoleID,
		Estate: func(context.Context) (network.Estate, error) { return estates[now], nil }})
	ctx, n := context.Background(), testNetwork(args[1])
	if err := s.Ensure(ctx, n); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Println("ready")
	for turn := 0; ; turn++ {
		now = 1 - now
		err := s.ApplyRules(ctx)
		if turn%5 == 0 {
			err = errors.Join(err, s.Ensure(ctx, n))
		}
		if turn%7 == 0 {
			s.Forget()
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
}

// words are a table's, sorted: nft lists elements in any order.
func words(t testing.TB, table string) string {
	t.Helper()
	all := strings.FieldsFunc(command(t, "nft", "-s", "list", "table", "inet", table), func(r rune) bool { return strings.ContainsRune(" ,\t\n", r) })
	return strings.Join(slices.Sorted(slices.Values(all)), " ")
}

// An agent that is killed while it changes the rules leaves the old ones or the new ones, never some of
// each; and the next one has nothing to clear away.
func TestKilledWhileChanging(t *testing.T) {
	kills := 6
	if os.Getenv("LODGE_LONG") == "1" {
		kills = 100
	}
	s, n := setup(t)
	e := estateOf(rootOf(s))
	var whole [2]string
	for i, estate := range killedEstates() {
		e.Containers, e.Rules, e.Forwards = estate.Containers, estate.Rules, estate.Forwards
		if err := s.ApplyRules(t.Context()); err != nil {
			t.Fatal(err)
		}
		whole[i] = words(t, judgeTable(command(t, "nft", "list", "tables")))
	}
	ours := words(t, "lodge_"+n.Bridge)
	left := [2]int{}
	for kill := range kills {
		agent := startTool(t, "/proc/self/exe", "lodgetest-change", rootOf(s), n.Bridge)
		time.Sleep(time.Duration(rand.IntN(300_000)) * time.Microsecond)
		agent.Process.Kill()
		agent.Wait()
		table := judgeTable(command(t, "nft", "list", "tables"))
		which := slices.Index(whole[:], words(t, table))
		if which < 0 {
			t.Fatalf("kill %d leaves what is neither:\n%s", kill, command(t, "nft", "list", "table", "inet", table))
		}
		left[which]++
		if words(t, "lodge_"+n.Bridge) != ours {
			t.Fatalf("kill %d leaves another table of the bridge", kill)
		}
	}
	t.Logf("%d kills left the first estate, %d the other", left[0], left[1])
	if kills >= 100 && (left[0] == 0 || left[1] == 0) {
		t.Error("the agents were always killed at the same place")
	}
	next := newService(rootOf(s), "1")
	if err := next.Ensure(t.Context(), n); err != nil {
		t.Fatal(err)
	}
	if now := words(t, judgeTable(command(t, "nft", "list", "tables"))); now != whole[1] {
		t.Errorf("the next agent makes\n%s\nof it, and not\n%s", now, whole[1])
	}
}
