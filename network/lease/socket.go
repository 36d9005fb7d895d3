package lease

import (
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"lodge/network/names"
)

// Open makes a packet socket by its name, with a filter that lets through what clients ask, and no
// more, and that nobody can take off again. Only root can.
func Open(name string) (names.Socket, error) {
	var kind, bridge string
	var index int
	if _, err := fmt.Sscan(name, &kind, &bridge, &index); err != nil || !IsSocket(name) {
		return names.Socket{}, fmt.Errorf("%q is no packet socket", name)
	}
	proto, program := uint16(unix.ETH_P_IP), filter4()
	if kind == packet6 {
		proto, program = unix.ETH_P_IPV6, filter6()
	}
	// Without a protocol nothing comes in until the filter is on.
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return names.Socket{}, fmt.Errorf("open %s: %w", name, err)
	}
	prog := &unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}
	err = unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, prog)
	if err == nil {
		err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_LOCK_FILTER, 1)
	}
	if err == nil {
		err = unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: swap(proto), Ifindex: index})
	}
	if err != nil {
		unix.Close(fd)
		return names.Socket{}, fmt.Errorf("open %s: %w", name, err)
	}
	return names.Socket{Name: name, File: os.NewFile(uintptr(fd), name)}, nil
}

// rawConn reads and writes a packet socket through the runtime's poller.
type rawConn struct{ syscall.RawConn }

func (c rawConn) receive(buf []byte) (n int, from *unix.SockaddrLinklayer, err error) {
	var sa unix.Sockaddr
	if rerr := c.Read(func(fd uintptr) bool {
		n, sa, err = unix.Recvfrom(int(fd), buf, 0)
		return err != unix.EAGAIN && err != unix.EINTR
	}); rerr != nil {
		return 0, nil, rerr
	}
	from, ok := sa.(*unix.SockaddrLinklayer)
	if err == nil && !ok {
		err = unix.EPROTO
	}
	return n, from, err
}

// send drops what doesn't fit into the queue now: who asked asks again.
func (c rawConn) send(raw []byte, to *unix.SockaddrLinklayer) (err error) {
	if cerr := c.Control(func(fd uintptr) { err = unix.Sendto(int(fd), raw, 0, to) }); cerr != nil {
		return cerr
	}
	return err
}

// filter4 passes unfragmented UDP to port 67; the packet begins with its IPv4 header.
func filter4() []unix.SockFilter {
	return []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_B | unix.BPF_ABS, K: 9},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: protoUDP, Jf: 6},
		{Code: unix.BPF_LD | unix.BPF_H | unix.BPF_ABS, K: 6},
		{Code: unix.BPF_JMP | unix.BPF_JSET | unix.BPF_K, K: 0x3fff, Jt: 4},
		{Code: unix.BPF_LDX | unix.BPF_B | unix.BPF_MSH, K: 0},
		{Code: unix.BPF_LD | unix.BPF_H | unix.BPF_IND, K: 2},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: portServer4, Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: maxPacket},
		{Code: unix.BPF_RET | unix.BPF_K, K: 0},
	}
}

// filter6 passes UDP to port 547 and router solicitations, both right behind the IPv6 header.
func filter6() []unix.SockFilter {
	return []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_B | unix.BPF_ABS, K: 6},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: protoUDP, Jf: 2},
		{Code: unix.BPF_LD | unix.BPF_H | unix.BPF_ABS, K: 42},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: portServer6, Jt: 3, Jf: 4},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: protoICMPv6, Jf: 3},
		{Code: unix.BPF_LD | unix.BPF_B | unix.BPF_ABS, K: 40},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: typeSolicitation, Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: maxPacket},
		{Code: unix.BPF_RET | unix.BPF_K, K: 0},
	}
}
