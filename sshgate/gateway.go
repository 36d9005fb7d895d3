package sshgate

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	"lodge/inventory"
	"lodge/manager/gate"
)

// Config is what a gateway is made of. All fields are required but Banner.
type Config struct {
	Root     string // the agent's root
	Program  string // lodge-ssh, which workers are
	UID      int    // whom workers run as
	Version  string
	Names    []string // of the gateway, as its certificate has them
	Banner   func(ctx context.Context) string
	Gate     gatekeeper
	Rights   gate.Rights
	Sessions sessions
	Store    store
	Secrets  secrets // has the keys that sign certificates
	Sockets  sockets
	Unix     unixSockets
	Settings layers
	Accounts accounts // nil: those that are there
	Journal  journal
	Log      *slog.Logger
	Now      func() time.Time

	Certificates certificates
	// MostLifetime is for how long certificates of authorities from outside may be good.
	MostLifetime func(ctx context.Context) time.Duration
	// Containers are those of this host.
	Containers func(ctx context.Context) ([]*inventory.Container, error)
}

// A gatekeeper lets a session in and writes its audit intent before it does.
type gatekeeper interface {
	Enter(ctx context.Context, r gate.Request) (*gate.Entry, error)
}

// sessions are those of manager/session.
type sessions interface {
	Open(ctx context.Context, r gate.Request) (inventory.Session, error)
	Attach(ctx context.Context, id inventory.SessionID, readOnly bool) (net.Conn, error)
}

type store interface {
	Container(ctx context.Context, ref inventory.Ref) (*inventory.Container, error)
	Directory(ctx context.Context) (*inventory.Directory, error)
}

// certificates are those of users that the gateway has signed, as a durable table.
type certificates interface {
	AddCertificate(ctx context.Context, c inventory.Certificate, now time.Time) error
	Certificates(ctx context.Context, q inventory.CertificateQuery) ([]inventory.Certificate, error)
}

// sockets are opened inside a container's network.
type sockets interface {
	DialInside(ctx context.Context, c *inventory.Container, host string, port int) (*os.File, error)
	ListenInside(ctx context.Context, c *inventory.Container, host string, port int) (f *os.File, bound int, err error)
}

// A journal makes a record durable before it returns.
type journal interface {
	Fact(ctx context.Context, r inventory.Record) error
}

// A Gateway accepts connections and serves their workers. Safe for concurrent use.
type Gateway struct {
	Config
	dir      string // ROOT/run/ssh
	hostKeys []ssh.Signer
	hosts    *authority // signs that a key is a host's
	users    *authority // signs that a key is a user's
	sources  *sources

	mu       sync.Mutex // guards what follows
	live     map[string]*connection
	listener net.Listener
}

// New returns a gateway; its host keys are made at the first start and kept in ROOT/keys.
func New(cfg Config) (*Gateway, error) {
	g := &Gateway{Config: cfg, hosts: newAuthority(cfg.Secrets, hostAuthority, "signs the keys of the SSH gateway", cfg.Now),
		users: newAuthority(cfg.Secrets, userAuthority, "signs users' SSH certificates", cfg.Now),
		dir:   filepath.Join(cfg.Root, "run", "ssh"), sources: newSources(rand.Float64),
		live: map[string]*connection{}}
	if err := os.MkdirAll(g.dir, 0o700); err != nil {
		return nil, err
	}
	var err error
	g.hostKeys, err = hostKeys(filepath.Join(cfg.Root, "keys"))
	return g, err
}

// HostKeys are the public keys clients see, the preferred first.
func (g *Gateway) HostKeys() []ssh.PublicKey {
	var all []ssh.PublicKey
	for _, k := range g.hostKeys {
		all = append(all, k.PublicKey())
	}
	return all
}

// Serve accepts connections until the listener is closed. Those it has accepted go on.
func (g *Gateway) Serve(ctx context.Context, l net.Listener) error {
	for {
		conn, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			g.Log.Warn("ssh: accept", "error", err)
			time.Sleep(100 * time.Millisecond) // out of descriptors: they come back
			continue
		}
		tcp, ok := conn.(*net.TCPConn)
		from := addressOf(conn.RemoteAddr())
		if !ok || !g.sources.admit(from.Addr(), g.Now()) {
			conn.Close()
			continue
		}
		go g.accepted(context.WithoutCancel(ctx), tcp, from)
	}
}

func addressOf(at net.Addr) netip.AddrPort {
	a, err := netip.ParseAddrPort(at.String())
	if err != nil {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}

// accepted hands a connection to a worker of its own and serves that.
func (g *Gateway) accepted(ctx context.Context, client *net.TCPConn, from netip.AddrPort) {
	c := &connection{gateway: g, id: inventory.NewID(g.Now()), started: g.Now()}
	c.From, c.To = from, addressOf(client.LocalAddr()) // before anything closes it
	done := func(penalty time.Duration) { g.sources.decided(from.Addr(), penalty, g.Now()) }
	c.decide = sync.OnceFunc(func() { done(c.penalty) })
	file, err := fileOfTCP(client)
	var exited <-chan bool
	if err == nil {
		exited, err = c.spawn(ctx, file)
		file.Close()
	}
	if err != nil {
		g.Log.Error("ssh: no worker", "error", err)
		c.decide()
		return
	}
	g.keep(c)
	c.serve(ctx)
	if crashed := <-exited; crashed {
		c.penalty = penaltyCrash
		g.Log.Warn("ssh: a worker died", "from", from)
	}
	c.decide()
	c.over()
	g.drop(c)
}

func (g *Gateway) keep(c *connection) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.live[c.id] = c
}

func (g *Gateway) drop(c *connection) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.live, c.id)
}

// EndAll closes the connections that match chooses, at once, and returns how many: a connection is
// shown as the session it could open. Open sessions hang up; manager/session ends them.
func (g *Gateway) EndAll(match func(inventory.Session) bool) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	n := 0
	for _, c := range g.live {
		f := c.known()
		if f.Principal != nil && match(inventory.Session{Principal: *f.Principal, Container: f.Container, Project: f.Project}) {
			c.end()
			n++
		}
	}
	return n
}

// HostAuthority is the key that signs host keys: of the gateway, and of every container's name.
func (g *Gateway) HostAuthority(ctx context.Context) (ssh.PublicKey, error) {
	return g.hosts.Public(ctx)
}
