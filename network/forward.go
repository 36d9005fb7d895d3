package network

import (
	"bufio"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"lodge/inventory"
	"lodge/network/nft"
)

// forwards give the host's ports to containers: for the outside and for other containers before the
// route is chosen, for the host itself as it sends. A container that reaches another one of its own
// bridge so is hidden behind the gateway, or the answer would not come back the same way.
func (j judge) forwards(r *nft.Table) {
	if len(j.estate.Forwards) == 0 {
		return
	}
	for at, priority := range map[string]int32{"prerouting": -100, "output": -100, "postrouting": 100} { // enum nf_ip_hook_priorities
		r.Chains["nat-"+at] = nft.Chain{Hook: nft.Hook{Kind: "nat", At: at, Priority: priority}}
	}
	for _, f := range j.estate.Forwards {
		for _, rule := range j.forward(r, f) {
			r.Add("nat-prerouting", rule)
			// The kernel takes no packet from a loopback address to another machine.
			rule = strings.Replace(rule, "meta nfproto ipv4", "ip daddr != 127.0.0.0/8", 1)
			r.Add("nat-output", strings.Replace(rule, "meta nfproto ipv6", "ip6 daddr != ::1", 1))
		}
	}
	for _, n := range j.networks {
		for _, f := range families(n) {
			r.Add("nat-postrouting", fmt.Sprintf("oifname %q %s saddr %s ct status dnat masquerade", n.Bridge, f.word, f.net))
		}
	}
}

// forward returns the rules of one forward, one for each family it has.
func (j judge) forward(r *nft.Table, f inventory.Forward) (out []string) {
	for _, c := range j.estate.Containers {
		if c.ID != f.Container || c.IsTrashed() {
			continue
		}
		for _, nic := range c.NICs {
			for _, to := range []netip.Addr{nic.IPv4, nic.IPv6} {
				if to.IsValid() && (!f.Address.IsValid() || f.Address.Is4() == to.Is4()) {
					out = append(out, forwardRule(r, f, to))
				}
			}
			return out // the first interface is where a container is reached
		}
	}
	return out
}

func forwardRule(r *nft.Table, f inventory.Forward, to netip.Addr) string {
	family, word, target := "ipv4", "ip", to.String()
	if to.Is6() {
		family, word, target = "ipv6", "ip6", "["+to.String()+"]"
	}
	where := ""
	if f.Address.IsValid() {
		where = word + " daddr " + f.Address.String() + " "
	}
	return fmt.Sprintf("meta nfproto %s fib daddr type local %s%s dport %s dnat %s to %s comment %q",
		family, where, f.Protocol, f.Ports, word, target+forwardPorts(r, f), f.ID)
}

// forwardPorts keeps the order of a range: nft by itself would choose any port of the target's.
func forwardPorts(r *nft.Table, f inventory.Forward) string {
	switch {
	case f.ToPort == f.Ports.First:
		return ""
	case f.Ports.First == f.Ports.Last:
		return ":" + strconv.Itoa(int(f.ToPort))
	}
	ports := nft.Set{Key: "inet_service", Data: "inet_service"}
	for p := int(f.Ports.First); p <= int(f.Ports.Last); p++ {
		ports.Elements = append(ports.Elements, fmt.Sprintf("%d : %d", p, p-int(f.Ports.First)+int(f.ToPort)))
	}
	// Of the id and where it goes: a map's elements are not replaced as long as they are used.
	name := fmt.Sprintf("%s-%d", f.ID, f.ToPort)
	r.Sets[name] = ports
	return fmt.Sprintf(":%s dport map @%s", f.Protocol, name)
}

// Taken says who of the host listens on a port the forward wants, "" for nobody.
func (s *Service) Taken(f inventory.Forward) string {
	for _, suffix := range []string{"", "6"} {
		file, err := os.Open("/proc/net/" + string(f.Protocol) + suffix)
		if err != nil {
			continue
		}
		lines := bufio.NewScanner(file)
		for lines.Scan() {
			if port, inode, ok := listens(lines.Text(), f); ok {
				file.Close()
				return fmt.Sprintf("%s listens on port %d", ownerOf(inode), port)
			}
		}
		file.Close()
	}
	return ""
}

// listens reads a line of /proc/net/tcp (proc_net(5)): local address and port in hex, the state, the inode.
func listens(line string, f inventory.Forward) (port uint16, inode string, ok bool) {
	fields := strings.Fields(line)
	if len(fields) < 10 {
		return 0, "", false
	}
	address, text, _ := strings.Cut(fields[1], ":")
	n, err := strconv.ParseUint(text, 16, 16)
	const listening, unconnected = "0A", "07"
	open := fields[3] == listening || f.Protocol == inventory.UDP && fields[3] == unconnected
	if err != nil || !open || uint16(n) < f.Ports.First || uint16(n) > f.Ports.Last {
		return 0, "", false
	}
	at := hexAddress(address)
	if at.IsLoopback() || f.Address.IsValid() && !at.IsUnspecified() && at != f.Address {
		return 0, "", false // the loopback address is never forwarded
	}
	return uint16(n), fields[9], true
}

// hexAddress reads an address as four-byte words of the host's order.
func hexAddress(text string) netip.Addr {
	var raw []byte
	for i := 0; i+8 <= len(text); i += 8 {
		word, err := strconv.ParseUint(text[i:i+8], 16, 32)
		if err != nil {
			return netip.Addr{}
		}
		raw = append(raw, byte(word), byte(word>>8), byte(word>>16), byte(word>>24))
	}
	a, _ := netip.AddrFromSlice(raw)
	return a.Unmap()
}

// ownerOf names the program that has a socket.
func ownerOf(inode string) string {
	links, _ := filepath.Glob("/proc/[0-9]*/fd/*")
	for _, link := range links {
		if target, err := os.Readlink(link); err == nil && target == "socket:["+inode+"]" {
			pid := strings.Split(link, "/")[2]
			name, _ := os.ReadFile("/proc/" + pid + "/comm")
			return fmt.Sprintf("%s (process %s)", strings.TrimSpace(string(name)), pid)
		}
	}
	return "another program"
}
