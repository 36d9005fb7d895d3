package names

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"github.com/miekg/dns"
)

const (
	maxTCP       = 256 // connections open at the same time
	maxTCPSource = 32  // of them from one address
	tcpIdle      = 5 * time.Second
	// drainTime is how long questions that wait for an upstream may still take when a socket is
	// dropped. Who asked asks again, and the successor answers.
	drainTime = time.Second
)

// A Socket is a bound socket of port 53 with the name both sides know it by: "udp 10.86.0.1:53".
type Socket struct {
	Name string
	File *os.File
}

// SocketName is the name of a socket bound to an address; network is udp or tcp.
func SocketName(network string, addr netip.AddrPort) string { return network + " " + addr.String() }

// A Server serves a Handler on sockets that come and go.
type Server struct {
	handler *Handler
	log     *slog.Logger

	pushing sync.Mutex // held while other servers are told

	mu      sync.Mutex // guards running
	running map[string]*listener
}

type listener struct {
	socket Socket
	srv    *dns.Server
	done   chan struct{}
}

// NewServer returns a server without sockets.
func NewServer(h *Handler, log *slog.Logger) *Server {
	return &Server{handler: h, log: log, running: map[string]*listener{}}
}

// Serve answers on a socket from the moment it returns, until Drop. It owns the socket's file.
func (s *Server) Serve(socket Socket) error {
	srv := &dns.Server{Handler: s.handler, TsigProvider: s.handler, MsgAcceptFunc: accept, UDPSize: 4096,
		ReadTimeout: 2 * time.Second, WriteTimeout: 2 * time.Second, MaxTCPQueries: 128,
		IdleTimeout: func() time.Duration { return tcpIdle }}
	var err error
	if len(socket.Name) > 3 && socket.Name[:3] == "udp" {
		srv.PacketConn, err = net.FilePacketConn(socket.File)
	} else if srv.Listener, err = net.FileListener(socket.File); err == nil {
		srv.Listener = newLimited(srv.Listener)
	}
	if err != nil {
		return fmt.Errorf("serve on %s: %w", socket.Name, err)
	}
	l := &listener{socket: socket, srv: srv, done: make(chan struct{})}
	started := make(chan struct{})
	srv.NotifyStartedFunc = func() { close(started) }
	go func() {
		defer close(l.done)
		if err := srv.ActivateAndServe(); err != nil {
			s.log.Error("stopped answering", "socket", socket.Name, "err", err)
		}
	}()
	select {
	case <-started:
	case <-l.done:
		return fmt.Errorf("serve on %s: it ended at once", socket.Name)
	}
	s.mu.Lock()
	old := s.running[socket.Name]
	s.running[socket.Name] = l
	s.mu.Unlock()
	old.stop()
	return nil
}

// Drop stops answering on a socket. Questions it has taken are answered still, within a second.
func (s *Server) Drop(name string) {
	s.mu.Lock()
	l := s.running[name]
	delete(s.running, name)
	s.mu.Unlock()
	l.stop()
}

// Sockets returns those being served, to hand them to a successor. The files stay the server's.
func (s *Server) Sockets() []Socket {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []Socket
	for _, l := range s.running {
		out = append(out, l.socket)
	}
	return out
}

// Close drops every socket.
func (s *Server) Close() {
	var wg sync.WaitGroup
	for _, socket := range s.Sockets() {
		wg.Go(func() { s.Drop(socket.Name) })
	}
	wg.Wait()
}

func (l *listener) stop() {
	if l == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), drainTime)
	defer cancel()
	l.srv.ShutdownContext(ctx)
	l.socket.File.Close()
}

// accept judges a message by its header alone (RFC 1035, 4.1.1): only plain questions go on.
func accept(h dns.Header) dns.MsgAcceptAction {
	const response = 1 << 15
	opcode := int(h.Bits>>11) & 0xF
	switch {
	case h.Bits&response != 0:
		return dns.MsgIgnore
	case opcode != dns.OpcodeQuery:
		return dns.MsgRejectNotImplemented
	case h.Qdcount != 1 || h.Ancount != 0 || h.Nscount > 1 || h.Arcount > 2: // RFC 1995, 3: what the asker has
		return dns.MsgReject
	}
	return dns.MsgAccept
}

// limited closes connections beyond what all, or one address, may hold open.
type limited struct {
	net.Listener
	mu    sync.Mutex // guards the rest
	total int
	by    map[netip.Addr]int
}

func newLimited(l net.Listener) *limited { return &limited{Listener: l, by: map[netip.Addr]int{}} }

// Accept returns the next connection within the limits.
func (l *limited) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		source, _ := netip.ParseAddrPort(conn.RemoteAddr().String())
		if l.enter(source.Addr()) {
			return &limitedConn{Conn: conn, leave: sync.OnceFunc(func() { l.leave(source.Addr()) })}, nil
		}
		conn.Close()
	}
}

func (l *limited) enter(a netip.Addr) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.total >= maxTCP || l.by[a] >= maxTCPSource {
		return false
	}
	l.total++
	l.by[a]++
	return true
}

func (l *limited) leave(a netip.Addr) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.total--
	if l.by[a]--; l.by[a] <= 0 {
		delete(l.by, a)
	}
}

type limitedConn struct {
	net.Conn
	leave func()
}

// Close gives the place free.
func (c *limitedConn) Close() error {
	c.leave()
	return c.Conn.Close()
}
