package worker

import (
	"errors"
	"net"
	"strings"

	"golang.org/x/crypto/ssh"

	"lodge/inventory"
)

// Forwarding of Unix sockets: OpenSSH's PROTOCOL, 2.4.

// pathMost bounds a path; the gateway knows what fits into an address.
const pathMost = 255

// forwardUnix connects a channel with a Unix socket inside the container.
func (s *server) forwardUnix(c ssh.NewChannel) {
	var m struct {
		Path     string
		Origin   string
		Reserved uint32
	}
	if ssh.Unmarshal(c.ExtraData(), &m) != nil || !isPath(m.Path) {
		c.Reject(ssh.ConnectionFailed, "open failed")
		return
	}
	if !s.forwards.take() {
		c.Reject(ssh.ResourceShortage, "too many forwarded connections")
		return
	}
	defer s.forwards.free()
	s.dial(c, Request{Op: OpDial, Path: m.Path}, notOpened)
}

// notOpened says why in the words of OpenSSH's server, which has none for sockets that don't answer.
func notOpened(err error) (ssh.RejectionReason, string) {
	if errors.Is(err, inventory.ErrDenied) {
		return ssh.Prohibited, printableLine(err.Error())
	}
	return ssh.ConnectionFailed, "open failed"
}

func isPath(path string) bool {
	return path != "" && len(path) <= pathMost && !strings.ContainsRune(path, 0)
}

type pathMessage struct{ Path string }

func (m pathMessage) String() string { return "unix:" + m.Path }

func (s *server) listenUnix(payload []byte, listeners map[string]listener) bool {
	var m pathMessage
	if ssh.Unmarshal(payload, &m) != nil || !isPath(m.Path) || len(listeners) >= listenersMost {
		return false
	}
	l, forward, err := s.listenAt(Request{Op: OpListen, Path: m.Path})
	if err != nil {
		return false
	}
	listeners[m.String()] = listener{l, forward}
	opened := ssh.Marshal(struct{ Path, Reserved string }{m.Path, ""})
	go s.accepted(l, func(conn net.Conn) {
		if channel, ok := s.openTo(conn, "forwarded-streamlocal@openssh.com", opened); ok {
			s.pass(channel, conn, forward)
		}
	})
	return true
}

func (s *server) cancelUnix(payload []byte, listeners map[string]listener) bool {
	var m pathMessage
	return ssh.Unmarshal(payload, &m) == nil && s.unlisten(m.String(), listeners)
}

// listenAt asks for a listener inside the container, and the name it has to the gateway.
func (s *server) listenAt(r Request) (net.Listener, string, error) {
	f, a, err := s.control.askFile(r)
	if err != nil {
		return nil, "", err
	}
	defer f.Close()
	l, err := net.FileListener(f)
	return l, a.Forward, err
}

// openTo opens a channel to the client for a connection from inside; where that fails conn is closed.
func (s *server) openTo(conn net.Conn, kind string, payload []byte) (ssh.Channel, bool) {
	channel, requests, err := s.conn.OpenChannel(kind, payload)
	if err != nil {
		conn.Close()
		return nil, false
	}
	go ssh.DiscardRequests(requests)
	return channel, true
}
