package network_test

import (
	"fmt"
	"net/netip"
	"testing"

	"lodge/inventory"
)

// bigEstate is 200 containers in 10 projects, and 1000 rules of every kind.
func bigEstate(b testing.TB) (containers []*inventory.Container, rules []inventory.FirewallRule) {
	b.Helper()
	for i := range 200 {
		a := netip.AddrFrom4([4]byte{10, 86, 7, byte(i + 2)})
		c := testContainer(fmt.Sprintf("c%d", i), a.String())
		c.ID = inventory.ContainerID(fmt.Sprintf("0198c0de-0000-7000-8000-%012x", i))
		c.NICs[0].MAC = fmt.Sprintf("02:00:00:00:00:%02x", i)
		c.Project = fmt.Sprintf("p%d", i%10)
		c.Labels = map[string]string{"role": fmt.Sprintf("r%d", i%25), "tier": fmt.Sprintf("t%d", i%7)}
		containers = append(containers, &c)
	}
	ends := []string{"label:role=r%d", "label:tier=t%d", "project:p%d", "10.0.%d.0/24", "0198c0de-0000-7000-8000-%012x"}
	for i := range 1000 {
		from, to := fmt.Sprintf(ends[i%4], i%25), fmt.Sprintf(ends[(i/4)%5], i%20)
		action := "allow"
		if i%5 == 0 {
			action = "deny"
		}
		rules = append(rules, parseRule(b, fmt.Sprintf("%s %s %s tcp/%d", action, from, to, 1000+i)))
	}
	return containers, rules
}

// BenchmarkRulesWhole writes the rules of 200 containers and 1000 rules anew.
func BenchmarkRulesWhole(b *testing.B) {
	s, _ := setup(b)
	if err := s.ApplyRules(b.Context()); err != nil {
		b.Fatal(err)
	}
	e := estateOf(rootOf(s))
	e.Containers, e.Rules = bigEstate(b)
	for b.Loop() {
		b.StopTimer()
		command(b, "nft", "delete", "table", "inet", judgeTable(command(b, "nft", "list", "tables")))
		s.Forget()
		b.StartTimer()
		if err := s.ApplyRules(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkRuleChange adds a rule to 1000 others, and removes it the next time.
func BenchmarkRuleChange(b *testing.B) {
	s, _ := setup(b)
	e := estateOf(rootOf(s))
	e.Containers, e.Rules = bigEstate(b)
	if err := s.ApplyRules(b.Context()); err != nil {
		b.Fatal(err)
	}
	more := parseRule(b, "allow label:role=r1 project:p3 tcp/9")
	all, present := e.Rules, false
	for b.Loop() {
		if e.Rules = all; !present {
			e.Rules = append(all[:len(all):len(all)], more)
		}
		present = !present
		if err := s.ApplyRules(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkRulesChangedContainer relabels a container.
func BenchmarkRulesChangedContainer(b *testing.B) {
	s, _ := setup(b)
	e := estateOf(rootOf(s))
	e.Containers, e.Rules = bigEstate(b)
	if err := s.ApplyRules(b.Context()); err != nil {
		b.Fatal(err)
	}
	for i := 0; b.Loop(); i++ {
		e.Containers[3].Labels["role"] = fmt.Sprintf("r%d", i%25)
		if err := s.ApplyRules(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}
