package sshgate_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	sshagent "golang.org/x/crypto/ssh/agent"

	"lodge/inventory"
	"lodge/manager/session/sessiontest"
	"lodge/packaging/need"
	"lodge/sshgate"
)

// keyring is an agent of one key.
func keyring(t *testing.T) sshagent.Agent {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	sessiontest.Must(t, err)
	ring := sshagent.NewKeyring()
	sessiontest.Must(t, ring.Add(sshagent.AddedKey{PrivateKey: key, Comment: "the one"}))
	return ring
}

// withAgent is a session of which the client's agent was asked for; got says whether it is forwarded.
func withAgent(t *testing.T, c *ssh.Client) (s *ssh.Session, got bool) {
	t.Helper()
	s, err := c.NewSession()
	sessiontest.Must(t, err)
	return s, sshagent.RequestAgentForwarding(s) == nil
}

// TestAgentOnlyWhereItIsTaken: nobody's agent is forwarded unless ssh.agent says so.
func TestAgentOnlyWhereItIsTaken(t *testing.T) {
	l := newLab(t)
	s, got := withAgent(t, l.dial("web1"))
	if out, err := s.Output(`echo "${SSH_AUTH_SOCK-none}"`); got || string(out) != "none\n" || err != nil {
		t.Errorf("forwarded %t, told %q, %v", got, out, err)
	}
}

// TestNearestSaysWhetherAgentsAreTaken: of container, project and host the first that says anything holds.
func TestNearestSaysWhetherAgentsAreTaken(t *testing.T) {
	layer := func(value string) (l inventory.Layer) {
		if value != "" {
			l.Values = map[string]string{sshgate.SettingAgent: value}
		}
		return l
	}
	for _, c := range []struct {
		container, project, host string
		want                     bool
	}{{"", "", "", false}, {"", "", "true", true}, {"", "true", "", true}, {"false", "", "true", false},
		{"", "false", "true", false}, {"true", "false", "false", true}} {
		if got := sshgate.TakesAgents(layer(c.container), []inventory.Layer{layer(c.project), layer(c.host)}); got != c.want {
			t.Errorf("%+v: %t", c, got)
		}
	}
}

// TestAgentOfTheClientStaysAsItIs: what is inside may have the agent sign, and can't change what it holds.
func TestAgentOfTheClientStaysAsItIs(t *testing.T) {
	l := newLab(t)
	l.world.Host = map[string]string{sshgate.SettingAgent: "true"}
	for _, p := range []string{"ssh-add", "ssh-keygen"} {
		l.give(need.Program(t, p))
	}
	c, ring := l.dial("web1"), keyring(t)
	sessiontest.Must(t, sshagent.ForwardToAgent(c, ring))
	s, got := withAgent(t, c)
	if !got {
		t.Fatal("the agent is not forwarded")
	}
	out, err := s.CombinedOutput(`ssh-add -L | tee /tmp/one.pub | cut -d' ' -f3-; ssh-add -T /tmp/one.pub && echo signs
		ssh-keygen -q -t ed25519 -N '' -f /tmp/other; for o in -D -x /tmp/other; do echo | ssh-add $o >/dev/null 2>&1 && echo "$o is done"; done; ssh-add -l | wc -l`)
	if got := strings.Join(strings.Fields(string(out)), " "); got != "the one signs 1" || err != nil {
		t.Errorf("%q, %v", out, err)
	}
	if keys, err := ring.List(); len(keys) != 1 || err != nil {
		t.Errorf("the agent holds %v, %v", keys, err)
	}
	again, got := withAgent(t, c) // as sessions of one connection do
	if out, err := again.Output("ssh-add -l | wc -l"); strings.TrimSpace(string(out)) != "1" || !got || err != nil {
		t.Errorf("the second session: %q, %t, %v", out, got, err)
	}
}

