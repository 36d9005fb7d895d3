package worker

import (
	"encoding/binary"
	"io"
	"net"
	"sync"

	"golang.org/x/crypto/ssh"
)

// agent is the client's ssh-agent(1), as programs inside reach it (draft-miller-ssh-agent).
type agent struct {
	mu   sync.Mutex // guards what follows
	open bool
}

const (
	// agentMost bounds a message, as OpenSSH does (AGENT_MAX_LEN).
	agentMost = 256 << 10

	agentFailure = 5
)

// What programs inside may ask: which keys there are, for a signature, and extensions, by which ssh tells the
// agent for whom it signs (session-bind@openssh.com). Nothing that would change what the agent holds or have
// it load something (CVE-2023-38408): it is the client's.
var agentTakes = map[byte]bool{11: true, 13: true, 27: true}

// forwardAgent makes the socket inside by which the client's agent is reached; it reports whether there is
// one. A connection has one for all its sessions.
func (s *server) forwardAgent() bool {
	s.agent.mu.Lock()
	defer s.agent.mu.Unlock()
	if s.agent.open {
		return true
	}
	l, forward, err := s.listenAt(Request{Op: OpAgent})
	if err != nil {
		return false
	}
	s.agent.open = true
	go s.accepted(l, func(conn net.Conn) {
		if channel, ok := s.openTo(conn, "auth-agent@openssh.com", nil); ok {
			s.passAgent(channel, conn, forward)
		}
	})
	return true
}

// passAgent passes questions and answers, one at a time, until either side has enough.
func (s *server) passAgent(channel ssh.Channel, conn net.Conn, forward string) {
	inside, client := &counter{ReadWriter: conn}, &counter{ReadWriter: channel}
	answers, over := make(chan []byte), make(chan struct{})
	go func() {
		defer close(answers)
		defer conn.Close() // the client has left: whoever asks inside is not to wait
		for {
			answer, err := agentMessage(channel)
			if err != nil {
				return
			}
			select {
			case answers <- answer:
			case <-over:
				return
			}
		}
	}()
	for relayAgent(inside, client, answers) == nil {
	}
	close(over)
	channel.Close()
	conn.Close()
	s.control.ask(Request{Op: OpUsed, Forward: forward, Received: client.wrote, Sent: inside.wrote})
}

// A counter knows how many bytes were written.
type counter struct {
	io.ReadWriter
	wrote int64
}

func (c *counter) Write(b []byte) (int, error) {
	n, err := c.ReadWriter.Write(b)
	c.wrote += int64(n)
	return n, err
}

// relayAgent has one question from inside answered by the client's agent; what may not be asked fails.
func relayAgent(inside, client io.ReadWriter, answers <-chan []byte) error {
	question, err := agentMessage(inside)
	if err != nil {
		return err
	}
	if !agentTakes[question[4]] {
		_, err := inside.Write([]byte{0, 0, 0, 1, agentFailure})
		return err
	}
	if _, err := client.Write(question); err != nil {
		return err
	}
	answer, ok := <-answers
	if !ok {
		return io.EOF
	}
	_, err = inside.Write(answer)
	return err
}

// agentMessage reads one message with its length, of at least one byte.
func agentMessage(r io.Reader) ([]byte, error) {
	head := make([]byte, 4)
	if _, err := io.ReadFull(r, head); err != nil {
		return nil, err
	}
	size := binary.BigEndian.Uint32(head)
	if size == 0 || size > agentMost {
		return nil, io.ErrUnexpectedEOF
	}
	message := append(head, make([]byte, size)...)
	_, err := io.ReadFull(r, message[4:])
	return message, err
}
