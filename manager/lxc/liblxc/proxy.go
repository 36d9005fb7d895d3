package liblxc

import (
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"

	"lodge/inventory"
)

// nobody is who a proxy runs as once its sockets are open: of no use to anybody.
const nobody = 65534

// Proxy passes one port of the host into a container or one of a container out: ARGS are "start", the pid
// of its init, SIDE, LISTEN and CONNECT. SIDE is where it listens, "host" or "container"; LISTEN and
// CONNECT are like tcp:127.0.0.1:80. It opens the listening socket, leaves a process of nobody's behind
// that outlives the agent and ends with init, and prints {pid} or {error, kind}.
func Proxy(args []string) int {
	if len(args) == 4 && args[0] == "serve" {
		return serveProxy(args[1:])
	}
	pid, err := strconv.Atoi(word(args, 1))
	if len(args) != 5 || args[0] != "start" || err != nil {
		fmt.Fprintln(os.Stderr, "usage: lodge-lxc proxy start PID host|container LISTEN CONNECT")
		return 2
	}
	child, err := startProxy(pid, args[2], args[3], args[4])
	if err != nil {
		return reply(err)
	}
	json.NewEncoder(os.Stdout).Encode(struct {
		PID int `json:"pid"`
	}{child})
	return 0
}

func startProxy(pid int, side, listen, connect string) (int, error) {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return 0, errStopped
	}
	init := os.NewFile(uintptr(fd), "init")
	var socket *os.File
	open := func() error {
		if side == "container" {
			if err := enterNetwork(fd); err != nil {
				return err
			}
		}
		socket, err = listenOn(listen)
		return err
	}
	if err := elsewhere(open); err != nil {
		return 0, inventory.Errorf(inventory.ErrUnavailable, "listen on %s of the %s: %v", listen, side, err)
	}
	cmd := exec.Command("/proc/self/exe", "proxy", "serve", side, listen, connect)
	cmd.Env, cmd.Dir, cmd.ExtraFiles = []string{}, "/", []*os.File{init, socket}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	return cmd.Process.Pid, nil
}

// enterNetwork moves this thread into the network namespace of the process.
func enterNetwork(pidfd int) error { return unix.Setns(pidfd, unix.CLONE_NEWNET) }

// listenOn opens a socket in the network namespace of this thread.
func listenOn(address string) (*os.File, error) {
	network, at, err := inventory.ParseProxyAddress(address)
	if err != nil {
		return nil, err
	}
	if network == "udp" {
		c, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(at))
		if err != nil {
			return nil, err
		}
		return c.File()
	}
	l, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(at))
	if err != nil {
		return nil, err
	}
	return l.File()
}

// serveProxy is the process that stays: descriptor 3 is init's pidfd, 4 the listening socket.
func serveProxy(args []string) int {
	os.WriteFile("/proc/self/comm", []byte("lodge-proxy"), 0)
	side, listen, connect := args[0], args[1], args[2]
	network, to, err := inventory.ParseProxyAddress(connect)
	if err != nil {
		return 2
	}
	d := newDialer(network, to)
	entered := make(chan error)
	go d.run(3, side == "host", entered)
	if err := <-entered; err != nil {
		return 1
	}
	// From here on it can do nothing but what its sockets do.
	for _, err := range []error{syscall.Setgroups(nil), syscall.Setresgid(nobody, nobody, nobody),
		syscall.Setresuid(nobody, nobody, nobody), unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)} {
		if err != nil {
			return 1
		}
	}
	go func() {
		unix.Poll([]unix.PollFd{{Fd: 3, Events: unix.POLLIN}}, -1)
		os.Exit(0)
	}()
	socket := os.NewFile(4, "socket")
	if from, _, _ := inventory.ParseProxyAddress(listen); from == "udp" {
		return passPackets(socket, d)
	}
	return passStreams(socket, d)
}

// A dialer opens connections from the network namespace its thread is in.
type dialer struct {
	network string
	to      netip.AddrPort
	ask     chan chan dialed
}

type dialed struct {
	conn net.Conn
	err  error
}

func newDialer(network string, to netip.AddrPort) *dialer {
	return &dialer{network, to, make(chan chan dialed)}
}

// run never gives its thread back: it is in another namespace. The connect itself is not waited for by
// others, as a goroutine of net's own waits for it.
func (d *dialer) run(pidfd int, enter bool, entered chan<- error) {
	runtime.LockOSThread()
	var err error
	if enter {
		err = enterNetwork(pidfd)
	}
	entered <- err
	for answer := range d.ask {
		c, err := dialHere(d.network, d.to)
		answer <- dialed{c, err}
	}
}

func (d *dialer) dial() (net.Conn, error) {
	answer := make(chan dialed)
	d.ask <- answer
	got := <-answer
	return got.conn, got.err
}
