package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"lodge/inventory"
)

// The estate the rules are measured with.
const (
	ruledContainers = 200
	ruleCount       = 1000
	rulesRest       = 3 * time.Second // the agent looks at the kernel's rules every two
)

// rules measures what rules between containers cost: to write all of them and to change one, as verbs
// that return when the rules hold, and to the traffic they judge.
func (b *bench) rules(ctx context.Context) error {
	defer b.agent.purgeAll(ctx)
	b.agent.purgeAll(ctx)
	time.Sleep(addressRest)
	if err := b.ruledEstate(ctx); err != nil {
		return err
	}
	for round := range b.rounds + 1 {
		if err := b.ruleChanges(ctx, round); err != nil {
			return err
		}
	}
	for round := range b.rounds + 1 {
		if err := b.allRules(ctx, round); err != nil {
			return err
		}
	}
	if !b.wanted("net-between") && !b.wanted("net-host") {
		return nil
	}
	return b.traffic(ctx)
}

// ruledEstate makes containers with labels, and rules of every kind between them.
func (b *bench) ruledEstate(ctx context.Context) error {
	err := each(4, ruledContainers, func(i int) error {
		args := inventory.CreateArgs{Image: imageName, Name: fmt.Sprintf("ruled%d", i), Purpose: "a measurement",
			Labels: map[string]string{"role": fmt.Sprintf("r%d", i%25), "tier": fmt.Sprintf("t%d", i%7)}}
		return settle(b.agent.client.Create(ctx, args, false, wait))
	})
	if err != nil {
		return err
	}
	ends := []string{"label:role=r%d", "label:tier=t%d", "10.0.%d.0/24", "ruled%d"}
	return each(4, ruleCount, func(i int) error {
		args := inventory.FirewallArgs{From: fmt.Sprintf(ends[i%3], i%25), To: fmt.Sprintf(ends[(i/3)%4], i%20),
			Ports: fmt.Sprintf("tcp/%d", 1000+i)}
		if i%5 == 0 {
			return settle(b.agent.client.DenyFirewall(ctx, args, wait))
		}
		return settle(b.agent.client.AllowFirewall(ctx, args, wait))
	})
}

// ruleChanges adds a rule and removes it, by the API and by the command line.
func (b *bench) ruleChanges(ctx context.Context, round int) error {
	for _, c := range []column{inAgent, inCommand} {
		port := fmt.Sprintf("tcp/%d", 3000+round)
		d, err := timed(func() error {
			if c == inCommand {
				return commandWay{b}.lodge(ctx, "firewall", "allow", "label:role=r1", "label:tier=t3", port)
			}
			return settle(b.agent.client.AllowFirewall(ctx, inventory.FirewallArgs{From: "label:role=r1", To: "label:tier=t3", Ports: port}, wait))
		})
		if err != nil {
			return err
		}
		b.results.add("rule", c, round, d)
		id, err := b.ruleID(ctx, port)
		if err != nil {
			return err
		}
		if err := settle(b.agent.client.RemoveFirewallRule(ctx, id, wait)); err != nil {
			return err
		}
		time.Sleep(rulesRest / 10)
	}
	return nil
}

func (b *bench) ruleID(ctx context.Context, port string) (string, error) {
	all, err := b.agent.client.FirewallRules(ctx)
	for _, r := range all {
		if r.Ports == port {
			return r.ID, nil
		}
	}
	return "", fmt.Errorf("no rule of %s: %w", port, err)
}

// allRules loses the agent's table, so that the next change has to write all of it.
func (b *bench) allRules(ctx context.Context, round int) error {
	time.Sleep(rulesRest)
	tables, err := b.tables(ctx)
	if err != nil {
		return err
	}
	for _, table := range tables {
		if strings.Contains(table, "lodge_rules_") {
			err = command(ctx, toolEnv, append([]string{"nft", "delete", "table"}, strings.Fields(table)...)...)
		}
	}
	if err != nil {
		return err
	}
	args := inventory.FirewallArgs{From: "label:role=r1", To: "label:tier=t3", Ports: "tcp/2999"}
	d, err := timed(func() error { return settle(b.agent.client.AllowFirewall(ctx, args, wait)) })
	if err != nil {
		return err
	}
	b.results.add("rules", inAgent, round, d)
	id, err := b.ruleID(ctx, args.Ports)
	if err != nil {
		return err
	}
	return settle(b.agent.client.RemoveFirewallRule(ctx, id, wait))
}

