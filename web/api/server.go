package api

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"lodge/inventory"
)

// Server returns the server for a Unix socket: callers are known by the socket's peer credentials.
// There is no write timeout, since event streams and downloads last; slow readers of headers are
// cut off. Shutdown ends event streams, and leaves attached sessions to their holders.
func (a *API) Server() *http.Server {
	s := &http.Server{
		Handler:           a,
		ReadHeaderTimeout: 5 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ConnContext:       a.connContext,
		ErrorLog:          slog.NewLogLogger(a.log.Handler(), slog.LevelWarn),
	}
	s.RegisterOnShutdown(a.endStreams)
	return s
}

func (a *API) endStreams() { a.close.Do(func() { close(a.closing) }) }

// connContext runs once per connection, before its first request.
func (a *API) connContext(ctx context.Context, c net.Conn) context.Context {
	p, err := a.peer(c)
	if err != nil {
		a.turnAway(ctx, inventory.Principal{}, err)
		return context.WithValue(ctx, refusalKey{}, err)
	}
	return context.WithValue(ctx, peerKey{}, p)
}

type (
	refusalKey struct{}
	peerKey    struct{}
)

// identified returns the request's context with who is calling. It is asked for every request: a user
// may be disabled while their connection stays.
func (a *API) identified(r *http.Request) (context.Context, error) {
	ctx := r.Context()
	if err, _ := ctx.Value(refusalKey{}).(error); err != nil {
		return ctx, err
	}
	if _, ok := inventory.PrincipalFrom(ctx); ok {
		return ctx, nil
	}
	peer, ok := ctx.Value(peerKey{}).(inventory.Peer)
	if !ok || a.Identity == nil {
		return ctx, inventory.Errorf(inventory.ErrDenied, "it is not known who is calling")
	}
	p, err := a.caller(ctx, r, peer)
	if err != nil {
		if p.Name == "" {
			p = inventory.Principal{Proof: fmt.Sprintf("%s%d", inventory.PeerProof, peer.UID)}
		}
		a.turnAway(ctx, p, err)
	}
	return inventory.WithPrincipal(ctx, p), err
}

// turnAway tells the journal of a caller who is not let in. Nobody has shown to be an admin yet, so a
// flood of them is counted like anybody's. A refusal that can't be recorded stays one.
func (a *API) turnAway(ctx context.Context, p inventory.Principal, err error) {
	a.log.Warn("caller refused", "error", err)
	if a.Refusals == nil || !errors.Is(err, inventory.ErrDenied) {
		return
	}
	p.Name, p.Kind = cmp.Or(p.Name, "nobody"), cmp.Or(p.Kind, inventory.KindPerson)
	p.Admin, p.From = false, "unix"
	rec := inventory.Record{Kind: inventory.RecordRefusal, Verb: "api.sign-in", Principal: p, Subject: "host", Result: err.Error()}
	if err := a.Refusals.Fact(ctx, rec); err != nil {
		a.log.Error("refusal not recorded", "verb", rec.Verb, "error", err)
	}
}

// caller is who shows a token (RFC 6750, 2.1), or who is at the other end. Who shows one is never
// taken for themselves, were it for lack of a good one.
func (a *API) caller(ctx context.Context, r *http.Request, peer inventory.Peer) (inventory.Principal, error) {
	shown := r.Header.Get("Authorization")
	if shown == "" {
		return a.Identity.Local(ctx, peer)
	}
	scheme, secret, _ := strings.Cut(shown, " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return inventory.Principal{}, inventory.Errorf(inventory.ErrDenied, "only tokens are taken as authorization: Bearer lodge_...")
	}
	return a.Identity.Bearer(ctx, strings.TrimSpace(secret))
}

type writerKey struct{}

// bodyIsRead takes back the deadline huma sets for reading a body. Where there was no body it would
// end the request: net/http reads ahead to notice a caller who leaves, takes the deadline of that
// read for one, and cancels a handler that waits longer (net/http.(*connReader).backgroundRead).
func bodyIsRead(ctx context.Context) {
	if w, ok := ctx.Value(writerKey{}).(http.ResponseWriter); ok {
		http.NewResponseController(w).SetReadDeadline(time.Time{}) // unsupported: nothing was set either
	}
}

// untilClosing returns a context that also ends when the server shuts down.
func (a *API) untilClosing(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := make(chan struct{})
	go func() {
		select {
		case <-a.closing:
			cancel(errClosing)
		case <-stop:
		}
	}()
	return ctx, func() { close(stop); cancel(nil) }
}

var errClosing = errors.New("the agent stops")
