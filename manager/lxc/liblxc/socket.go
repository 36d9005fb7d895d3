package liblxc

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"

	"lodge/inventory"
	"lodge/manager/unprivileged"
)

// SocketReply comes with the socket.
type SocketReply struct {
	Port  int    `json:"port,omitempty"` // that was bound
	Error string `json:"error,omitempty"`
	Kind  string `json:"kind,omitempty"`
}

// Socket opens one TCP socket in a container's network and sends it over its standard output, which is a
// Unix socket: ARGS are "connect" or "listen", HOST, PORT and the name server that knows the names, and
// descriptor 3 is init's pidfd. Nothing of the container's files is read.
func Socket(args []string) int {
	file := os.NewFile(1, "stdout")
	conn, err := net.FileConn(file)
	out, ok := conn.(*net.UnixConn)
	if err != nil || !ok || len(args) != 4 {
		fmt.Fprintln(os.Stderr, "usage: lodge-lxc socket connect|listen HOST PORT SERVER 3<PIDFD")
		return 2
	}
	var reply SocketReply
	f, port, err := openSocket(args[0], 3, args[1], args[2], args[3])
	if err != nil {
		reply.Error = err.Error()
		kind, _ := inventory.Kind(err)
		reply.Kind = cmp.Or(kind.Name, "unavailable")
		unprivileged.Send(out, reply, nil)
		return 1
	}
	reply.Port = port
	if unprivileged.Send(out, reply, []*os.File{f}) != nil {
		return 1
	}
	return 0
}

func openSocket(what string, pidfd int, host, port, server string) (f *os.File, bound int, err error) {
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return nil, 0, inventory.Errorf(inventory.ErrInvalid, "%q is no port", port)
	}
	addresses, err := lookup(host, server, what == "listen")
	if err != nil {
		return nil, 0, err
	}
	err = elsewhere(func() error {
		if err := enterNetwork(pidfd); err != nil {
			return err
		}
		for _, a := range addresses {
			at := netip.AddrPortFrom(a, uint16(number))
			if what == "listen" {
				f, bound, err = listenTCP(at)
			} else {
				f, err = connectTCP(at)
			}
			if err == nil {
				return nil
			}
		}
		return err
	})
	if err == unix.ESRCH {
		return nil, 0, errStopped
	}
	if err != nil {
		return nil, 0, inventory.Errorf(inventory.ErrUnavailable, "%s %s: %v", what, net.JoinHostPort(host, port), err)
	}
	return f, bound, nil
}

func connectTCP(to netip.AddrPort) (*os.File, error) {
	c, err := dialHere("tcp", to)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	return c.(*net.TCPConn).File()
}

// dialHere connects from the network namespace of this thread, which is locked. Package net makes the
// socket of one address in the goroutine that asks for it, but races two: for [::], which is here in any
// case, it tries 0.0.0.0 as well, from other threads and so from the host's network.
func dialHere(network string, to netip.AddrPort) (net.Conn, error) {
	switch a := to.Addr(); {
	case a.Is4() && a.IsUnspecified():
		to = netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), to.Port())
	case a.IsUnspecified():
		to = netip.AddrPortFrom(netip.IPv6Loopback(), to.Port())
	}
	thread := unix.Gettid()
	d := net.Dialer{Timeout: dialTimeout, Control: func(string, string, syscall.RawConn) error {
		if unix.Gettid() != thread {
			return errors.New("the socket is of another thread, which may be in another network")
		}
		return nil
	}}
	return d.Dial(network, to.String())
}

func listenTCP(at netip.AddrPort) (*os.File, int, error) {
	l, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(at))
	if err != nil {
		return nil, 0, err
	}
	defer l.Close()
	f, err := l.File()
	return f, l.Addr().(*net.TCPAddr).Port, err
}
