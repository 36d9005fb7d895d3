package network_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/miekg/dns"

	"lodge/inventory"
)

// BenchmarkAnswers is how many questions the role answers on one core, and dnsmasq beside it: the same
// 200 names, the same askers on another core.
func BenchmarkAnswers(b *testing.B) {
	requireRoot(b, "taskset", "dnsmasq")
	s, _ := setup(b)
	var all []inventory.Container
	var hosts strings.Builder
	for i := range 200 {
		ip := fmt.Sprintf("10.86.7.%d", i+2)
		all = append(all, testContainer(fmt.Sprintf("c%d", i), ip))
		fmt.Fprintf(&hosts, "%s c%d.lodge.internal\n", ip, i)
	}
	if err := s.Publish(context.Background(), all); err != nil {
		b.Fatal(err)
	}
	file := filepath.Join(b.TempDir(), "hosts")
	if err := os.WriteFile(file, []byte(hosts.String()), 0o644); err != nil {
		b.Fatal(err)
	}
	other := exec.Command("dnsmasq", "-k", "-C", "/dev/null", "-u", "root", "--no-resolv", "--no-hosts", "--pid-file", "-H", file,
		"-p", "5399", "--listen-address=10.86.7.1", "--bind-interfaces")
	if err := other.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { other.Process.Kill(); other.Wait() })
	pin := func(core string, pid int) { command(b, "taskset", "-apc", core, strconv.Itoa(pid)) }
	pin("0", rolePID(b, rootOf(s)))
	pin("0", other.Process.Pid)
	pin("1", os.Getpid())
	b.Run("role", func(b *testing.B) { askMany(b, "10.86.7.1:53") })
	b.Run("dnsmasq", func(b *testing.B) { askMany(b, "10.86.7.1:5399") })
}

// askMany asks b.N questions from eight sockets.
func askMany(b *testing.B, server string) {
	raw, err := new(dns.Msg).SetQuestion("c77.lodge.internal.", dns.TypeA).Pack()
	if err != nil {
		b.Fatal(err)
	}
	waitFor(b, "an answer", func() bool {
		m, err := dns.Exchange(new(dns.Msg).SetQuestion("c77.lodge.internal.", dns.TypeA), server)
		return err == nil && len(m.Answer) == 1
	})
	const askers = 8
	b.ResetTimer()
	var wg sync.WaitGroup
	for range askers {
		wg.Go(func() {
			conn, err := net.Dial("udp", server)
			if err != nil {
				b.Error(err)
				return
			}
			defer conn.Close()
			buf := make([]byte, 512)
			for range b.N/askers + 1 {
				if _, err := conn.Write(raw); err != nil {
					b.Error(err)
					return
				}
				if _, err := conn.Read(buf); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "answers/s")
}
