package network

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"os"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// arpAsker asks by ARP (RFC 826).
type arpAsker struct {
	*os.File
	link *net.Interface
	from netip.Addr
}

// openARP asks as the link's own address. Without one, on a bridge or card of others', it can only probe.
func openARP(link netlink.Link, until time.Time) (asker, error) {
	a := link.Attrs()
	iface := &net.Interface{Index: a.Index, Name: a.Name, HardwareAddr: a.HardwareAddr}
	if len(a.HardwareAddr) != 6 {
		return nil, nil // nothing that speaks ARP
	}
	socket, err := arpSocket(iface)
	if err != nil {
		return nil, err
	}
	from := netip.IPv4Unspecified()
	if addrs, err := netlink.AddrList(link, netlink.FAMILY_V4); err == nil && len(addrs) > 0 {
		from, _ = netip.AddrFromSlice(addrs[0].IP.To4())
	}
	return arpAsker{socket, iface, from}, socket.SetDeadline(until)
}

func (a arpAsker) ask(ip netip.Addr) error {
	if !ip.Is4() {
		return nil
	}
	return sendARP(a.File, a.link, a.from, ip)
}

func (a arpAsker) answer() (netip.Addr, net.HardwareAddr, error) {
	for packet := make([]byte, 128); ; {
		n, err := a.Read(packet)
		if err != nil {
			return netip.Addr{}, nil, over(err)
		}
		if n >= arpLength { // whoever asks with an address uses it, too
			return netip.AddrFrom4([4]byte(packet[arpSenderIP:])), net.HardwareAddr(packet[arpSender:arpSenderIP:arpSenderIP]), nil
		}
	}
}

func over(err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, os.ErrClosed) {
		return errOver
	}
	return err
}

// ndAsker asks by neighbour discovery (RFC 4861).
type ndAsker struct {
	*os.File
	link *net.Interface
}

// openND returns nil where there is no IPv6.
func openND(link netlink.Link, until time.Time) (asker, error) {
	from := linkLocal(link)
	if !from.IsValid() || len(link.Attrs().HardwareAddr) != 6 {
		return nil, nil
	}
	fd, err := unix.Socket(unix.AF_INET6, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.IPPROTO_ICMPV6)
	if err != nil {
		return nil, err
	}
	a := link.Attrs()
	here := &unix.SockaddrInet6{Addr: from.As16(), ZoneId: uint32(a.Index)}
	err = errors.Join(unix.SetsockoptICMPv6Filter(fd, unix.IPPROTO_ICMPV6, icmp6Filter, passOnly(neighborAdvert)),
		unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_MULTICAST_HOPS, 255),
		unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_MULTICAST_LOOP, 0),
		unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_RECVHOPLIMIT, 1),
		unix.BindToDevice(fd, a.Name), unix.Bind(fd, here))
	if err != nil {
		unix.Close(fd)
		return nil, err
	}
	file := os.NewFile(uintptr(fd), "nd")
	return ndAsker{file, &net.Interface{Index: a.Index, HardwareAddr: a.HardwareAddr}}, file.SetDeadline(until)
}

const (
	icmp6Filter      = 1 // ICMP6_FILTER of RFC 3542, 3.2
	neighborSolicit  = 135
	neighborAdvert   = 136
	ndTarget         = 8  // offset into both, after type, code, checksum and flags
	ndOptions        = 24 // offset of the options
	targetLinkOption = 2  // of an advertisement; RFC 4861, 4.6.1
	sourceLinkOption = 1  // of a solicitation
)

// passOnly lets one type of ICMPv6 through.
func passOnly(kind int) *unix.ICMPv6Filter {
	f := &unix.ICMPv6Filter{}
	for i := range f.Data {
		f.Data[i] = ^uint32(0)
	}
	f.Data[kind/32] &^= 1 << (kind % 32)
	return f
}

func (a ndAsker) ask(ip netip.Addr) error {
	if !ip.Is6() {
		return nil
	}
	target := ip.As16()
	question := append([]byte{neighborSolicit, 0, 0, 0, 0, 0, 0, 0}, target[:]...) // the kernel fills the checksum in
	question = append(append(question, sourceLinkOption, 1), a.link.HardwareAddr...)
	// The group of those whose addresses end alike (RFC 4291, 2.7.1).
	group := netip.MustParseAddr("ff02::1:ff00:0").As16()
	copy(group[13:], target[13:])
	raw, err := a.SyscallConn()
	if err != nil {
		return err
	}
	var sent error
	err = raw.Write(func(fd uintptr) bool {
		sent = unix.Sendto(int(fd), question, 0, &unix.SockaddrInet6{Addr: group, ZoneId: uint32(a.link.Index)})
		return sent != unix.EAGAIN
	})
	return errors.Join(err, sent)
}

// answer takes only what was sent on the link itself (RFC 4861, 7.1.2: a hop limit of 255).
func (a ndAsker) answer() (netip.Addr, net.HardwareAddr, error) {
	raw, err := a.SyscallConn()
	if err != nil {
		return netip.Addr{}, nil, err
	}
	for packet, control := make([]byte, 1500), make([]byte, 128); ; {
		var n, m int
		var got error
		err := raw.Read(func(fd uintptr) bool {
			n, m, _, _, got = unix.Recvmsg(int(fd), packet, control, 0)
			return got != unix.EAGAIN
		})
		if err = errors.Join(err, got); err != nil {
			return netip.Addr{}, nil, over(err)
		}
		if mac := linkAddress(packet[:n]); mac != nil && hopLimit(control[:m]) == 255 {
			return netip.AddrFrom16([16]byte(packet[ndTarget:])), mac, nil
		}
	}
}

// linkAddress is the MAC that an advertisement tells of its target; nil if it is none or tells none.
func linkAddress(advert []byte) net.HardwareAddr {
	if len(advert) < ndOptions || advert[0] != neighborAdvert {
		return nil
	}
	for options := advert[ndOptions:]; len(options) >= 8; {
		length := int(options[1]) * 8
		if length == 0 || length > len(options) {
			return nil
		}
		if options[0] == targetLinkOption {
			return net.HardwareAddr(options[2:8:8])
		}
		options = options[length:]
	}
	return nil
}

// hopLimit is that of a received packet (IPV6_HOPLIMIT of RFC 3542, 6.3).
func hopLimit(control []byte) int {
	messages, err := unix.ParseSocketControlMessage(control)
	for _, m := range messages {
		if err == nil && m.Header.Level == unix.IPPROTO_IPV6 && m.Header.Type == unix.IPV6_HOPLIMIT && len(m.Data) >= 4 {
			return int(binary.NativeEndian.Uint32(m.Data))
		}
	}
	return 0
}
