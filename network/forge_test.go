package network_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"

	"golang.org/x/sys/unix"
)

// A party is one end of what a forger sends.
type party struct {
	MAC    string
	V4, V6 netip.Addr
	LL     netip.Addr
}

func (p party) mac() net.HardwareAddr {
	m, err := net.ParseMAC(p.MAC)
	if err != nil {
		panic(err)
	}
	return m
}

// A frame is a whole Ethernet frame and what is wrong with it; "" for an honest one.
type frame struct {
	name, kind string
	bytes      []byte
}

const endMark = "end"

// forgeries are one frame of every sort a guard knows, from own to victim, and honest ones, the last
// of which ends the test.
func forgeries(own, victim, gateway party) []frame {
	all := net.HardwareAddr{255, 255, 255, 255, 255, 255}
	other := net.HardwareAddr{2, 0, 0, 0, 0, 99}
	udp4 := func(from, to netip.Addr, sport, dport uint16) []byte { return ipv4(from, to, 17, udp(sport, dport)) }
	group := netip.MustParseAddr("ff02::1")
	stranger := netip.MustParseAddr("fe80::1234")
	nd := func(kind byte, target netip.Addr) []byte {
		return append([]byte{kind, 0, 0, 0, 0x20, 0, 0, 0}, target.AsSlice()...)
	}
	any6, any4 := netip.IPv6Unspecified(), netip.IPv4Unspecified()
	tagged := ether(own.mac(), victim.mac(), 0x8100, append([]byte{0, 5, 8, 0}, udp4(own.V4, victim.V4, 1, 9)...))
	return []frame{
		{"mac", "mac", ether(other, victim.mac(), 0x800, udp4(own.V4, victim.V4, 1, 9))},
		{"mac of the gateway", "mac", ether(gateway.mac(), victim.mac(), 0x800, udp4(own.V4, victim.V4, 2, 9))},
		{"address of the victim", "ipv4", ether(own.mac(), gateway.mac(), 0x800, udp4(victim.V4, gateway.V4, 3, 9))},
		{"address of the gateway", "ipv4", ether(own.mac(), victim.mac(), 0x800, udp4(gateway.V4, victim.V4, 4, 9))},
		{"no address", "ipv4", ether(own.mac(), victim.mac(), 0x800, udp4(any4, victim.V4, 5, 9))},
		{"IPv6 of the gateway", "ipv6", ether(own.mac(), victim.mac(), 0x86dd, ipv6(gateway.V6, victim.V6, 17, udp(6, 9)))},
		{"a link-local address", "ipv6", ether(own.mac(), victim.mac(), 0x86dd, ipv6(stranger, victim.V6, 17, udp(7, 9)))},
		{"ARP for the gateway", "arp", ether(own.mac(), all, 0x806, arp(2, own.mac(), gateway.V4, victim.V4))},
		{"ARP for another MAC", "arp", ether(own.mac(), all, 0x806, arp(2, other, own.V4, victim.V4))},
		{"ARP probe for the victim", "arp", ether(own.mac(), all, 0x806, arp(1, own.mac(), any4, victim.V4))},
		{"ND for the gateway", "nd", ether(own.mac(), victim.mac(), 0x86dd, ipv6(own.V6, victim.V6, 58, nd(136, gateway.V6)))},
		{"DAD against the victim", "nd", ether(own.mac(), victim.mac(), 0x86dd, ipv6(any6, group, 58, nd(135, victim.V6)))},
		{"DHCP", "dhcp", ether(own.mac(), all, 0x800, udp4(own.V4, victim.V4, 67, 68))},
		{"DHCPv6", "dhcp", ether(own.mac(), victim.mac(), 0x86dd, ipv6(own.LL, victim.LL, 17, udp(547, 546)))},
		{"RA", "ra", ether(own.mac(), victim.mac(), 0x86dd, ipv6(own.LL, group, 58, append([]byte{134, 0, 0, 0}, make([]byte, 12)...)))},
		{"ND redirect", "ra", ether(own.mac(), victim.mac(), 0x86dd, ipv6(own.LL, victim.V6, 58, nd(137, own.LL)))},
		{"redirect", "ra", ether(own.mac(), victim.mac(), 0x800, ipv4(own.V4, victim.V4, 1, []byte{5, 0, 0, 0, 10, 0, 0, 1}))},
		{"VLAN", "other", tagged},
		{"VLAN with TCP", "other", ether(own.mac(), victim.mac(), 0x8100, append([]byte{0, 6, 8, 0}, ipv4(own.V4, victim.V4, 6, make([]byte, 20))...))},
		{"TCP from the gateway", "ipv4", ether(own.mac(), victim.mac(), 0x800, ipv4(gateway.V4, victim.V4, 6, make([]byte, 20)))},
		{"TCP from the gateway's IPv6", "ipv6", ether(own.mac(), victim.mac(), 0x86dd, ipv6(gateway.V6, victim.V6, 6, make([]byte, 20)))},
		{"spanning tree", "other", ether(own.mac(), net.HardwareAddr{1, 0x80, 0xc2, 0, 0, 3}, 0x88b5, []byte{1, 2, 3})},
		{"honest ARP", "", ether(own.mac(), all, 0x806, arp(1, own.mac(), own.V4, victim.V4))},
		{"honest ND", "", ether(own.mac(), all, 0x86dd, ipv6(own.V6, group, 58, nd(136, own.V6)))},
		{endMark, "", ether(own.mac(), all, 0x806, arp(2, own.mac(), own.V4, own.V4))},
	}
}

