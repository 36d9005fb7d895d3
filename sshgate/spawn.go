package sshgate

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"lodge/manager/unprivileged"
	"lodge/sshgate/worker"
)

// spawn starts the connection's worker. exited tells whether it died of something.
func (c *connection) spawn(ctx context.Context, client *os.File) (exited <-chan bool, err error) {
	conn, theirs, err := unprivileged.Pair()
	if err != nil {
		return nil, err
	}
	defer theirs.Close()
	c.conn = conn
	next, err := c.listenForNext()
	if err != nil {
		return nil, err
	}
	defer next.Close()
	last, err := os.OpenFile(filepath.Join(c.gateway.dir, "workers.log"), os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	defer last.Close()
	cmd := exec.Command(c.gateway.Program, "-uid", strconv.Itoa(c.gateway.UID))
	cmd.Args[0] = "lodge-ssh"
	cmd.Env, cmd.Dir, cmd.Stderr = []string{"GOMAXPROCS=1"}, "/", last
	cmd.ExtraFiles = []*os.File{client, theirs, next}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	over := make(chan bool, 1)
	go func() { over <- cmd.Wait() != nil }()
	return over, unprivileged.Send(c.conn, c.gateway.setup(ctx, c.names()), nil)
}

// names are those the client knows this end by.
func (c *connection) names() []string {
	if c.Target != "" {
		return []string{c.Target}
	}
	return c.gateway.Names
}

func (g *Gateway) setup(ctx context.Context, names []string) worker.Setup {
	s := worker.Setup{Version: "Lodge_" + strings.Map(wordly, g.Version)}
	if g.Banner != nil {
		s.Banner = g.Banner(ctx)
	}
	for _, k := range g.HostKeys() {
		s.HostKeys = append(s.HostKeys, k.Marshal())
		if len(names) == 0 {
			continue
		}
		certificate, err := g.hosts.host(ctx, k, names)
		if err != nil { // clients that know the key itself still come in
			g.Log.Warn("ssh: the host key has no certificate", "error", err)
			break
		}
		s.Certificates = append(s.Certificates, certificate.Marshal())
	}
	return s
}

// wordly leaves what a version may hold on the wire (RFC 4253 4.2): no space, no dash.
func wordly(r rune) rune {
	if r > ' ' && r < 0x7f && r != '-' {
		return r
	}
	return '_'
}

// listenForNext opens the socket on which the worker will wait for another agent. Addresses of
// sockets have 108 bytes (unix(7)): the folder's descriptor keeps ours short wherever the root is.
func (c *connection) listenForNext() (*os.File, error) {
	dir, err := os.Open(c.gateway.dir)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	l, err := net.ListenUnix("unix", &net.UnixAddr{Net: "unix", Name: fmt.Sprintf("/proc/self/fd/%d/%s.sock", dir.Fd(), c.id)})
	if err != nil {
		return nil, err
	}
	defer l.Close()
	l.SetUnlinkOnClose(false)
	if err := os.Chmod(c.path(".sock"), 0o600); err != nil {
		return nil, err
	}
	return l.File()
}

// Adopt takes over the connections an agent before this one left, in the state it had written down:
// who has signed in then is signed in. What nobody answers for any more is cleared away.
func (g *Gateway) Adopt(ctx context.Context) error {
	found, err := filepath.Glob(filepath.Join(g.dir, "*.sock"))
	if err != nil {
		return err
	}
	dir, err := os.Open(g.dir)
	if err != nil {
		return err
	}
	defer dir.Close()
	for _, path := range found {
		c := &connection{gateway: g, id: strings.TrimSuffix(filepath.Base(path), ".sock"), started: g.Now()}
		c.decide = sync.OnceFunc(func() {})
		raw, _ := os.ReadFile(c.path(".json"))
		conn, err := net.Dial("unix", fmt.Sprintf("/proc/self/fd/%d/%s.sock", dir.Fd(), c.id))
		if err != nil || json.Unmarshal(raw, &c.facts) != nil && len(raw) > 0 {
			c.over()
			continue
		}
		c.conn = conn.(*net.UnixConn)
		g.keep(c)
		go func() {
			c.serve(context.WithoutCancel(ctx))
			c.over()
			g.drop(c)
		}()
	}
	return nil
}
