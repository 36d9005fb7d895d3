package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/miekg/dns"

	"lodge/inventory"
)

// The zone the name server is measured with, and how often it is asked in one round.
const (
	namedContainers = 200
	questions       = 30_000
	askers          = 8
	rivalPort       = "5399"
)

// names measures how soon a name follows what happens to its container, and how many questions are
// answered by one core.
func (b *bench) names(ctx context.Context) error {
	defer b.agent.purgeAll(ctx)
	gateway, err := b.gateway(ctx)
	if err != nil {
		return err
	}
	for round := range b.rounds + 1 {
		if err := b.nameFollows(ctx, round, net.JoinHostPort(gateway, "53")); err != nil {
			return err
		}
	}
	if !b.wanted("answers") {
		return nil
	}
	return b.asked(ctx, gateway)
}

func (b *bench) gateway(ctx context.Context) (string, error) {
	all, err := b.agent.client.Networks(ctx)
	if err != nil || len(all) == 0 {
		return "", fmt.Errorf("no network: %w", err)
	}
	gateway, _, _ := strings.Cut(all[0].IPv4, "/")
	return gateway, nil
}

// nameFollows asks for a name until it is there, from when its container is asked for, and until it is gone.
func (b *bench) nameFollows(ctx context.Context, round int, server string) error {
	for _, c := range []column{inAgent, inCommand} {
		var w way = b.viaAgent()
		if c == inCommand {
			w = commandWay{b}
		}
		name := b.name()
		for _, m := range []struct {
			figure string
			do     func() error
			is     bool
		}{
			{"name", func() error { return w.create(ctx, name) }, true},
			{"name-gone", func() error { return w.purge(ctx, name) }, false},
		} {
			done := make(chan error, 1)
			began := time.Now()
			go func() { done <- m.do() }()
			seen, err := awaitName(ctx, server, name, m.is)
			if err2 := <-done; err == nil {
				err = err2
			}
			if err != nil {
				return err
			}
			b.results.add(m.figure, c, round, seen.Sub(began))
			b.flush()
		}
	}
	return nil
}

// awaitName returns when the server first said that the name is there, or that it is not.
func awaitName(ctx context.Context, server, name string, wanted bool) (time.Time, error) {
	q := new(dns.Msg).SetQuestion(name+"."+inventory.Domain+".", dns.TypeA)
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(500 * time.Microsecond) {
		m, err := dns.ExchangeContext(ctx, q, server)
		if err == nil && len(m.Answer) > 0 == wanted {
			return time.Now(), nil
		}
		if time.Now().After(end) {
			return time.Time{}, fmt.Errorf("%s is answered wrongly for ten seconds: %w", name, err)
		}
	}
}

// asked measures the CPU time of the agent's name server and of dnsmasq, each on the first CPU, with the
// same names and the same askers on the last.
func (b *bench) asked(ctx context.Context, gateway string) error {
	role, err := b.rolePID()
	if err != nil {
		return err
	}
	rival, name, err := b.rival(ctx, gateway)
	if err != nil {
		return err
	}
	defer func() { rival.Process.Kill(); rival.Wait() }()
	if err := b.pinned(ctx, role, rival.Process.Pid); err != nil {
		return err
	}
	defer b.unpinned(role)
	pids := map[column]int{inAgent: role, inRaw: rival.Process.Pid}
	for round := range b.rounds + 1 {
		for c, server := range map[column]string{inAgent: net.JoinHostPort(gateway, "53"), inRaw: net.JoinHostPort(gateway, rivalPort)} {
			before, err := cpuTime(pids[c])
			if err == nil {
				err = askMany(server, name)
			}
			after, err2 := cpuTime(pids[c])
			if err = errors.Join(err, err2); err != nil {
				return err
			}
			b.results.add("answers", c, round, after-before)
		}
	}
	return nil
}

