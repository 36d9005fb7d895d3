package sshgate

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
