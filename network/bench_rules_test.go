package network_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os/exec"
	"slices"
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

// BenchmarkThroughput sends TCP for some seconds between containers, and from the host to one, with 1000
// rules and with none of ours, on the same bridge. The median of several is told.
func BenchmarkThroughput(b *testing.B) {
	requireRoot(b, "iperf3")
	s, n := setup(b)
	e := estateOf(rootOf(s))
	_, e.Rules = bigEstate(b)
	from, fromC := guarded(b, s, n, 2)
	to, toC := guarded(b, s, n, 3)
	e.Containers = []*inventory.Container{fromC, toC}
	server := exec.Command("nsenter", to.in("iperf3", "-s")[1:]...)
	if err := server.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { server.Process.Kill(); server.Wait() })
	send := func(by func(...string) []string) float64 {
		var answer struct {
			End struct {
				Received struct {
					Bits float64 `json:"bits_per_second"`
				} `json:"sum_received"`
			}
		}
		args := by("iperf3", "-c", toC.NICs[0].IPv4.String(), "-t", "2", "-J")
		if err := json.Unmarshal([]byte(command(b, args...)), &answer); err != nil {
			b.Fatal(err)
		}
		return answer.End.Received.Bits / 1e9
	}
	for b.Loop() {
		all := map[string][]float64{}
		for range 5 {
			for _, ruled := range []bool{true, false} {
				what := "ruled"
				if s.Forget(); ruled {
					if err := errors.Join(s.Ensure(b.Context(), n), s.Guard(b.Context(), map[string]inventory.Network{n.Name: n}, fromC, toC)); err != nil {
						b.Fatal(err)
					}
				} else {
					what = "bare"
					command(b, "nft", "flush", "ruleset")
					command(b, "ip", "link", "set", n.Bridge, "type", "bridge", "nf_call_iptables", "0", "nf_call_ip6tables", "0")
				}
				all["Gbit/s-between-"+what] = append(all["Gbit/s-between-"+what], send(from.in))
				all["Gbit/s-host-"+what] = append(all["Gbit/s-host-"+what], send(func(args ...string) []string { return args }))
			}
		}
		for what, samples := range all {
			slices.Sort(samples)
			b.ReportMetric(samples[len(samples)/2], what)
		}
	}
}