var toolEnv = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin"}

// tables are the agent's, as nft names them: "inet lodge_lodge0".
func (b *bench) tables(ctx context.Context) (out []string, err error) {
	text, err := exec.CommandContext(ctx, "nft", "list", "tables").Output()
	bridge, err2 := b.bridge(ctx)
	if err != nil || err2 != nil {
		return nil, fmt.Errorf("nft list tables: %w %w", err, err2)
	}
	sum := sha256.Sum256([]byte(b.agent.root()))
	rules := "lodge_rules_" + hex.EncodeToString(sum[:4])
	for line := range strings.Lines(string(text)) {
		table := strings.TrimPrefix(strings.TrimSpace(line), "table ")
		_, name, _ := strings.Cut(table, " ")
		if name == rules || strings.HasPrefix(name, "lodge_") && strings.HasSuffix(name, "_"+bridge) {
			out = append(out, table)
		}
	}
	return out, nil
}

func (b *bench) bridge(ctx context.Context) (string, error) {
	all, err := b.agent.client.Networks(ctx)
	if err != nil || len(all) == 0 {
		return "", fmt.Errorf("no network: %w", err)
	}
	return all[0].Bridge, nil
}

// traffic sends TCP between two containers, and from the host to one, with the rules; and then, with the
// agent stopped and all its tables gone, over the same bridge without any.
func (b *bench) traffic(ctx context.Context) error {
	var pids, addresses []string
	names := []string{b.name(), b.name()}
	for _, name := range names {
		if err := b.viaAgent().launch(ctx, name); err != nil {
			return err
		}
		c, err := b.agent.client.Container(ctx, refOf(name))
		if err != nil {
			return err
		}
		pids, addresses = append(pids, strconv.Itoa(c.Observed.InitPID)), append(addresses, c.NICs[0].IPv4)
	}
	server := exec.CommandContext(ctx, "nsenter", "-t", pids[1], "-n", "iperf3", "-s")
	if err := server.Start(); err != nil {
		return err
	}
	defer func() { server.Process.Kill(); server.Wait() }()
	send := []string{"iperf3", "-c", addresses[1]}
	from := map[string][]string{"net-host": send, "net-between": append([]string{"nsenter", "-t", pids[0], "-n"}, send...)}
	for round := range b.rounds/2 + 1 {
		for figure, args := range from {
			if err := b.sends(ctx, figure, inAgent, round, args); err != nil {
				return err
			}
		}
		bridge, err := b.bridge(ctx)
		if err != nil {
			return err
		}
		if err := b.withoutRules(ctx, bridge, func() error {
			for figure, args := range from {
				if err := b.sends(ctx, figure, inRaw, round, args); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			return err
		}
	}
	return nil
}

// withoutRules stops the agent, takes all its rules away, and starts it again after f.
func (b *bench) withoutRules(ctx context.Context, bridge string, f func() error) error {
	tables, err := b.tables(ctx)
	if err != nil {
		return err
	}
	b.agent.stop()
	for _, table := range tables {
		if err := command(ctx, toolEnv, append([]string{"nft", "delete", "table"}, strings.Fields(table)...)...); err != nil {
			return err
		}
	}
	err = command(ctx, toolEnv, "ip", "link", "set", bridge, "type", "bridge", "nf_call_iptables", "0", "nf_call_ip6tables", "0")
	if err == nil {
		err = f()
	}
	if err2 := b.agent.start(ctx); err == nil {
		err = err2
	}
	return err
}

// sends measures how long a GiB takes, on its way for as long as iperf3 tells of it.
func (b *bench) sends(ctx context.Context, figure string, c column, round int, args []string) error {
	text, err := exec.CommandContext(ctx, args[0], append(args[1:], "-n", "1G", "-J")...).Output()
	var answer struct {
		End struct {
			Received struct{ Seconds float64 } `json:"sum_received"`
		}
	}
	if err == nil {
		err = json.Unmarshal(text, &answer)
	}
	if err != nil {
		return fmt.Errorf("iperf3: %w: %.300s", err, text)
	}
	b.results.add(figure, c, round, time.Duration(answer.End.Received.Seconds*float64(time.Second)))
	return nil
}
