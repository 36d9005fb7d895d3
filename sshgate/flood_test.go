package sshgate_test

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"lodge/manager/session/sessiontest"
)

// dial signs ann in with a client that does what OpenSSH's would not.
func (l *lab) dial(user string) *ssh.Client {
	l.Helper()
	raw, err := os.ReadFile(filepath.Join(l.dir, "ann"))
	sessiontest.Must(l.T, err)
	key, err := ssh.ParsePrivateKey(raw)
	sessiontest.Must(l.T, err)
	c, err := ssh.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", l.port), &ssh.ClientConfig{User: user, Auth: []ssh.AuthMethod{ssh.PublicKeys(key)},
		HostKeyCallback: ssh.InsecureIgnoreHostKey(), Timeout: 20 * time.Second})
	sessiontest.Must(l.T, err)
	l.Cleanup(func() { c.Close() })
	return c
}

// TestLibraryFloor: golang.org/x/crypto/ssh below 0.58 lets clients stop a server, or come in as others.
func TestLibraryFloor(t *testing.T) {
	text, err := os.ReadFile("../go.mod")
	sessiontest.Must(t, err)
	m := regexp.MustCompile(`golang.org/x/crypto v0\.(\d+)\.`).FindSubmatch(text)
	if m == nil {
		t.Fatal("go.mod names no golang.org/x/crypto v0")
	}
	if minor, _ := strconv.Atoi(string(m[1])); minor < 58 {
		t.Errorf("v0.%d, and at least v0.58 is needed", minor)
	}
}

// TestSessionsAreBounded: the eleventh session of a connection is refused, and as many idle ones cost nothing.
func TestSessionsAreBounded(t *testing.T) {
	l := newLab(t)
	c := l.dial("web1")
	open := 0
	for range 200 {
		_, requests, err := c.OpenChannel("session", nil)
		if refused, ok := err.(*ssh.OpenChannelError); ok && refused.Reason == ssh.ResourceShortage {
			continue
		}
		sessiontest.Must(t, err)
		go ssh.DiscardRequests(requests)
		open++
	}
	if open != 10 {
		t.Errorf("%d sessions on one connection", open)
	}
	if _, _, err := c.OpenChannel("x11", nil); err == nil {
		t.Error("a channel of a kind nobody offers is opened")
	}
}

// TestRequestFlood: requests without end stop neither the connection nor another session on it.
func TestRequestFlood(t *testing.T) {
	l := newLab(t)
	c := l.dial("web1")
	flooded, requests, err := c.OpenChannel("session", nil)
	sessiontest.Must(t, err)
	go ssh.DiscardRequests(requests)
	env := ssh.Marshal(struct{ Name, Value string }{"LC_ALL", strings.Repeat("x", 4000)})
	size := ssh.Marshal(struct{ Columns, Rows, Width, Height uint32 }{1 << 31, 1 << 31, 0, 0})
	signal := ssh.Marshal(struct{ Name string }{"KILL"})
	for n := range 30_000 {
		kind := []string{"env", "window-change", "signal", "nonsense"}[n%4]
		payload := map[string][]byte{"env": env, "window-change": size, "signal": signal}[kind]
		if _, err := flooded.SendRequest(kind, false, payload); err != nil {
			t.Fatal(err)
		}
	}
	for _, term := range []string{strings.Repeat("x", 5000), "xterm"} {
		pty := ssh.Marshal(struct {
			Term                         string
			Columns, Rows, Width, Height uint32
			Modes                        string
		}{term, 80, 24, 0, 0, strings.Repeat("\x03\x00\x00\x00\x01", 5000)})
		if ok, err := flooded.SendRequest("pty-req", true, pty); ok || err != nil {
			t.Errorf("a terminal of a silly kind: %v %v", ok, err)
		}
	}
	s, err := c.NewSession()
	sessiontest.Must(t, err)
	if out, err := s.Output("echo hi"); string(out) != "hi\n" {
		t.Errorf("%q %v", out, err)
	}
}

// TestMemoryOfOneConnection: a client that sends byte by byte to what never reads makes its own worker fall
// (golang.org/x/crypto holds 51 bytes for each), and nobody else's. The bound is a fifth of what it is
// otherwise, since a client takes minutes to fill that.
func TestMemoryOfOneConnection(t *testing.T) {
	program := filepath.Join(t.TempDir(), "agent")
	text := fmt.Sprintf("#!/bin/sh\nexec %s \"$@\" -memory %d\n", shipped(t), 48<<20)
	sessiontest.Must(t, os.WriteFile(program, []byte(text), 0o755))
	l := newLabOf(t, program)
	bystander := l.dial("web1")
	attacker := l.dial("web1")
	ended := make(chan error, 1)
	go func() { ended <- attacker.Wait() }()
	for range 6 {
		s, err := attacker.NewSession()
		sessiontest.Must(t, err)
		in, err := s.StdinPipe()
		sessiontest.Must(t, err)
		sessiontest.Must(t, s.Start("sleep 600"))
		go func() {
			for {
				if _, err := io.WriteString(in, "x"); err != nil {
					return
				}
			}
		}()
	}
	select {
	case <-ended:
	case <-time.After(3 * time.Minute):
		t.Error("nothing ended it")
	}
	s, err := bystander.NewSession()
	sessiontest.Must(t, err)
	if out, err := s.Output("echo hi"); string(out) != "hi\n" {
		t.Errorf("a bystander got %q, %v", out, err)
	}
}