func ether(from, to net.HardwareAddr, kind uint16, payload []byte) []byte {
	return slices.Concat(to, from, binary.BigEndian.AppendUint16(nil, kind), payload)
}

func udp(sport, dport uint16) []byte {
	b := binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(nil, sport), dport)
	return append(b, 0, 12, 0, 0, 'f', 'o', 'u', 'l')
}

func arp(op byte, mac net.HardwareAddr, sender, target netip.Addr) []byte {
	return slices.Concat([]byte{0, 1, 8, 0, 6, 4, 0, op}, mac, sender.AsSlice(), make([]byte, 6), target.AsSlice())
}

func ipv4(from, to netip.Addr, protocol byte, payload []byte) []byte {
	h := slices.Concat([]byte{0x45, 0, 0, byte(20 + len(payload)), 0, 1, 0, 0, 64, protocol, 0, 0}, from.AsSlice(), to.AsSlice())
	sum := uint32(0)
	for i := 0; i < len(h); i += 2 {
		sum += uint32(h[i])<<8 | uint32(h[i+1])
	}
	for sum > 0xffff {
		sum = sum&0xffff + sum>>16
	}
	binary.BigEndian.PutUint16(h[10:], ^uint16(sum))
	return append(h, payload...)
}

func ipv6(from, to netip.Addr, next byte, payload []byte) []byte {
	return slices.Concat([]byte{0x60, 0, 0, 0, 0, byte(len(payload)), next, 255}, from.AsSlice(), to.AsSlice(), payload)
}

// forgeTool sends every frame on eth0: forge PARTIES.
func forgeTool(args []string) int {
	fd, frames, err := openRaw("eth0", args[0])
	for _, f := range frames {
		if err == nil {
			err = unix.Send(fd, f.bytes, 0)
		}
	}
	return told(err)
}

// sniffTool says on a line which of the frames arrived on an interface, until the last one did.
func sniffTool(args []string) int {
	fd, frames, err := openRaw(args[0], args[1])
	if err != nil {
		return told(err)
	}
	fmt.Println("ready")
	for buf := make([]byte, 2048); ; {
		n, _, err := unix.Recvfrom(fd, buf, 0)
		if err != nil {
			return told(err)
		}
		for _, f := range frames {
			if bytes.HasPrefix(buf[:n], f.bytes) {
				fmt.Println(f.name)
				if f.name == endMark {
					return 0
				}
			}
		}
	}
}

func openRaw(iface, parties string) (fd int, frames []frame, err error) {
	var p [3]party
	if err := json.Unmarshal([]byte(parties), &p); err != nil {
		return 0, nil, err
	}
	link, err := net.InterfaceByName(iface)
	if err != nil {
		return 0, nil, err
	}
	const everything = unix.ETH_P_ALL<<8 | unix.ETH_P_ALL>>8 // in network order
	if fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, everything); err != nil {
		return 0, nil, err
	}
	return fd, forgeries(p[0], p[1], p[2]),
		unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: everything, Ifindex: link.Index})
}

func told(err error) int {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}
