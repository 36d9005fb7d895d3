package sshgate

import (
	"context"
	"crypto/rand"
	"time"

	"golang.org/x/crypto/ssh"

	"lodge/inventory"
	"lodge/sshgate/worker"
)

// sign signs a handshake with a host key. The worker can have anything signed with it, but not have
// the key: what a worker could do with that ends with its connection.
func (g *Gateway) sign(r worker.Request) ([]byte, error) {
	if r.Key < 0 || r.Key >= len(g.hostKeys) {
		return nil, inventory.Errorf(inventory.ErrInvalid, "there is no host key %d", r.Key)
	}
	s, err := g.hostKeys[r.Key].(ssh.AlgorithmSigner).SignWithAlgorithm(rand.Reader, r.Data, r.Algorithm)
	if err != nil {
		return nil, err
	}
	return ssh.Marshal(s), nil
}

// answerTime is when a question about a key is answered, whatever the answer: who is nobody, who may
// not, and a container that isn't there look the same.
const answerTime = 5 * time.Millisecond

// offer reports whether a key would be taken for a user name.
func (c *connection) offer(ctx context.Context, r worker.Request) bool {
	at := time.After(answerTime)
	_, ok := c.judge(ctx, r)
	<-at
	return ok
}

// signIn makes the connection that of the key's user, for good.
func (c *connection) signIn(ctx context.Context, r worker.Request) bool {
	f, ok := c.judge(ctx, r)
	if !ok {
		return false
	}
	if !c.take() {
		return false
	}
	defer c.let()
	rec := inventory.Record{Verb: "ssh.sign-in", Principal: *f.Principal, Project: f.Project, Result: "in"}
	if f.Container != "" {
		rec.Subject = "container:" + string(f.Container)
	}
	if err := c.gateway.Journal.Fact(ctx, rec); err != nil {
		return false // nobody comes in unrecorded
	}
	if !c.become(f) {
		return false
	}
	if err := c.save(); err != nil {
		c.gateway.Log.Warn("ssh: the next agent won't know this connection", "error", err)
	}
	c.decide()
	return true
}

// become makes the connection that of who signed in. What was taken from them while that was being recorded
// found no connection of theirs to end, so they are looked at again.
func (c *connection) become(f facts) bool {
	c.mu.Lock()
	before := c.facts
	c.facts = f
	c.mu.Unlock()
	if c.gateway.Rights.Allowed(*f.Principal, inventory.RightEnter, nil) {
		return true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.facts = before
	return false
}

// take reports whether a sign-in may begin: there is one, and while it is being recorded no other.
func (c *connection) take() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.signing || c.Principal != nil {
		return false
	}
	c.signing = true
	return true
}

func (c *connection) let() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.signing = false
}

// judge says what a connection would be with that key and user name; ok is false for nothing. It
// trusts in nothing but the store: a key says whose it is, and nothing about what they may. It looks at
// everything before it decides, so that every refusal is as much work.
func (c *connection) judge(ctx context.Context, r worker.Request) (f facts, ok bool) {
	at := c.known()
	address, wrong := at.address(r.User)
	directory, err := c.gateway.Store.Directory(ctx)
	if err != nil {
		return f, false
	}
	shown := r.Public
	if shown == nil {
		shown = &worker.PublicKey{}
	}
	p, known := c.gateway.whose(ctx, directory, shown, c.From.Addr())
	p.From = c.From.Addr().String()
	container, missing := c.gateway.Store.Container(ctx, inventory.Ref{Project: address.Project, Name: address.Container})
	may := c.gateway.mayEnter(p, container)
	if wrong != nil || r.Public == nil || !known {
		return f, false
	}
	f = facts{From: at.From, To: at.To, Target: at.Target, Principal: &p, Project: address.Project, Login: address.Login}
	// Their own name, as ssh sends it when told none: to the menu, or a jump.
	unnamed := address.Container == p.Name && address.Login == "" && at.Target == ""
	switch {
	case address.Container == "" || missing != nil && unnamed:
		return f, true
	case missing != nil || !may:
		return facts{}, false
	}
	// By its id: the name may be somebody else's by the time the session is opened.
	f.Container = container.ID
	return f, true
}
