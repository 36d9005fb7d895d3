package client

import (
	"context"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"lodge/inventory"
)

// DefaultSocket is where an agent with the default root listens.
const DefaultSocket = "/run/lodge/lodge.sock"

// dialTimeout bounds connecting to a local socket: a full backlog must not hang a command.
const dialTimeout = 10 * time.Second

// A Client talks to one agent. Safe for concurrent use.
type Client struct {
	http *http.Client
	base string // "http://lodge": a Unix socket has no host, HTTP wants one (RFC 9110, 7.2)
	at   string // where the agent is, for sentences
	// token is shown with every request instead of who is at this end; empty for none.
	token string

	breakGlass bool
}

// Dial returns a client for host: "unix:PATH", a plain path, "ssh://[USER@]HOST[:PORT][/SOCKET]", or
// "" for $LODGE_HOST and then DefaultSocket. It does not connect. What $LODGE_TOKEN holds is shown with
// every request.
func Dial(host string) (*Client, error) {
	if host == "" {
		host = os.Getenv("LODGE_HOST")
	}
	if host == "" {
		host = "unix:" + DefaultSocket
	}
	if strings.HasPrefix(host, "ssh://") {
		target, err := parseSSH(host)
		if err != nil {
			return nil, err
		}
		return newClient(target.dial, target.host), nil
	}
	path, ok := strings.CutPrefix(host, "unix:")
	path = strings.TrimPrefix(path, "//") // unix:///run/... as docker and incus write it
	if !ok && !strings.HasPrefix(host, "/") {
		return nil, inventory.Errorf(inventory.ErrInvalid,
			"%q is no host that can be reached; give unix:PATH, the path of the agent's socket, or ssh://user@host", host)
	}
	if path == "" {
		return nil, inventory.Errorf(inventory.ErrInvalid,
			"%q names no socket; write it like unix:%s", host, DefaultSocket)
	}
	return dialUnix(path), nil
}

func dialUnix(path string) *Client {
	d := net.Dialer{Timeout: dialTimeout}
	return newClient(func(ctx context.Context, _, _ string) (net.Conn, error) {
		return d.DialContext(ctx, "unix", path)
	}, path)
}

// newClient returns a client whose connections dial makes; at is what sentences call the agent.
func newClient(dial func(ctx context.Context, network, addr string) (net.Conn, error), at string) *Client {
	t := &http.Transport{
		DialContext:         dial,
		MaxIdleConnsPerHost: 16, // many names at once share a few connections
		IdleConnTimeout:     time.Minute,
		DisableCompression:  true, // a local socket is faster than any compression, and ssh has its own
	}
	return &Client{http: &http.Client{Transport: t}, base: "http://lodge", at: at,
		token: strings.TrimSpace(os.Getenv("LODGE_TOKEN"))}
}

// BreakGlass makes all that is asked from now on ask to pass without what policies of the site ask
// for. It takes root on the agent's own host, and a reason.
func (c *Client) BreakGlass() { c.breakGlass = true }

// Close drops idle connections. Streams that are open stay open.
func (c *Client) Close() { c.http.CloseIdleConnections() }
