package sshgate

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"lodge/inventory"
	"lodge/manager/unprivileged"
	"lodge/sshgate/worker"
)

// A connection is one client's, as the gateway sees it through its worker.
type connection struct {
	gateway *Gateway
	id      string
	started time.Time

	decide  func() // tells the sources how it went, once
	penalty time.Duration

	sending sync.Mutex   // held while an answer is written
	jumps   atomic.Int32 // connections within this one

	mu   sync.Mutex // guards what follows
	conn *net.UnixConn
	facts
	signing  bool                   // somebody's sign-in is being recorded; facts don't have them yet
	forwards map[string]*forwarding // by name
}

// facts are what the next agent has to know of a connection: ROOT/run/ssh/ID.json.
type facts struct {
	From      netip.AddrPort        `json:"from"`
	To        netip.AddrPort        `json:"to"`                  // the address of ours they came to
	Target    string                `json:"target,omitempty"`    // the name a jump within another connection asked for
	Principal *inventory.Principal  `json:"principal,omitempty"` // nil: nobody has signed in
	Container inventory.ContainerID `json:"container,omitempty"`
	Project   string                `json:"project,omitempty"`
	Login     string                `json:"login,omitempty"`
	Unix      []listening           `json:"unix,omitempty"` // files to remove at the end; never changed in place
}

func (c *connection) path(suffix string) string { return filepath.Join(c.gateway.dir, c.id+suffix) }

// known are the facts as they stand.
func (c *connection) known() facts {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.facts
}

// principal is who signed in.
func (c *connection) principal() (p inventory.Principal, in bool) {
	f := c.known()
	if f.Principal == nil {
		return p, false
	}
	return *f.Principal, true
}

// end closes the way to the worker for good; it takes that for its own end.
func (c *connection) end() {
	os.Remove(c.path(".sock")) // no later agent serves it
	c.mu.Lock()
	defer c.mu.Unlock()
	unprivileged.Send(c.conn, worker.Answer{Error: "ended", Kind: worker.KindEnd}, nil)
}

// over removes what the next agent would look for, and ends what forwards have begun.
func (c *connection) over() {
	os.Remove(c.path(".sock"))
	c.removeSockets()
	os.Remove(c.path(".json")) // after what it tells the next agent to do
	c.leaveAll()
}

// serve answers the worker's questions until it is gone.
func (c *connection) serve(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var pending sync.WaitGroup
	defer pending.Wait()
	for {
		var r worker.Request
		files, err := unprivileged.Receive(c.conn, &r)
		unprivileged.CloseAll(files)
		if err != nil {
			c.conn.Close()
			return
		}
		// Answers of one worker need no order, and a container that takes its time holds up nobody else.
		pending.Go(func() { c.answer(ctx, r) })
	}
}

func (c *connection) answer(ctx context.Context, r worker.Request) {
	a, file, err := c.ask(ctx, r)
	if err != nil {
		a.Error = err.Error()
		kind, ok := inventory.Kind(err)
		if a.Kind = kind.Name; !ok {
			c.gateway.Log.Error("ssh", "op", r.Op, "error", err)
			a.Error = "internal error"
		}
	}
	var files []*os.File
	if file != nil {
		files = append(files, file)
		defer file.Close()
	}
	a.ID = r.ID
	c.sending.Lock()
	defer c.sending.Unlock()
	unprivileged.Send(c.conn, a, files)
}

// ask does what a worker asks for. Only signatures and questions about keys are for everybody.
func (c *connection) ask(ctx context.Context, r worker.Request) (a worker.Answer, file *os.File, err error) {
	switch r.Op {
	case worker.OpSign:
		a.Blob, err = c.gateway.sign(r)
	case worker.OpOffer:
		a.Yes = c.offer(ctx, r)
	case worker.OpVerified:
		a.Yes = c.signIn(ctx, r)
	case worker.OpFailed:
		c.failed(r.Reason)
	default:
		p, in := c.principal()
		if !in {
			return a, nil, inventory.Errorf(inventory.ErrDenied, "nobody has signed in")
		}
		return c.askSignedIn(inventory.WithPrincipal(ctx, p), r)
	}
	return a, nil, err
}

func (c *connection) askSignedIn(ctx context.Context, r worker.Request) (a worker.Answer, file *os.File, err error) {
	switch r.Op {
	case worker.OpOpen:
		file, a, err = c.open(ctx, r)
	case worker.OpDial:
		file, a.Forward, err = c.dial(ctx, r)
	case worker.OpListen:
		file, a, err = c.listen(ctx, r)
	case worker.OpAgent:
		file, a.Forward, err = c.agent(ctx)
	case worker.OpUsed:
		c.used(r)
	case worker.OpClosed:
		c.closed(ctx, r.Forward)
	default:
		err = inventory.Errorf(inventory.ErrInvalid, "there is no %q", r.Op)
	}
	return a, file, err
}

func (c *connection) failed(reason string) {
	c.penalty = cmp.Or(map[string]time.Duration{worker.FailedNoAuth: penaltyNoAuth,
		worker.FailedKeys: penaltyFailed, worker.FailedTime: penaltyGrace}[reason], penaltyFailed)
	c.gateway.Log.Info("ssh: nobody signed in", "from", c.From, "reason", reason)
	if reason == worker.FailedKeys { // who shows none has not asked to come in
		c.turnAway()
	}
	c.decide()
}

// turnAway tells the journal, once a connection, of a client none of whose keys opens what it asked for.
func (c *connection) turnAway() {
	rec := inventory.Record{Kind: inventory.RecordRefusal, Verb: "ssh.sign-in", Subject: "host", Result: "none of the keys shown opens it",
		Principal: inventory.Principal{Name: "nobody", Kind: inventory.KindPerson, From: c.From.Addr().String()}}
	if err := c.gateway.Journal.Fact(context.Background(), rec); err != nil {
		c.gateway.Log.Error("ssh: refusal not recorded", "error", err)
	}
}

func (f facts) ref() inventory.Ref {
	return inventory.Ref{Project: f.Project, Name: string(f.Container)}
}

// save keeps the facts for the next agent. Nobody needs them after a power cut.
func (c *connection) save() error {
	raw, err := json.Marshal(c.known())
	if err == nil {
		err = os.WriteFile(c.path(".json.new"), raw, 0o600)
	}
	if err == nil {
		err = os.Rename(c.path(".json.new"), c.path(".json"))
	}
	if err != nil {
		return fmt.Errorf("keep the connection's facts: %w", err)
	}
	return nil
}