// rival makes the containers and starts a dnsmasq that has their names. It returns one of them.
func (b *bench) rival(ctx context.Context, gateway string) (*exec.Cmd, string, error) {
	var hosts bytes.Buffer
	names := make([]string, namedContainers)
	for i := range names {
		names[i] = b.name()
	}
	if err := each(4, len(names), func(i int) error { return b.viaAgent().create(ctx, names[i]) }); err != nil {
		return nil, "", err
	}
	for _, name := range names {
		c, err := b.agent.client.Container(ctx, refOf(name))
		if err != nil {
			return nil, "", err
		}
		fmt.Fprintf(&hosts, "%s %s.%s\n", c.NICs[0].IPv4, name, inventory.Domain)
	}
	file := filepath.Join(b.agent.home, "hosts")
	if err := os.WriteFile(file, hosts.Bytes(), 0o644); err != nil {
		return nil, "", err
	}
	cmd := exec.CommandContext(ctx, "dnsmasq", "-k", "-C", "/dev/null", "-u", "root", "--no-resolv", "--no-hosts", "--pid-file",
		"-H", file, "-p", rivalPort, "--listen-address="+gateway, "--bind-interfaces")
	if err := cmd.Start(); err != nil {
		return nil, "", err
	}
	_, err := awaitName(ctx, net.JoinHostPort(gateway, rivalPort), names[0], true)
	if err != nil {
		cmd.Process.Kill()
		cmd.Wait()
	}
	return cmd, names[0] + "." + inventory.Domain + ".", err
}

// rolePID finds the agent's name server by the folder it was started with.
func (b *bench) rolePID() (int, error) {
	found, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, path := range found {
		text, err := os.ReadFile(path)
		args := strings.Split(string(text), "\x00")
		if err == nil && len(args) > 2 && args[1] == "net" && strings.Contains(string(text), b.agent.root()+"/") {
			return strconv.Atoi(filepath.Base(filepath.Dir(path)))
		}
	}
	return 0, fmt.Errorf("the agent has no name server")
}

// cpuTime is what a process has had of the CPUs: other work on the machine doesn't count.
func cpuTime(pid int) (time.Duration, error) {
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	var sum time.Duration
	for _, path := range tasks {
		var ran int64
		text, err2 := os.ReadFile(path)
		if err2 == nil {
			_, err2 = fmt.Sscan(string(text), &ran) // nanoseconds (Documentation/scheduler/sched-stats.rst)
		}
		err, sum = errors.Join(err, err2), sum+time.Duration(ran)
	}
	return sum, err
}

// pinned gives both servers the first CPU and this process the last.
func (b *bench) pinned(ctx context.Context, servers ...int) error {
	for _, pid := range servers {
		if err := command(ctx, toolEnv, "taskset", "-apc", "0", strconv.Itoa(pid)); err != nil {
			return err
		}
	}
	return command(ctx, toolEnv, "taskset", "-apc", strconv.Itoa(b.machine.cpus-1), strconv.Itoa(os.Getpid()))
}

func (b *bench) unpinned(server int) {
	all := fmt.Sprintf("0-%d", b.machine.cpus-1)
	for _, pid := range []int{server, os.Getpid()} {
		command(context.Background(), toolEnv, "taskset", "-apc", all, strconv.Itoa(pid))
	}
}

// askMany has a server answer so many questions, each asker waiting for one answer after the other.
func askMany(server, name string) error {
	raw, err := new(dns.Msg).SetQuestion(name, dns.TypeA).Pack()
	if err != nil {
		return err
	}
	return each(askers, askers, func(int) error {
		conn, err := net.Dial("udp", server)
		if err != nil {
			return err
		}
		defer conn.Close()
		buf := make([]byte, 512)
		for range questions / askers {
			conn.SetDeadline(time.Now().Add(5 * time.Second))
			if _, err := conn.Write(raw); err != nil {
				return err
			}
			if _, err := conn.Read(buf); err != nil {
				return err
			}
		}
		return nil
	})
}
