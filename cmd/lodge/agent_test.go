package main

import (
	"context"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"lodge/inventory"
	"lodge/web/api"
	"lodge/web/api/apitest"
)

// A fakeAgent is the agent of web/api/apitest behind a real socket, that can be cut off and come
// back as an agent does that was killed and started again.
type fakeAgent struct {
	socket  string
	world   *apitest.World
	holders *holders
	config  api.Config

	mu  sync.Mutex
	end func() // ends the present agent and all its connections
}

// newAgent returns an agent that does not run yet.
func newAgent(t testing.TB) *fakeAgent {
	t.Helper()
	dir, err := os.MkdirTemp("", "lodge") // a socket's path has to be short (unix(7): 107 bytes)
	if err != nil {
		t.Fatal(err)
	}
	w := apitest.New()
	a := &fakeAgent{socket: filepath.Join(dir, "lodge.sock"), world: w, config: w.Config(), end: func() {}}
	a.holders = &holders{Sessions: a.config.Sessions, all: map[inventory.SessionID]*holder{}, cut: make(chan struct{})}
	a.config.Sessions = a.holders
	a.config.Uploads = dir
	a.config.Group = ownGroup()
	t.Cleanup(func() { a.stop(); os.RemoveAll(dir) })
	return a
}

// ownGroup lets whoever runs the tests in.
func ownGroup() string {
	u, err := user.Current()
	if err != nil {
		return ""
	}
	g, err := user.LookupGroupId(u.Gid)
	if err != nil {
		return ""
	}
	return g.Name
}

func (a *fakeAgent) start() error {
	os.Remove(a.socket)
	l, err := net.Listen("unix", a.socket)
	if err != nil {
		return err
	}
	cutter := &cutListener{Listener: l}
	srv := api.New(a.config).Server()
	done := make(chan struct{})
	go func() { defer close(done); srv.Serve(cutter) }()
	a.mu.Lock()
	defer a.mu.Unlock()
	a.end = sync.OnceFunc(func() { srv.Close(); cutter.cut(); <-done })
	return nil
}

func (a *fakeAgent) stop() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.end()
}

// running waits until an operation runs, and returns it.
func (a *fakeAgent) running() inventory.Operation {
	for ctx := context.Background(); ; time.Sleep(time.Millisecond) {
		all, _ := a.config.Reads.Operations(ctx, api.OperationQuery{State: inventory.OperationRunning})
		if len(all) > 0 {
			return all[0]
		}
	}
}

// A cutListener remembers its connections, those taken over by streams too.
type cutListener struct {
	net.Listener
	mu    sync.Mutex
	conns []net.Conn
}

func (l *cutListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err == nil {
		l.mu.Lock()
		l.conns = append(l.conns, conn)
		l.mu.Unlock()
	}
	return conn, err
}

func (l *cutListener) cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range l.conns {
		c.Close()
	}
}

// lodge runs the command line against the agent, in this process.
func (a *fakeAgent) lodge(ctx context.Context, args ...string) (code int, out, errs string) {
	var o, e lines
	code = run(ctx, append([]string{"lodge", "--host", "unix:" + a.socket}, args...), strings.NewReader(""), &o, &e)
	return code, o.String(), e.String()
}

// lines takes what is written at once by many, as a file does.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}
