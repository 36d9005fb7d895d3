// Flood runs inside containers of the end-to-end tests.
//
//	flood send SERVER NAME         sends questions as quickly as it can until it is killed
//	flood ask SERVER NAME N ADDR   asks N times, one after the other, and says what came back
//	flood fail SERVER NAME         asks twice below a name of somebody else and says with what it failed
package main

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"strconv"
	"time"

	"github.com/miekg/dns"
)

func main() {
	server, name := net.JoinHostPort(os.Args[2], "53"), dns.Fqdn(os.Args[3])
	switch os.Args[1] {
	case "send":
		for range 4 {
			go send(server, name)
		}
		select {}
	case "ask":
		n, _ := strconv.Atoi(os.Args[4])
		ask(server, name, n, os.Args[5])
	case "fail":
		client := dns.Client{Timeout: 5 * time.Second} // as long as resolvers wait (resolv.conf(5))
		for i := range 2 {
			m, took, err := client.Exchange(new(dns.Msg).SetQuestion(fmt.Sprint("x", i, ".", name), dns.TypeA), server)
			if err != nil {
				fmt.Println(err)
				continue
			}
			fmt.Println(dns.RcodeToString[m.Rcode], took)
		}
	}
}

// send asks for a name of ours, for names of others that nobody has, and what is no question at all.
func send(server, name string) {
	conn, err := net.Dial("udp", server)
	if err != nil {
		panic(err)
	}
	own, _ := new(dns.Msg).SetQuestion(name, dns.TypeA).Pack()
	for i := 0; ; i++ {
		raw := own
		switch {
		case i%64 == 0:
			raw, _ = new(dns.Msg).SetQuestion(fmt.Sprintf("x%d.example.net.", rand.Uint64()), dns.TypeA).Pack()
		case i%64 == 1:
			raw = own[:len(own)-3]
		}
		conn.Write(raw) // a full queue is what this is for
	}
}

func ask(server, name string, n int, want string) {
	client := dns.Client{Timeout: time.Second}
	lost, wrong, slowest := 0, 0, time.Duration(0)
	for range n {
		m, took, err := client.Exchange(new(dns.Msg).SetQuestion(name, dns.TypeA), server)
		switch {
		case err != nil:
			lost++
		case len(m.Answer) != 1 || m.Answer[0].(*dns.A).A.String() != want:
			wrong++
		default:
			slowest = max(slowest, took)
		}
	}
	fmt.Printf("lost %d wrong %d slowest %v\n", lost, wrong, slowest)
}
