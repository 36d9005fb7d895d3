// Package forgetest has frames that lie about who sends them, a program that sends them, and one that says
// which arrive. The tests of guards share it: those of the rules alone, and those with containers.
package forgetest

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

// A Party is one end of what a forger sends.
type Party struct {
	MAC    string
	V4, V6 netip.Addr
	LL     netip.Addr
}

func (p Party) mac() net.HardwareAddr {
	m, err := net.ParseMAC(p.MAC)
	if err != nil {
		panic(err)
	}
	return m
}

// A Frame is a whole Ethernet frame and what is wrong with it; "" for an honest one.
type Frame struct {
	Name, Kind string
	bytes      []byte
}

// End is the name of the last frame, an honest one.
const End = "end"

// A Scene is a forger, whom it is after, and the gateway, and whether they are neighbours on a bridge or
// the gateway routes between them.
type Scene struct {
	Own, Victim, Gateway Party
	Routed               bool
}

// Frames are one of every sort a guard knows, from the forger to its victim, and honest ones.
func (s Scene) Frames() []Frame {
	frames := forgeries(s.Own, s.Victim, s.Gateway)
	if !s.Routed {
		return frames
	}
	for _, f := range frames { // what is for one machine goes by way of the gateway
		if to := f.bytes[:6]; bytes.Equal(to, s.Victim.mac()) {
			copy(to, s.Gateway.mac())
		}
	}
	last := ether(s.Own.mac(), s.Gateway.mac(), 0x800, ipv4(s.Own.V4, s.Victim.V4, 17, udp(9, 9)))
	return append(frames[:len(frames)-1], Frame{End, "", last})
}

func forgeries(own, victim, gateway Party) []Frame {
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
	return []Frame{
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
		{End, "", ether(own.mac(), all, 0x806, arp(2, own.mac(), own.V4, own.V4))},
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
	binary.BigEndian.PutUint16(h[10:], checksum(h))
	return append(h, payload...)
}

// ipv6 sums payloads up where they have room for it: one that lies about that is dropped for the wrong reason.
func ipv6(from, to netip.Addr, next byte, payload []byte) []byte {
	if at, summed := map[byte]int{17: 6, 58: 2}[next]; summed {
		pseudo := slices.Concat(from.AsSlice(), to.AsSlice(), []byte{0, 0, 0, byte(len(payload)), 0, 0, 0, next}, payload)
		binary.BigEndian.PutUint16(payload[at:], checksum(pseudo))
	}
	return slices.Concat([]byte{0x60, 0, 0, 0, 0, byte(len(payload)), next, 255}, from.AsSlice(), to.AsSlice(), payload)
}

// checksum is that of RFC 1071, over an even number of bytes.
func checksum(b []byte) uint16 {
	sum := uint32(0)
	for i := 0; i < len(b); i += 2 {
		sum += uint32(b[i])<<8 | uint32(b[i+1])
	}
	for sum > 0xffff {
		sum = sum&0xffff + sum>>16
	}
	return ^uint16(sum)
}

// Run is the program: "send INTERFACE SCENE" sends every frame, "sniff INTERFACE SCENE" says "ready" and then
// on a line each which of them arrive, until the last one does. A scene is JSON.
func Run(args []string) int {
	if len(args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: send|sniff INTERFACE SCENE")
		return 2
	}
	var scene Scene
	err := json.Unmarshal([]byte(args[2]), &scene)
	if err == nil {
		err = run(args[0], args[1], scene)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func run(action, iface string, scene Scene) error {
	fd, err := openRaw(iface)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if action == "sniff" {
		return sniff(fd, scene.Frames())
	}
	for _, f := range scene.Frames() {
		if err := unix.Send(fd, f.bytes, 0); err != nil {
			return fmt.Errorf("send %s: %w", f.Name, err)
		}
	}
	return nil
}

func sniff(fd int, frames []Frame) error {
	fmt.Println("ready")
	for buf := make([]byte, 2048); ; {
		n, _, err := unix.Recvfrom(fd, buf, 0)
		if err != nil {
			return err
		}
		for _, f := range frames {
			if !f.arrived(buf[:n]) {
				continue
			}
			fmt.Println(f.Name)
			if f.Name == End {
				return nil
			}
		}
	}
}

// arrived reports whether got is the frame, routed or not: MACs, the time to live and the header's sum
// are other ones then.
func (f Frame) arrived(got []byte) bool {
	const header = 14
	if len(got) < len(f.bytes) || len(f.bytes) < header+20 {
		return bytes.HasPrefix(got, f.bytes)
	}
	got, want := slices.Clone(got[header-2:len(f.bytes)]), slices.Clone(f.bytes[header-2:])
	for _, b := range [][]byte{got, want} {
		switch binary.BigEndian.Uint16(b) {
		case 0x800:
			b[2+8], b[2+10], b[2+11] = 0, 0, 0
		case 0x86dd:
			b[2+7] = 0
		}
	}
	return bytes.Equal(got, want)
}

func openRaw(iface string) (int, error) {
	link, err := net.InterfaceByName(iface)
	if err != nil {
		return -1, err
	}
	const everything = unix.ETH_P_ALL<<8 | unix.ETH_P_ALL>>8 // in network order
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, everything)
	if err != nil {
		return -1, err
	}
	return fd, unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: everything, Ifindex: link.Index})
}
