package lease

import (
	"fmt"
	"log/slog"
	"net"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"lodge/network/names"
)

// Protocols of the packet sockets, as they stand in a socket's name.
const (
	packet4 = "packet4"
	packet6 = "packet6"
	// maxPacket is the largest a client sends: no fragments, and no jumbo frame is needed to ask.
	maxPacket = 1500
)

// SocketNames lists the packet sockets of a bridge with an interface index. A bridge that is made anew
// has another index, and needs others.
func SocketNames(bridge string, index int, ipv6 bool) []string {
	out := []string{fmt.Sprintf("%s %s %d", packet4, bridge, index)}
	if ipv6 {
		out = append(out, fmt.Sprintf("%s %s %d", packet6, bridge, index))
	}
	return out
}

// A Server answers on packet sockets that come and go.
type Server struct {
	log    *slog.Logger
	now    func() time.Time
	links  atomic.Pointer[map[string]*served] // by bridge
	panics atomic.Int64

	mu      sync.Mutex // guards running, and replacing links
	running map[string]*listener
}

type listener struct {
	socket names.Socket
	raw    rawConn
	bridge string
	index  int
	proto  uint16
	done   chan struct{}
}

// NewServer returns a server without sockets that knows nobody.
func NewServer(log *slog.Logger) *Server {
	s := &Server{log: log, now: time.Now, running: map[string]*listener{}}
	s.links.Store(&map[string]*served{})
	return s
}

// SetLinks replaces everything the server answers from, at once.
func (s *Server) SetLinks(links []Link) {
	s.mu.Lock()
	defer s.mu.Unlock()
	before, next := *s.links.Load(), make(map[string]*served, len(links))
	for _, l := range links {
		next[l.Bridge] = newServed(l, before[l.Bridge])
	}
	s.links.Store(&next)
}

// IsSocket reports whether a socket of that name is one for this server.
func IsSocket(name string) bool {
	return strings.HasPrefix(name, packet4+" ") || strings.HasPrefix(name, packet6+" ")
}

// Serve answers on a packet socket from the moment it returns, until Drop. It owns the socket's file.
func (s *Server) Serve(socket names.Socket) error {
	l := &listener{socket: socket, done: make(chan struct{}), proto: unix.ETH_P_IP}
	var kind string
	if _, err := fmt.Sscan(socket.Name, &kind, &l.bridge, &l.index); err != nil {
		return fmt.Errorf("serve on %s: %w", socket.Name, err)
	}
	if kind == packet6 {
		l.proto = unix.ETH_P_IPV6
	}
	raw, err := socket.File.SyscallConn()
	if err != nil {
		return fmt.Errorf("serve on %s: %w", socket.Name, err)
	}
	l.raw = rawConn{raw}
	s.mu.Lock()
	old := s.running[socket.Name]
	s.running[socket.Name] = l
	s.mu.Unlock()
	go s.read(l)
	if l.proto == unix.ETH_P_IPV6 {
		go s.advertise(l)
	}
	old.stop()
	return nil
}

// Drop stops answering on a socket.
func (s *Server) Drop(name string) {
	s.mu.Lock()
	l := s.running[name]
	delete(s.running, name)
	s.mu.Unlock()
	l.stop()
}

// Sockets returns those being served, to hand them to a successor. The files stay the server's.
func (s *Server) Sockets() []names.Socket {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []names.Socket
	for _, l := range s.running {
		out = append(out, l.socket)
	}
	return out
}

// Close drops every socket.
func (s *Server) Close() {
	for _, socket := range s.Sockets() {
		s.Drop(socket.Name)
	}
}

func (l *listener) stop() {
	if l != nil {
		close(l.done)
		l.socket.File.Close() // which ends a read that waits
	}
}

// read answers until the socket is dropped. A bridge that went down or away is no reason to end: the
// kernel says so once per change, and the agent brings another socket for another bridge.
func (s *Server) read(l *listener) {
	buf := make([]byte, maxPacket)
	for {
		n, from, err := l.raw.receive(buf)
		select {
		case <-l.done:
			return
		default:
		}
		if err != nil && err != unix.ENETDOWN {
			s.log.Error("stopped answering", "socket", l.socket.Name, "err", err)
			return
		}
		if err == nil && from.Hatype == unix.ARPHRD_ETHER && from.Pkttype != unix.PACKET_OUTGOING {
			s.packet(l, buf[:n], hardware(from.Addr[:6]))
		}
	}
}

// packet answers one packet. A bug in parsing what a container sent must cost that container an answer,
// not everybody their leases.
func (s *Server) packet(l *listener, raw []byte, from hardware) {
	defer func() {
		if r := recover(); r != nil && s.panics.Add(1) <= 10 {
			s.log.Error("answering a packet panicked", "panic", r, "stack", string(debug.Stack()))
		}
	}()
	link := (*s.links.Load())[l.bridge]
	if link == nil {
		return
	}
	if out, ok := link.reply(l.proto, raw, from, s.now()); ok {
		s.send(l, out, from)
	}
}

// reply is the answer to a packet that came in a frame from h.
func (s *served) reply(proto uint16, raw []byte, h hardware, now time.Time) (out datagram, ok bool) {
	c := s.clients[h]
	if c == nil || !c.limit.take(now) {
		return out, false
	}
	if proto == unix.ETH_P_IP {
		d, ok := parse4(raw)
		if !ok || d.dstPort != portServer4 {
			return out, false
		}
		return s.reply4(d, h, c)
	}
	d, ok := parse6(raw)
	switch {
	case !ok:
		return out, false
	case d.proto == protoICMPv6:
		return s.solicited(d, c)
	case d.dstPort == portServer6:
		return s.reply6(d, c)
	}
	return out, false
}

func (s *Server) send(l *listener, d datagram, to hardware) {
	addr := &unix.SockaddrLinklayer{Protocol: swap(l.proto), Ifindex: l.index, Halen: uint8(len(to))}
	copy(addr.Addr[:], to[:])
	if err := l.raw.send(d.bytes(), addr); err != nil {
		s.log.Debug("answer not sent", "socket", l.socket.Name, "to", net.HardwareAddr(to[:]).String(), "err", err)
	}
}

// advertise tells everybody on the link of the router, now and again.
func (s *Server) advertise(l *listener) {
	tick := time.NewTicker(advertTime)
	defer tick.Stop()
	for {
		if link := (*s.links.Load())[l.bridge]; link != nil {
			if out, ok := link.advert(allNodes, nil); ok {
				s.send(l, out, allNodesMAC)
			}
		}
		select {
		case <-l.done:
			return
		case <-tick.C:
		}
	}
}

// swap puts a protocol into network order, as packet(7) wants it.
func swap(v uint16) uint16 { return v<<8 | v>>8 }
