package client

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"time"

	"lodge/inventory"
)

// maxComplaint bounds what is kept of what ssh says.
const maxComplaint = 4 << 10

// remotePart is what a user, a host and a socket's path may be made of, so that nothing of them is
// an option to ssh or means something to the shell of the other side.
var remotePart = regexp.MustCompile(`^[A-Za-z0-9_:./@%+~][A-Za-z0-9_:./@%+~-]*$`)

// sshTarget is an agent behind ssh://[USER@]HOST[:PORT][/PATH/OF/SOCKET].
type sshTarget struct {
	host   string // HOST or USER@HOST
	port   string
	socket string // "": the other side's default
}

func parseSSH(address string) (sshTarget, error) {
	u, err := url.Parse(address)
	if err != nil || u.Hostname() == "" || u.RawQuery != "" || u.Fragment != "" {
		return sshTarget{}, inventory.Errorf(inventory.ErrInvalid,
			"%q is no host that can be reached; write it like ssh://user@host or ssh://user@host:22/run/lodge/lodge.sock", address)
	}
	t := sshTarget{host: u.Hostname(), port: u.Port(), socket: strings.TrimSuffix(u.Path, "/")}
	if _, has := u.User.Password(); has {
		return sshTarget{}, inventory.Errorf(inventory.ErrInvalid,
			"a password has no place in an address; ssh asks for it, or better use a key")
	}
	if name := u.User.Username(); name != "" {
		t.host = name + "@" + t.host
	}
	for _, part := range []string{t.host, t.socket} {
		if part != "" && !remotePart.MatchString(part) {
			return sshTarget{}, inventory.Errorf(inventory.ErrInvalid, "%q can't be part of an ssh address", part)
		}
	}
	return t, nil
}

// SSHProgram is the caller's own ssh, with their configuration, keys and known hosts; LODGE_SSH is
// another program with its options, like git's GIT_SSH_COMMAND.
func SSHProgram() []string {
	if own := strings.Fields(os.Getenv("LODGE_SSH")); len(own) > 0 {
		return own
	}
	return []string{"ssh"}
}

// ProxyCommand is ssh_config(5)'s for ports of the machine the agent of an address is on, "" where that
// is this one.
func ProxyCommand(address string) (string, error) {
	if !strings.HasPrefix(address, "ssh://") {
		return "", nil
	}
	t, err := parseSSH(address)
	if err != nil {
		return "", err
	}
	var quoted string // ssh has a shell exec it
	for _, word := range t.program() {
		quoted += "'" + strings.NewReplacer("%", "%%", "'", `'\''`).Replace(word) + "' "
	}
	// Brackets are for addresses of IPv6, and taken around others.
	return quoted + "-W '[%h]:%p' -- '" + strings.ReplaceAll(t.host, "%", "%%") + "'", nil
}

// program is ssh on its way to the port.
func (t sshTarget) program() []string {
	args := SSHProgram()
	if t.port != "" {
		args = append(args, "-p", t.port)
	}
	return args
}

func (t sshTarget) command() []string {
	args := append(t.program(), "-T", "--", t.host, "lodge")
	if t.socket != "" {
		args = append(args, "--host", "unix:"+t.socket)
	}
	return append(args, "dial-stdio")
}

// dial begins a connection: an ssh of its own, whose standard input and output are the agent's
// socket on the other side. It lives until it is closed; ctx bounds nothing but the start.
func (t sshTarget) dial(context.Context, string, string) (net.Conn, error) {
	args := t.command()
	cmd := exec.Command(args[0], args[1:]...)
	c := &sshConn{cmd: cmd, host: t.host, ended: make(chan struct{})}
	var err error
	if c.in, err = cmd.StdinPipe(); err != nil {
		return nil, err
	}
	// A pipe of our own: os/exec would close its own as soon as ssh has ended, unread or not.
	out, theirs, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	c.out, cmd.Stdout, cmd.Stderr = out, theirs, &c.complaint
	err = cmd.Start()
	theirs.Close()
	if err != nil {
		out.Close()
		return nil, unreached{inventory.Errorf(inventory.ErrUnavailable,
			"%s can't be run to reach %s: %v", args[0], t.host, err)}
	}
	go func() { cmd.Wait(); close(c.ended) }()
	return c, nil
}

// sshConn is one connection to an agent through ssh.
type sshConn struct {
	cmd       *exec.Cmd
	host      string
	in        io.WriteCloser
	out       io.ReadCloser
	complaint complaint
	ended     chan struct{}
	once      sync.Once
}

// Read tells why ssh ended when it never had anything to say.
func (c *sshConn) Read(p []byte) (int, error) {
	n, err := c.out.Read(p)
	if err != io.EOF {
		return n, err
	}
	<-c.ended
	return n, c.explain(io.EOF)
}

func (c *sshConn) Write(p []byte) (int, error) {
	n, err := c.in.Write(p)
	if err != nil {
		<-c.ended
		err = c.explain(err)
	}
	return n, err
}

// explain is what ssh complained of, or err if it said nothing.
func (c *sshConn) explain(err error) error {
	said := c.complaint.last()
	if said == "" {
		return err
	}
	return unreached{inventory.Errorf(inventory.ErrUnavailable, "%s can't be reached by ssh: %s", c.host, said)}
}

// unreached is a complete sentence about why an agent can't be reached.
type unreached struct{ error }

func (u unreached) Unwrap() error { return u.error }

// Close ends ssh: it goes by itself when its input ends, and is killed if it does not.
func (c *sshConn) Close() error {
	c.once.Do(func() {
		c.in.Close()
		select {
		case <-c.ended:
		case <-time.After(time.Second):
			c.cmd.Process.Kill()
			<-c.ended
		}
		c.out.Close()
	})
	return nil
}

type sshAddr string

func (sshAddr) Network() string  { return "ssh" }
func (a sshAddr) String() string { return string(a) }

func (c *sshConn) LocalAddr() net.Addr  { return sshAddr("local") }
func (c *sshConn) RemoteAddr() net.Addr { return sshAddr(c.host) }

// A pipe to a process has no deadlines; HTTP's contexts close the connection instead.
func (c *sshConn) SetDeadline(time.Time) error      { return nil }
func (c *sshConn) SetReadDeadline(time.Time) error  { return nil }
func (c *sshConn) SetWriteDeadline(time.Time) error { return nil }

// complaint keeps what ssh writes to standard error and shows it to nobody unless it fails: a
// banner is no error.
type complaint struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (c *complaint) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if room := maxComplaint - c.text.Len(); room > 0 {
		c.text.Write(p[:min(len(p), room)])
	}
	return len(p), nil
}

// last is the last line, which is where ssh says what is wrong.
func (c *complaint) last() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	lines := strings.Split(strings.TrimSpace(c.text.String()), "\n")
	return strings.TrimSpace(lines[len(lines)-1])
}