// TestSocketsGoWithTheConnection: what was made inside is removed at the end, by the next agent too, and what
// somebody has put in its place stays.
func TestSocketsGoWithTheConnection(t *testing.T) {
	l := newLab(t)
	l.world.Host = map[string]string{sshgate.SettingAgent: "true"}
	inside := func(path string) string { return filepath.Join(l.world.Box.Rootfs, path) }
	for _, next := range []bool{false, true} {
		c := l.dial("web1")
		s, _ := withAgent(t, c)
		out, err := s.Output("echo $SSH_AUTH_SOCK")
		sessiontest.Must(t, err)
		at := strings.TrimSpace(string(out))
		_, err = c.ListenUnix("/tmp/mine")
		sessiontest.Must(t, err)
		_, err = c.ListenUnix("/tmp/taken")
		sessiontest.Must(t, err)
		l.world.Box.Inside(t, "sh", "-c", "rm /tmp/taken; echo kept >/tmp/taken")
		if next {
			l.gateway.Abandon()
			l.gateway = l.open()
			sessiontest.Must(t, l.gateway.Adopt(t.Context()))
		}
		c.Close()
		l.eventually("the sockets are gone", func() bool {
			_, folder := os.Lstat(filepath.Dir(inside(at)))
			_, mine := os.Lstat(inside("/tmp/mine"))
			return errors.Is(folder, fs.ErrNotExist) && errors.Is(mine, fs.ErrNotExist)
		})
		if text, err := os.ReadFile(inside("/tmp/taken")); string(text) != "kept\n" {
			t.Errorf("what was put in a socket's place is %q, %v", text, err)
		}
		sessiontest.Must(t, os.Remove(inside("/tmp/taken")))
	}
}

// TestSocketsStayInside: the paths of Unix sockets are the container's, and what the account may: no link, no
// abstract name and no other's socket leads to the host or to root.
func TestSocketsStayInside(t *testing.T) {
	l := newLab(t)
	outside := l.dir + "/host.sock"
	abstract := "@lodgetest-" + inventory.NewID(time.Now())
	for _, path := range []string{outside, abstract} {
		socket, err := net.Listen("unix", path)
		sessiontest.Must(t, err)
		defer socket.Close()
		own, err := net.Dial("unix", path)
		sessiontest.Must(t, err) // the host gets there, or it proves nothing
		own.Close()
	}
	l.world.Box.Inside(t, "sh", "-c", "ln -s "+outside+" /tmp/link; ln -s /proc/1/root/"+l.dir+" /tmp/folder; ln -s / /tmp/up; ln -s /etc /tmp/etc")
	root := l.dial("root+web1")
	closed, err := root.ListenUnix("/tmp/root.sock")
	sessiontest.Must(t, err)
	defer closed.Close()
	ann := l.dial("web1")
	for _, path := range []string{outside, abstract, abstract[1:], "/tmp/link", "/tmp/folder/host.sock", "/tmp/up/../.." + outside,
		"/proc/1/root" + outside, "/proc/self/root/" + outside, "/proc/self/fd/1", "/tmp/root.sock", "../.." + outside} {
		if conn, err := ann.Dial("unix", path); err == nil {
			conn.Close()
			t.Errorf("%s is reached", path)
		}
	}
	for _, path := range []string{outside, "/etc/a.sock", "/tmp/etc/a.sock", "/tmp/link", "/proc/1/root/tmp/a.sock", strings.Repeat("x", 300), "a\x00b", ""} {
		if socket, err := ann.ListenUnix(path); err == nil {
			socket.Close()
			t.Errorf("%.80q is listened on", path)
		}
	}
	sessiontest.Must(t, os.Remove(filepath.Join(l.world.Box.Rootfs, "tmp/link")))
	l.passes(ann, "/tmp/up/tmp/mine") // the account's own links are its own affair
}

// passes sends a word through a socket inside that the same connection listens on.
func (l *lab) passes(c *ssh.Client, path string) {
	l.Helper()
	socket, err := c.ListenUnix(path)
	sessiontest.Must(l.T, err)
	defer socket.Close()
	go func() {
		conn, err := socket.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		io.Copy(conn, conn)
	}()
	conn, err := c.Dial("unix", path)
	sessiontest.Must(l.T, err)
	defer conn.Close()
	io.WriteString(conn, "a word")
	conn.(interface{ CloseWrite() error }).CloseWrite()
	if got, err := io.ReadAll(conn); string(got) != "a word" || err != nil {
		l.Errorf("%q came back, %v", got, err)
	}
}

// eventually waits for what follows of itself.
func (l *lab) eventually(what string, done func() bool) {
	l.Helper()
	for range 3000 {
		if done() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	l.Errorf("not so: %s", what)
}
