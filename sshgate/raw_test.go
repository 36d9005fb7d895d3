package sshgate_test

import (
	"bufio"
	"crypto/ecdh"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"lodge/manager/session/sessiontest"
)

// A wire is a client of hand-made packets, before any cipher (RFC 4253 6).
type wire struct {
	net.Conn
	in *bufio.Reader
}

func (l *lab) wire() wire {
	l.Helper()
	conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", l.port))
	sessiontest.Must(l.T, err)
	l.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(30 * time.Second))
	_, err = io.WriteString(conn, "SSH-2.0-Raw\r\n")
	sessiontest.Must(l.T, err)
	w := wire{conn, bufio.NewReader(conn)}
	_, err = w.in.ReadString('\n')
	sessiontest.Must(l.T, err)
	return w
}

func (w wire) send(payload []byte) error {
	pad := 8 - (5+len(payload))%8
	if pad < 4 {
		pad += 8
	}
	packet := binary.BigEndian.AppendUint32(nil, uint32(1+len(payload)+pad))
	packet = append(append(packet, byte(pad)), payload...)
	_, err := w.Write(append(packet, make([]byte, pad)...))
	return err
}

func (w wire) receive() ([]byte, error) {
	var head [5]byte
	if _, err := io.ReadFull(w.in, head[:]); err != nil {
		return nil, err
	}
	rest := make([]byte, binary.BigEndian.Uint32(head[:])-1)
	if _, err := io.ReadFull(w.in, rest); err != nil {
		return nil, err
	}
	return rest[:len(rest)-int(head[4])], nil
}

// Messages of RFC 4253 and 5656.
const (
	msgIgnore   = 2
	msgDebug    = 4
	msgKexReply = 31
)

type kexInit struct {
	Cookie                            [16]byte `sshtype:"20"`
	Exchanges, HostKeys               []string
	CiphersThere, CiphersBack         []string
	MACsThere, MACsBack               []string
	CompressionThere, CompressionBack []string
	LanguagesThere, LanguagesBack     []string
	Follows                           bool
	Reserved                          uint32
}

// exchange begins a key exchange with an odd packet in it, and reports whether the server went on.
func (w wire) exchange(t *testing.T, exchanges []string, before, within []byte) bool {
	t.Helper()
	first, err := w.receive()
	sessiontest.Must(t, err)
	var theirs kexInit
	sessiontest.Must(t, ssh.Unmarshal(first, &theirs))
	if !slices.Contains(theirs.Exchanges, "kex-strict-s-v00@openssh.com") {
		t.Fatalf("the server offers %q", theirs.Exchanges)
	}
	key, err := ecdh.X25519().GenerateKey(rand.Reader)
	sessiontest.Must(t, err)
	ours := ssh.Marshal(kexInit{Exchanges: exchanges, HostKeys: []string{"ssh-ed25519"},
		CiphersThere: []string{"aes128-gcm@openssh.com"}, CiphersBack: []string{"aes128-gcm@openssh.com"},
		MACsThere: []string{"hmac-sha2-256-etm@openssh.com"}, MACsBack: []string{"hmac-sha2-256-etm@openssh.com"},
		CompressionThere: []string{"none"}, CompressionBack: []string{"none"}})
	share := ssh.Marshal(struct {
		Share []byte `sshtype:"30"`
	}{key.PublicKey().Bytes()})
	for _, packet := range [][]byte{before, ours, within, share} {
		if packet != nil && w.send(packet) != nil {
			return false // hung up on us already
		}
	}
	for {
		answer, err := w.receive()
		if err != nil {
			return false
		}
		if answer[0] == msgKexReply {
			return true
		}
	}
}

// TestStrictKeyExchange: with a client that can, nothing but the exchange itself is taken before the keys
// are there (CVE-2023-48795, Terrapin); with one that can't, it goes on as RFC 4253 has it.
func TestStrictKeyExchange(t *testing.T) {
	l := newLab(t)
	strict, plain := []string{"curve25519-sha256", "kex-strict-c-v00@openssh.com"}, []string{"curve25519-sha256"}
	ignore := append([]byte{msgIgnore}, ssh.Marshal(struct{ Data string }{"x"})...)
	debug := append([]byte{msgDebug}, ssh.Marshal(struct {
		Show           bool
		Text, Language string
	}{})...)
	for _, c := range []struct {
		what           string
		exchanges      []string
		before, within []byte
		goesOn         bool
	}{
		{"as it should be", strict, nil, nil, true},
		{"IGNORE within", strict, nil, ignore, false},
		{"DEBUG within", strict, nil, debug, false},
		{"IGNORE before", strict, ignore, nil, false},
		{"IGNORE within, and not strict", plain, nil, ignore, true},
	} {
		t.Run(c.what, func(t *testing.T) {
			l.gateway.Forgive()
			if got := l.wire().exchange(t, c.exchanges, c.before, c.within); got != c.goesOn {
				t.Errorf("it goes on: %v", got)
			}
		})
	}
}

// census counts what the gateway holds: goroutines, descriptors, and the files of connections.
func (l *lab) census() (held [3]int) {
	l.Helper()
	files, err := os.ReadDir("/proc/self/fd")
	sessiontest.Must(l.T, err)
	connections, err := filepath.Glob(filepath.Join(l.world.Box.Root, "run/ssh/*.*"))
	sessiontest.Must(l.T, err)
	return [3]int{runtime.NumGoroutine(), len(files), len(connections)}
}

// settled waits until the gateway holds no more than a bound, and returns what it holds.
func (l *lab) settled(most [3]int) (held [3]int) {
	l.Helper()
	for range 3000 {
		held = l.census()
		if held[0] <= most[0] && held[1] <= most[1] && held[2] <= most[2] {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	return held
}

// TestCensusOfConnections: after many connections of every kind the gateway holds as many goroutines
// and descriptors as before. LODGE_LONG makes it 10 000.
func TestCensusOfConnections(t *testing.T) {
	l := newLab(t)
	l.newKey("stranger")
	stranger := l.private("stranger")
	kinds := []func(){
		func() { l.wire().Close() },
		func() {
			c := l.dial("web1")
			_, requests, err := c.OpenChannel("session", nil)
			sessiontest.Must(t, err)
			go ssh.DiscardRequests(requests)
			c.Dial("tcp", "127.0.0.1:1") // nobody listens inside
			c.Close()
		},
		func() {
			if c, err := ssh.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", l.port), &ssh.ClientConfig{User: "web1",
				Auth: []ssh.AuthMethod{ssh.PublicKeys(stranger)}, HostKeyCallback: ssh.InsecureIgnoreHostKey()}); err == nil {
				c.Close()
				t.Error("a stranger comes in")
			}
		},
		func() {
			w := l.wire()
			w.send(make([]byte, 300)) // no message there is
			w.Close()
		},
	}
	round := func() {
		for _, connect := range kinds {
			l.gateway.Forgive()
			connect()
		}
	}
	rounds := 20
	if os.Getenv("LODGE_LONG") == "1" {
		rounds = 2500
	}
	round() // what is made once is made here
	before := l.settled([3]int{math.MaxInt, math.MaxInt, 1})
	for range rounds {
		round()
	}
	// A few may be the runtime's own; one left of each connection would be twenty and more.
	most := [3]int{before[0] + 5, before[1] + 5, before[2]}
	if after := l.settled(most); after[0] > most[0] || after[1] > most[1] || after[2] > most[2] {
		t.Errorf("goroutines, descriptors, connections: %v, and before %v", after, before)
	}
}
