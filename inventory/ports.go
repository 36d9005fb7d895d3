package inventory

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Protocol is one above IP. The zero value stands for all of them.
type Protocol string

const (
	TCP  Protocol = "tcp"
	UDP  Protocol = "udp"
	ICMP Protocol = "icmp" // that of either family
)

// A PortRange holds both its ends.
type PortRange struct{ First, Last uint16 }

func (r PortRange) String() string {
	if r.First == r.Last {
		return strconv.Itoa(int(r.First))
	}
	return fmt.Sprintf("%d-%d", r.First, r.Last)
}

// Ports are a protocol and, for TCP and UDP, ports of it; none is all of them.
type Ports struct {
	Protocol Protocol
	Ranges   []PortRange // sorted, none touches another
}

// ParsePorts reads any, icmp, tcp, udp, tcp/5432, udp/53,67-68.
func ParsePorts(text string) (Ports, error) {
	name, list, has := strings.Cut(text, "/")
	p := Ports{Protocol: Protocol(name)}
	switch {
	case text == "any" || text == "":
		return Ports{}, nil
	case p.Protocol == ICMP && !has, (p.Protocol == TCP || p.Protocol == UDP) && !has:
		return p, nil
	case p.Protocol != TCP && p.Protocol != UDP:
		return p, Errorf(ErrInvalid, "%q is no protocol with ports; write tcp/5432, udp/53,67-68, icmp or any", text)
	}
	for _, part := range strings.Split(list, ",") {
		r, err := ParsePortRange(part)
		if err != nil {
			return p, err
		}
		p.Ranges = append(p.Ranges, r)
	}
	p.Ranges = joined(p.Ranges)
	return p, nil
}

// ParsePortRange reads 443 or 8000-8100.
func ParsePortRange(text string) (r PortRange, err error) {
	first, last, isRange := strings.Cut(text, "-")
	if !isRange {
		last = first
	}
	a, err1 := strconv.ParseUint(first, 10, 16)
	b, err2 := strconv.ParseUint(last, 10, 16)
	if err1 != nil || err2 != nil || a == 0 || b < a {
		return r, Errorf(ErrInvalid, "%q is no port; write one from 1 to 65535, or two like 8000-8100", text)
	}
	return PortRange{uint16(a), uint16(b)}, nil
}

// joined sorts ranges and makes one of those that touch: nft refuses sets that overlap.
func joined(all []PortRange) (out []PortRange) {
	slices.SortFunc(all, func(a, b PortRange) int { return cmp.Compare(a.First, b.First) })
	for _, r := range all {
		if n := len(out); n > 0 && int(r.First) <= int(out[n-1].Last)+1 {
			out[n-1].Last = max(out[n-1].Last, r.Last)
		} else {
			out = append(out, r)
		}
	}
	return out
}

func (p Ports) String() string {
	if p.Protocol == "" {
		return "any"
	}
	if len(p.Ranges) == 0 {
		return string(p.Protocol)
	}
	return string(p.Protocol) + "/" + p.List(",")
}

// List writes the ranges with something between them.
func (p Ports) List(between string) string {
	words := make([]string, len(p.Ranges))
	for i, r := range p.Ranges {
		words[i] = r.String()
	}
	return strings.Join(words, between)
}

// Match reports whether they hold a port of a protocol.
func (p Ports) Match(protocol Protocol, port uint16) bool {
	return p.Protocol == "" || p.Protocol == protocol && (len(p.Ranges) == 0 ||
		slices.ContainsFunc(p.Ranges, func(r PortRange) bool { return r.First <= port && port <= r.Last }))
}
