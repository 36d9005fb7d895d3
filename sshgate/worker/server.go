package worker

import (
	"errors"
	"net"
	"runtime"
	"time"

	"golang.org/x/crypto/ssh"
)

const (
	// What OpenSSH gives a client (LoginGraceTime is longer there: people type passwords).
	exchangeTime = 20 * time.Second
	loginTime    = 60 * time.Second
	// keysMost is how many keys may be offered: agents hold more than OpenSSH's six.
	keysMost = 20

	// cpusMost is on how many CPUs a connection runs that has signed in. Until then it is one (the gateway
	// says so by GOMAXPROCS): threads that look for work would take as much time as the handshake.
	cpusMost = 4

	aliveEvery = 30 * time.Second
	aliveMost  = 3 // unanswered in a row
)

// A server is one connection.
type server struct {
	setup   Setup
	control *control
	conn    *ssh.ServerConn

	agent agent // where programs inside find the client's

	verified bool
	tried    bool // some key was offered
	channels slots
	forwards slots
}

// Ciphers in the order we would choose; the client's order wins (RFC 4253 7.1). chacha20-poly1305 is
// left out: it takes two to three times the time of AES here, and was Terrapin's mode.
var (
	ciphers = []string{ssh.CipherAES128GCM, ssh.CipherAES256GCM, ssh.CipherAES256CTR}
	macs    = []string{ssh.HMACSHA256ETM, ssh.HMACSHA512ETM}
)

func (s *server) config() (*ssh.ServerConfig, error) {
	c := &ssh.ServerConfig{ServerVersion: "SSH-2.0-" + s.setup.Version, MaxAuthTries: keysMost,
		PublicKeyCallback: s.offer, VerifiedPublicKeyCallback: s.accept,
		Config: ssh.Config{Ciphers: ciphers, MACs: macs}}
	if s.setup.Banner != "" {
		c.BannerCallback = func(ssh.ConnMetadata) string { return s.setup.Banner }
	}
	for i, blob := range s.setup.HostKeys {
		public, err := ssh.ParsePublicKey(blob)
		if err != nil {
			return nil, err
		}
		key := hostKey{s.control, i, public}
		c.AddHostKey(key)
		if i >= len(s.setup.Certificates) {
			continue
		}
		if err := addCertificate(c, key, s.setup.Certificates[i]); err != nil {
			return nil, err
		}
	}
	return c, nil
}

func addCertificate(c *ssh.ServerConfig, key hostKey, blob []byte) error {
	parsed, err := ssh.ParsePublicKey(blob)
	if err != nil {
		return err
	}
	certificate, ok := parsed.(*ssh.Certificate)
	if !ok {
		return errors.New("the certificate of the host key is none")
	}
	signer, err := ssh.NewCertSigner(certificate, key)
	if err == nil {
		c.AddHostKey(signer)
	}
	return err
}

// errRefused is all a client hears about a key, whatever the reason.
var errRefused = errors.New("refused")

// offer asks whether a key would be taken. Nothing is decided: who offers it need not have it.
func (s *server) offer(conn ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
	s.tried = true
	shown, err := public(key, time.Now())
	if err != nil {
		shown = nil // asked all the same: every refusal takes as long
	}
	a, err := s.control.ask(Request{Op: OpOffer, User: conn.User(), Public: shown})
	if err != nil || !a.Yes {
		return nil, errRefused
	}
	return &ssh.Permissions{}, nil
}

// accept is called with the key that has signed, and the user name it signed for: the only ones that count.
func (s *server) accept(conn ssh.ConnMetadata, key ssh.PublicKey, _ *ssh.Permissions, _ string) (*ssh.Permissions, error) {
	if s.verified {
		return nil, errRefused
	}
	shown, err := public(key, time.Now())
	if err != nil {
		return nil, errRefused
	}
	a, err := s.control.ask(Request{Op: OpVerified, User: conn.User(), Public: shown})
	if err != nil || !a.Yes {
		return nil, errRefused
	}
	s.verified = true
	return &ssh.Permissions{}, nil
}

// serve runs the connection to its end.
func (s *server) serve(client net.Conn) error {
	defer client.Close()
	config, err := s.config()
	if err != nil {
		return err
	}
	client.SetDeadline(time.Now().Add(exchangeTime))
	config.PreAuthConnCallback = func(ssh.ServerPreAuthConn) {
		client.SetDeadline(time.Now().Add(loginTime))
	}
	conn, channels, requests, err := ssh.NewServerConn(client, config)
	if err != nil {
		s.control.ask(Request{Op: OpFailed, Reason: s.whyNot(err)})
		return nil
	}
	client.SetDeadline(time.Time{})
	runtime.GOMAXPROCS(min(runtime.NumCPU(), cpusMost))
	s.conn = conn
	s.channels, s.forwards = newSlots(sessionsMost), newSlots(forwardsMost)
	go s.keepAlive()
	go s.globals(requests)
	for c := range channels {
		switch c.ChannelType() {
		case "session":
			go s.session(c)
		case "direct-tcpip":
			go s.forward(c)
		case "direct-streamlocal@openssh.com":
			go s.forwardUnix(c)
		default:
			c.Reject(ssh.UnknownChannelType, "not offered here")
		}
	}
	return nil
}

// Reasons of OpFailed.
const (
	FailedNoAuth = "no-auth" // nothing was tried
	FailedKeys   = "keys"    // no key was taken
	FailedTime   = "time"    // too slow
)

func (s *server) whyNot(err error) string {
	var slow net.Error
	switch {
	case errors.As(err, &slow) && slow.Timeout():
		return FailedTime
	case s.tried:
		return FailedKeys
	}
	return FailedNoAuth
}

// keepAlive ends a connection whose other end is gone without a word. Any answer will do.
func (s *server) keepAlive() {
	missed := 0
	for range time.Tick(aliveEvery) {
		answered := make(chan error, 1)
		go func() {
			_, _, err := s.conn.SendRequest("keepalive@openssh.com", true, nil)
			answered <- err
		}()
		select {
		case err := <-answered:
			if err != nil {
				return
			}
			missed = 0
		case <-time.After(aliveEvery):
			if missed++; missed >= aliveMost {
				s.conn.Close()
				return
			}
		}
	}
}

// slots bound how many of something there are at once.
type slots chan struct{}

func newSlots(n int) slots { return make(slots, n) }

func (s slots) take() bool {
	select {
	case s <- struct{}{}:
		return true
	default:
		return false
	}
}

func (s slots) free() { <-s }
