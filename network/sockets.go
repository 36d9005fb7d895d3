package network

import (
	"fmt"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"

	"lodge/inventory"
	"lodge/network/lease"
	"lodge/network/names"
)

const dnsPort = 53

// queueBytes is the room for questions that wait: some 5000 of them, by what the kernel counts for each.
const queueBytes = 4 << 20

// socketNames lists the sockets the name server needs: both protocols on every gateway address.
func socketNames(nets []inventory.Network) []string {
	var out []string
	for _, n := range nets {
		for _, p := range []netip.Prefix{n.IPv4, n.IPv6} {
			if p.IsValid() && (p.Addr().Is4() || HasIPv6()) {
				at := netip.AddrPortFrom(p.Addr(), dnsPort)
				out = append(out, names.SocketName("udp", at), names.SocketName("tcp", at))
			}
		}
	}
	return out
}

// listenNames lists the sockets that settings ask for beside the bridges'.
func (s *Service) listenNames() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []string
	for _, at := range s.options.Listen {
		out = append(out, names.SocketName("udp", at), names.SocketName("tcp", at))
	}
	return out
}

// bindSocket makes a socket by the name both sides know it by. One of the name server is bound to the
// address and not to the bridge, so it outlives a bridge that is made anew; packet sockets don't.
func bindSocket(name string) (names.Socket, error) {
	if lease.IsSocket(name) {
		return lease.Open(name)
	}
	var network, text string
	if _, err := fmt.Sscan(name, &network, &text); err != nil {
		return names.Socket{}, fmt.Errorf("socket %q: %w", name, err)
	}
	at, err := netip.ParseAddrPort(text)
	if err != nil {
		return names.Socket{}, fmt.Errorf("socket %q: %w", name, err)
	}
	fd, err := bind(network, at)
	if err == unix.EADDRINUSE {
		return names.Socket{}, inventory.Errorf(inventory.ErrUnavailable,
			"another program answers on %s; tell it to listen only on its own addresses "+
				"(dnsmasq: bind-dynamic; named: listen-on; unbound: interface)", name)
	} else if err != nil {
		return names.Socket{}, fmt.Errorf("bind %s: %w", name, err)
	}
	return names.Socket{Name: name, File: os.NewFile(uintptr(fd), name)}, nil
}

func bind(network string, at netip.AddrPort) (fd int, err error) {
	family, kind := unix.AF_INET, unix.SOCK_DGRAM
	var addr unix.Sockaddr = &unix.SockaddrInet4{Port: int(at.Port()), Addr: as4(at.Addr())}
	if at.Addr().Is6() {
		family, addr = unix.AF_INET6, &unix.SockaddrInet6{Port: int(at.Port()), Addr: at.Addr().As16()}
	}
	if network == "tcp" {
		kind = unix.SOCK_STREAM
	}
	if fd, err = unix.Socket(family, kind|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0); err != nil {
		return -1, err
	}
	for _, opt := range socketOptions(family, kind) {
		if err = unix.SetsockoptInt(fd, opt[0], opt[1], 1); err != nil {
			unix.Close(fd)
			return -1, err
		}
	}
	if kind == unix.SOCK_DGRAM {
		// A role that has to wait for a CPU must not lose the questions of many for the haste of one.
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, queueBytes)
	}
	if err = unix.Bind(fd, addr); err == nil && kind == unix.SOCK_STREAM {
		err = unix.Listen(fd, 128)
	}
	if err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// socketOptions: FREEBIND takes an address the bridge does not have at this instant; REUSEADDR gets
// over connections of the last role in TIME_WAIT.
func socketOptions(family, kind int) [][2]int {
	var out [][2]int
	if family == unix.AF_INET6 {
		out = append(out, [2]int{unix.IPPROTO_IPV6, unix.IPV6_V6ONLY}, [2]int{unix.IPPROTO_IPV6, unix.IPV6_FREEBIND})
	} else {
		out = append(out, [2]int{unix.IPPROTO_IP, unix.IP_FREEBIND})
	}
	if kind == unix.SOCK_STREAM {
		out = append(out, [2]int{unix.SOL_SOCKET, unix.SO_REUSEADDR})
	}
	return out
}

func as4(a netip.Addr) (out [4]byte) {
	if a.Is4() {
		out = a.As4()
	}
	return out
}
