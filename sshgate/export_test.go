package sshgate

import (
	"context"

	"lodge/sshgate/worker"
)

// NewSignIn is what a worker of a new connection may ask of signing in: whether it is taken, and
// whether the connection is somebody's after it.
func (g *Gateway) NewSignIn(id string) func(context.Context, worker.Request) (taken, known bool) {
	c := &connection{gateway: g, id: id, decide: func() {}}
	return func(ctx context.Context, r worker.Request) (taken, known bool) {
		taken = c.signIn(ctx, r)
		_, known = c.principal()
		return taken, known
	}
}

// TakesAgents is takesAgents.
var TakesAgents = takesAgents

// Abandon drops every worker as the death of the agent does: without a word.
func (g *Gateway) Abandon() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, c := range g.live {
		c.conn.Close()
	}
}

// Forgive forgets what sources did wrong.
func (g *Gateway) Forgive() {
	g.sources.mu.Lock()
	defer g.sources.mu.Unlock()
	clear(g.sources.from)
}

// RevocationList writes one.
var RevocationList = revocationList
