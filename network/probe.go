package network

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"lodge/inventory"
)

// probeTime is how long a neighbour may take to answer for an address. RFC 5227, 2.1.1, waits up to two
// seconds for three probes, for links that come up first; the bridge or card here is up.
const probeTime = 300 * time.Millisecond

// Holder asks who on the host's interface of a network answers for an IPv4 address (an ARP probe, RFC
// 5227, 2.1): the MAC, or nil for nobody. It waits probeTime for the answer. A managed network is not
// asked: nobody on it answers for what isn't his.
func Holder(ctx context.Context, n inventory.Network, ip netip.Addr) (net.HardwareAddr, error) {
	if n.IsManaged() || n.Bridge == "" {
		return nil, nil
	}
	link, err := net.InterfaceByName(n.Bridge)
	if err != nil {
		return nil, inventory.Errorf(inventory.ErrNotFound, "network %s: this host has no interface %s", n.Name, n.Bridge)
	}
	socket, err := arpSocket(link)
	if err != nil {
		return nil, fmt.Errorf("ask on %s who has %s: %w", n.Bridge, ip, err)
	}
	defer socket.Close()
	defer context.AfterFunc(ctx, func() { socket.SetDeadline(time.Now()) })()
	socket.SetDeadline(time.Now().Add(probeTime))
	mac, err := askHolder(socket, link, ip)
	if err != nil {
		return nil, fmt.Errorf("ask on %s who has %s: %w", n.Bridge, ip, err)
	}
	return mac, context.Cause(ctx)
}

// arpSocket sends and gets the ARP packets of one link, without their Ethernet headers (packet(7)).
func arpSocket(link *net.Interface) (*os.File, error) {
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	here := &unix.SockaddrLinklayer{Protocol: bigEndian(unix.ETH_P_ARP), Ifindex: link.Index}
	if err := unix.Bind(fd, here); err != nil {
		unix.Close(fd)
		return nil, err
	}
	return os.NewFile(uintptr(fd), "arp"), nil
}

func bigEndian(v uint16) uint16 {
	return binary.NativeEndian.Uint16(binary.BigEndian.AppendUint16(nil, v))
}

// Offsets into an ARP packet for IPv4 on Ethernet (RFC 826).
const (
	arpSender   = 8 // its MAC, then its address
	arpSenderIP = 14
	arpTargetIP = 24
	arpLength   = 28
)

// askHolder sends one probe and waits for who has the address, or uses it just now.
func askHolder(socket *os.File, link *net.Interface, ip netip.Addr) (net.HardwareAddr, error) {
	want := ip.As4()
	if err := sendARP(socket, link, netip.IPv4Unspecified(), ip); err != nil {
		return nil, err
	}
	for answer := make([]byte, 128); ; {
		n, err := socket.Read(answer)
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			return nil, nil
		case err != nil:
			return nil, err
		case n >= arpLength && [4]byte(answer[arpSenderIP:]) == want:
			return net.HardwareAddr(answer[arpSender:arpSenderIP:arpSenderIP]), nil
		}
	}
}

// sendARP asks everybody on a link who has an address. From the unspecified one it is a probe: nobody
// learns who asks.
func sendARP(socket *os.File, link *net.Interface, from, ip netip.Addr) error {
	question := append([]byte{0, 1, 8, 0, 6, 4, 0, 1}, make([]byte, arpLength-arpSender)...) // Ethernet, IPv4, lengths 6 and 4, a request
	copy(question[arpSender:], link.HardwareAddr)
	copy(question[arpSenderIP:], from.AsSlice())
	copy(question[arpTargetIP:], ip.AsSlice())
	raw, err := socket.SyscallConn()
	if err != nil {
		return err
	}
	everybody := &unix.SockaddrLinklayer{Protocol: bigEndian(unix.ETH_P_ARP), Ifindex: link.Index, Halen: 6,
		Addr: [8]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}}
	var sent error
	err = raw.Write(func(fd uintptr) bool {
		sent = unix.Sendto(int(fd), question, 0, everybody)
		return sent != unix.EAGAIN
	})
	return errors.Join(err, sent)
}
