package sshgate_test

import (
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/crypto/ssh"

	"lodge/manager/session/sessiontest"
)

// private reads a key newKey has made.
func (l *lab) private(name string) ssh.Signer {
	l.Helper()
	raw, err := os.ReadFile(filepath.Join(l.dir, name))
	sessiontest.Must(l.T, err)
	key, err := ssh.ParsePrivateKey(raw)
	sessiontest.Must(l.T, err)
	return key
}

// A fickle user has a name that changes under the client's hands: golang.org/x/crypto/ssh takes one name
// for a connection, and these are its bytes.
type fickle []byte

func (f fickle) name() string { return unsafe.String(unsafe.SliceData(f), len(f)) }

// A signer shows its key by one user name, and signs with it for another.
type signer struct {
	ssh.Signer
	user           fickle
	shown, signing string
	begun          *bool
}

// A shownKey is marshalled for the question, to compare the answer, and then to be signed for.
type shownKey struct {
	ssh.PublicKey
	asked *int
	sign  func()
}

func (k shownKey) Marshal() []byte {
	if *k.asked++; *k.asked > 2 {
		k.sign()
	}
	return k.PublicKey.Marshal()
}

func (s signer) PublicKey() ssh.PublicKey {
	if !*s.begun { // the library asks again while it signs
		copy(s.user, s.shown)
		*s.begun = true
	}
	return shownKey{s.Signer.PublicKey(), new(int), func() { copy(s.user, s.signing) }}
}

// TestUserNameChangedBetweenAttempts: the name that counts is the one the key has signed for, whatever
// was asked for, taken or refused before.
func TestUserNameChangedBetweenAttempts(t *testing.T) {
	l := newLab(t)
	key := l.private("ann")
	type attempt struct{ shown, signing string }
	for what, c := range map[string]struct {
		attempts []attempt
		account  string // "" for nobody comes in
	}{
		"refused, then taken":         {[]attempt{{"ann+web2", "ann+web2"}, {"ann+web1", "ann+web1"}}, "ann"},
		"the account that was signed": {[]attempt{{"bin+web1", "ann+web1"}}, "ann"},
		"taken, signed for none":      {[]attempt{{"ann+web1", "ann+web2"}}, ""},
		"taken, signed for closed":    {[]attempt{{"ann+web1", "ann+web4"}}, ""},
		"refused, signed for taken":   {[]attempt{{"ann+web4", "ann+web1"}}, ""},
	} {
		t.Run(what, func(t *testing.T) {
			l.gateway.Forgive()
			user := fickle(c.attempts[0].shown)
			var keys []ssh.Signer
			for _, a := range c.attempts {
				keys = append(keys, signer{key, user, a.shown, a.signing, new(bool)})
			}
			client, err := ssh.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", l.port), &ssh.ClientConfig{User: user.name(), Auth: []ssh.AuthMethod{ssh.PublicKeys(keys...)},
				HostKeyCallback: ssh.InsecureIgnoreHostKey(), Timeout: 20 * time.Second})
			if c.account == "" {
				if err == nil {
					t.Error("comes in")
				}
				return
			}
			sessiontest.Must(t, err)
			defer client.Close()
			s, err := client.NewSession()
			sessiontest.Must(t, err)
			if out, err := s.Output("id -un"); string(out) != c.account+"\n" {
				t.Errorf("is %q, %v", out, err)
			}
		})
	}
}

// A counted connection knows how many bytes came.
type counted struct {
	net.Conn
	received atomic.Int64
}

func (c *counted) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.received.Add(int64(n))
	return n, err
}

// TestEqualAnswers: whether it is the user there isn't, the container, or the right, what a client hears
// has as many bytes, and the gateway looks at the same things in the same order. Nobody compares clocks.
func TestEqualAnswers(t *testing.T) {
	l := newLab(t)
	l.newKey("stranger")
	ann, stranger := l.private("ann"), l.private("stranger")
	first, heard := "", ""
	for _, c := range []struct {
		what, user string
		key        ssh.Signer
	}{
		{"an unknown user", "web1", stranger},
		{"an unknown user, a stopped container", "web3", stranger},
		{"an unknown user, an unknown container", "web2", stranger},
		{"an unknown user, a closed container", "web4", stranger},
		{"an unknown container", "web2", ann},
		{"an unknown project", "web1.shop", ann},
		{"a closed container", "web4", ann},
		{"a closed container as root", "root+web4", ann},
		{"no name at all", "Web1", ann},
	} {
		l.gateway.Forgive()
		l.taken()
		conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", l.port))
		sessiontest.Must(t, err)
		wire := &counted{Conn: conn}
		_, _, _, err = ssh.NewClientConn(wire, "", &ssh.ClientConfig{User: c.user, Auth: []ssh.AuthMethod{ssh.PublicKeys(c.key)},
			HostKeyCallback: ssh.InsecureIgnoreHostKey()})
		if err == nil {
			t.Fatalf("%s comes in", c.what)
		}
		now := fmt.Sprintf("%v after %d bytes", err, wire.received.Load())
		steps := strings.Join(l.taken(), ", ")
		if first == "" {
			first, heard = steps, now
		}
		if now != heard {
			t.Errorf("%s: %q, and before %q", c.what, now, heard)
		}
		if steps != first || !slices.Contains(strings.Split(steps, ", "), "container") {
			t.Errorf("%s: %s, and before %s", c.what, steps, first)
		}
		io.Copy(io.Discard, conn)
	}
}
