package api

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"

	"lodge/inventory"
	"lodge/web/wire"
)

const (
	// heartbeat is how often a silent stream says that it lives; clients give up after three.
	heartbeat = 15 * time.Second
	// streamWrite bounds one write: a reader that stands still must not hold the stream's memory.
	streamWrite = 30 * time.Second
	// batch is how many events are read at once on replay.
	batch = 500
)

func (a *API) eventRoutes() {
	a.raw(raw{route: route{id: "event.tail", verb: "event.view", method: "GET", path: "/v1/events",
		tag:     "events",
		summary: "Follow events (server-sent events); replays what came after Last-Event-ID or ?after="},
		status: 200, answers: "text/event-stream", headers: []string{"Last-Event-ID"}, query: []field{
			{"after", "integer",
				"Replay what came after this number; 0 for all that are kept, -1 for new ones only."},
			{"project", "string", "Only this project's."},
			{"type", "string", "Only this type, or types that begin so: operation."}}, handle: a.events})
}

func (a *API) events(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	if err := a.enter(ctx, "event.view"); err != nil {
		return err
	}
	after, err := start(r, a.Reads.LastEvent)
	if err != nil {
		return err
	}
	q, sight := r.URL.Query(), a.sight()
	wanted := func(e inventory.Event) bool {
		return strings.HasPrefix(e.Type,
			q.Get("type")) && (q.Get("project") == "" || e.Project == q.Get("project")) &&
			sight.of(ctx, e.Container, e.Project)
	}
	return a.follow(w, r, "event.view", after, func(ctx context.Context, s *eventStream) error {
		if err := a.Reads.AwaitEvent(ctx, s.last); err != nil {
			return err
		}
		events, err := a.Reads.Events(ctx, s.last, batch)
		for _, e := range events {
			s.last = e.Seq
			if wanted(e) {
				err = s.add(e.Seq, e.Type, wire.FromEvent(e))
			}
			if err != nil {
				return err
			}
		}
		return err
	})
}

// start returns the number a stream begins after: Last-Event-ID (of a client that resumes) before
// ?after=, and the newest there is when neither is given.
func start(r *http.Request, newest func(context.Context) (int64, error)) (int64, error) {
	text := orString(r.Header.Get("Last-Event-ID"), r.URL.Query().Get("after"))
	if text == "" || text == "-1" {
		return newest(r.Context())
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 {
		return 0, inventory.Errorf(inventory.ErrInvalid, "%q is no number of an event", text)
	}
	return n, nil
}

// An eventStream collects what is sent next.
type eventStream struct {
	last int64 // number of the last event that was read
	out  bytes.Buffer
}

// add writes one event (WHATWG HTML, 9.2.5). JSON has no line breaks, so data is one line.
func (s *eventStream) add(id int64, kind string, v any) error {
	raw, err := json.Marshal(v)
	if err != nil {
		return err
	}
	s.out.WriteString("id: " + strconv.FormatInt(id, 10) + "\nevent: " + kind + "\ndata: ")
	s.out.Write(raw)
	s.out.WriteString("\n\n")
	return nil
}

// follow sends what next adds until the caller goes, may not pass as verb any more, or the server
// stops. next may wait; it is given a context that ends with the heartbeat.
func (a *API) follow(w http.ResponseWriter, r *http.Request, verb string, after int64,
	next func(context.Context, *eventStream) error) error {
	ctx, cancel := a.untilClosing(r.Context())
	defer cancel()
	defer http.NewResponseController(w).SetWriteDeadline(time.Time{}) // the connection may serve on
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no") // nginx would hold events back
	s := &eventStream{last: after}
	// The number the stream begins after, without an event: a client that loses the connection
	// before the first one resumes here and misses nothing.
	s.out.WriteString("id: " + strconv.FormatInt(after, 10) + "\n\n")
	for {
		if err := s.send(w); err != nil {
			return nil // the caller is gone
		}
		waiting, stop := context.WithTimeout(ctx, heartbeat)
		err := next(waiting, s)
		silent := waiting.Err() != nil
		stop()
		switch {
		case ctx.Err() != nil:
			return nil
		case a.enter(ctx, verb) != nil: // a role or a policy is another than when it began
			return nil
		case err != nil && !silent:
			a.log.Error("event stream broke", "path", r.URL.Path, "error", err)
			return nil // the client resumes after the last one it got
		case s.out.Len() == 0:
			s.out.WriteString(": still here\n\n")
		}
	}
}

func (s *eventStream) send(w http.ResponseWriter) error {
	c := http.NewResponseController(w)
	c.SetWriteDeadline(time.Now().Add(streamWrite)) // unsupported in tests' recorders: no deadline
	if _, err := s.out.WriteTo(w); err != nil {
		return err
	}
	return c.Flush()
}
