package api

import (
	"context"
	"net/http"
	"sync"
	"time"

	"lodge/inventory"
)

// answering are the requests that are being answered: long waits, event streams, downloads, attached
// sessions. Who is let in once is not let in for good.
type answering struct {
	mu  sync.Mutex
	all map[*call]struct{}
}

// A call is one request that is being answered.
type call struct {
	request *http.Request
	answer  http.ResponseWriter
	cancel  context.CancelCauseFunc
}

// begin keeps a request until the function it returns is called, and returns it with a context that
// ends when its caller is nobody any more.
func (l *answering) begin(w http.ResponseWriter, r *http.Request) (*http.Request, func()) {
	ctx, cancel := context.WithCancelCause(r.Context())
	c := &call{request: r, answer: w, cancel: cancel}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.all == nil {
		l.all = map[*call]struct{}{}
	}
	l.all[c] = struct{}{}
	return r.WithContext(ctx), func() {
		l.mu.Lock()
		delete(l.all, c)
		l.mu.Unlock()
		cancel(nil)
	}
}

func (l *answering) calls() (all []*call) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for c := range l.all {
		all = append(all, c)
	}
	return all
}

// Recheck asks of every request that is being answered who is calling, as at its begin, and breaks off
// those of nobody any more: their user was disabled, or their token revoked. It returns how many.
// What they had begun goes on: an operation is the host's once it is admitted.
func (a *API) Recheck() (n int) {
	for _, c := range a.answering.calls() {
		if _, err := a.identified(c.request); err == nil {
			continue
		}
		n++
		c.cancel(errNobody)
		// Whatever waits for the connection waits no longer; one that was hijacked ends by its context.
		conn := http.NewResponseController(c.answer)
		conn.SetReadDeadline(time.Unix(1, 0))
		conn.SetWriteDeadline(time.Unix(1, 0))
	}
	return n
}

var errNobody = inventory.Errorf(inventory.ErrDenied, "who asked may not use the agent any more")
