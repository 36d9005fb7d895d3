package worker

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"

	"golang.org/x/crypto/ssh"

	"lodge/inventory"
)

// forwardsMost bounds the connections forwarded at a time.
const forwardsMost = 64

// listenersMost bounds the ports a connection may have forwarded to its client.
const listenersMost = 16

// forward connects a channel with a port that is reached from inside the container (RFC 4254 7.2).
func (s *server) forward(c ssh.NewChannel) {
	var m struct {
		Host       string
		Port       uint32
		Origin     string
		OriginPort uint32
	}
	if ssh.Unmarshal(c.ExtraData(), &m) != nil || m.Port == 0 || m.Port > 65535 {
		c.Reject(ssh.ConnectionFailed, "no such port")
		return
	}
	if !s.forwards.take() {
		c.Reject(ssh.ResourceShortage, "too many forwarded connections")
		return
	}
	defer s.forwards.free()
	s.dial(c, Request{Op: OpDial, Host: m.Host, Port: int(m.Port)}, notConnected)
}

// dial connects a channel with what the gateway is asked for.
func (s *server) dial(c ssh.NewChannel, r Request, why func(error) (ssh.RejectionReason, string)) {
	f, a, err := s.control.askFile(r)
	if err != nil {
		c.Reject(why(err))
		return
	}
	conn, err := connOf(f)
	if err != nil {
		c.Reject(ssh.ConnectionFailed, "the connection was lost")
		return
	}
	channel, requests, err := c.Accept()
	if err != nil {
		conn.Close()
		return
	}
	go ssh.DiscardRequests(requests)
	s.pass(channel, conn, a.Forward)
}

// notConnected says why in the words of OpenSSH's server: the system's own for what failed.
func notConnected(err error) (ssh.RejectionReason, string) {
	if errors.Is(err, inventory.ErrDenied) {
		return ssh.Prohibited, printableLine(err.Error())
	}
	words := err.Error()
	if at := strings.LastIndex(words, "connect: "); at >= 0 {
		words = words[at+len("connect: "):]
		words = strings.ToUpper(words[:1]) + words[1:]
	}
	return ssh.ConnectionFailed, printableLine(words)
}

func connOf(f *os.File) (net.Conn, error) {
	defer f.Close()
	return net.FileConn(f)
}

// pass carries bytes both ways; the end of one way is passed on and leaves the other open.
func (s *server) pass(channel ssh.Channel, conn net.Conn, forward string) {
	var received, sent int64
	var both sync.WaitGroup
	both.Go(func() {
		sent, _ = io.Copy(conn, channel)
		if half, ok := conn.(interface{ CloseWrite() error }); ok {
			half.CloseWrite()
		}
	})
	both.Go(func() {
		received, _ = io.Copy(channel, conn)
		channel.CloseWrite()
	})
	both.Wait()
	channel.Close()
	conn.Close()
	s.control.ask(Request{Op: OpUsed, Forward: forward, Received: received, Sent: sent})
}

func printableLine(s string) string {
	line := []rune{}
	for _, r := range s {
		if r >= ' ' && r != 0x7f {
			line = append(line, r)
		}
	}
	return string(line)
}

// globals answers what concerns the whole connection.
func (s *server) globals(requests <-chan *ssh.Request) {
	listeners := map[string]listener{} // by kind and address
	defer func() {
		for _, l := range listeners {
			l.Close()
		}
	}()
	for r := range requests {
		var reply []byte
		ok := false
		switch r.Type {
		case "tcpip-forward":
			reply, ok = s.listen(r.Payload, listeners)
		case "cancel-tcpip-forward":
			ok = s.cancel(r.Payload, listeners)
		case "streamlocal-forward@openssh.com":
			ok = s.listenUnix(r.Payload, listeners)
		case "cancel-streamlocal-forward@openssh.com":
			ok = s.cancelUnix(r.Payload, listeners)
		case "keepalive@openssh.com":
			ok = true
		}
		if r.WantReply {
			r.Reply(ok, reply)
		}
	}
}

// A listener is inside the container; what comes to it goes to the client.
type listener struct {
	net.Listener
	forward string // its name to the gateway
}

type bindMessage struct {
	Host string
	Port uint32
}

func (m bindMessage) String() string { return fmt.Sprintf("%s:%d", m.Host, m.Port) }

// listen opens a port inside the container whose connections go to the client (RFC 4254 7.1).
func (s *server) listen(payload []byte, listeners map[string]listener) (reply []byte, ok bool) {
	var m bindMessage
	if ssh.Unmarshal(payload, &m) != nil || m.Port > 65535 || len(listeners) >= listenersMost {
		return nil, false
	}
	f, a, err := s.control.askFile(Request{Op: OpListen, Host: m.Host, Port: int(m.Port)})
	if err != nil {
		return nil, false
	}
	defer f.Close()
	l, err := net.FileListener(f)
	if err != nil {
		return nil, false
	}
	if m.Port == 0 {
		reply = ssh.Marshal(struct{ Port uint32 }{uint32(a.Port)})
		m.Port = uint32(a.Port)
	}
	listeners[m.String()] = listener{l, a.Forward}
	go s.accepted(l, func(conn net.Conn) { s.forwardBack(conn, m, a.Forward) })
	return reply, true
}

func (s *server) cancel(payload []byte, listeners map[string]listener) bool {
	var m bindMessage
	if ssh.Unmarshal(payload, &m) != nil {
		return false
	}
	return s.unlisten(m.String(), listeners)
}

func (s *server) unlisten(key string, listeners map[string]listener) bool {
	l, ok := listeners[key]
	if ok {
		l.Close()
		delete(listeners, key)
		s.control.ask(Request{Op: OpClosed, Forward: l.forward})
	}
	return ok
}

// accepted has each connection passed on, as many at a time as there may be.
func (s *server) accepted(l net.Listener, pass func(net.Conn)) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		if !s.forwards.take() {
			conn.Close()
			continue
		}
		go func() {
			defer s.forwards.free()
			pass(conn)
		}()
	}
}

func (s *server) forwardBack(conn net.Conn, at bindMessage, forward string) {
	from, _ := conn.RemoteAddr().(*net.TCPAddr)
	if from == nil {
		conn.Close()
		return
	}
	m := struct {
		Host       string
		Port       uint32
		Origin     string
		OriginPort uint32
	}{at.Host, at.Port, from.IP.String(), uint32(from.Port)}
	channel, requests, err := s.conn.OpenChannel("forwarded-tcpip", ssh.Marshal(m))
	if err != nil {
		conn.Close()
		return
	}
	go ssh.DiscardRequests(requests)
	s.pass(channel, conn, forward)
}
