package api_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"lodge/inventory"
	"lodge/web/api"
	"lodge/web/api/apitest"
	"lodge/web/client"
)

// tail opens a stream by hand and returns its lines.
func tail(t *testing.T, socket, path string, header ...string) (*bufio.Scanner, net.Conn) {
	t.Helper()
	conn, err := net.Dial("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: lodge\r\n%s\r\n", path, strings.Join(header, "\r\n")+"\r\n")
	return bufio.NewScanner(conn), conn
}

// upTo returns the lines until one holds text.
func upTo(t *testing.T, lines *bufio.Scanner, text string) string {
	t.Helper()
	var all strings.Builder
	for lines.Scan() {
		all.WriteString(lines.Text() + "\n")
		if strings.Contains(lines.Text(), text) {
			return all.String()
		}
	}
	t.Fatalf("the stream ended before %q: %s", text, all.String())
	return ""
}

func TestEventReplay(t *testing.T) {
	w := apitest.New()
	for i := range 1200 { // more than are read at once
		w.Emit(inventory.Event{Type: "container.state", Name: fmt.Sprintf("c%d", i+1), Project: "default"})
	}
	_, socket := open(t, w.Config())

	lines, _ := tail(t, socket, "/v1/events?after=0")
	if got := upTo(t, lines, `"name":"c1200"`); strings.Count(got, "\ndata: ") != 1200 || !strings.Contains(got, "text/event-stream") {
		t.Errorf("replay gave %d events", strings.Count(got, "\ndata: "))
	}
	lines, _ = tail(t, socket, "/v1/events?after=3", "Last-Event-ID: 1198")
	got := upTo(t, lines, `"name":"c1200"`)
	if strings.Count(got, "data: ") != 2 || !strings.Contains(got, "\nid: 1198\n\n") {
		t.Errorf("resume gave %s", got)
	}
	lines, _ = tail(t, socket, "/v1/events")
	upTo(t, lines, "id: 1200")
	w.Emit(inventory.Event{Type: "operation.started", Name: "new"})
	if got := upTo(t, lines, `"name":"new"`); !strings.Contains(got, "id: 1201\nevent: operation.started\n") {
		t.Errorf("a new event came as %s", got)
	}
}

func TestEventFilters(t *testing.T) {
	w := apitest.New()
	w.Emit(inventory.Event{Type: "container.state", Name: "a", Project: "default"})
	w.Emit(inventory.Event{Type: "operation.started", Name: "b", Project: "shop"})
	w.Emit(inventory.Event{Type: "operation.ended", Name: "c", Project: "default"})
	c, _ := open(t, w.Config())
	for e, err := range c.Events(t.Context(), client.EventQuery{Type: "operation.", Project: "default"}) {
		if err != nil || e.Name != "c" || e.Seq != 3 {
			t.Errorf("got %+v, %v", e, err)
		}
		break
	}
}

// TestEventResume takes the agent away in the middle of a stream and brings it back: the reader
// sees every event once, in order.
func TestEventResume(t *testing.T) {
	w := apitest.New()
	cfg := w.Config()
	cfg.Group = ownGroup(t)
	path := t.TempDir() + "/s"
	serve := func() func() {
		l, err := net.Listen("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		srv := api.New(cfg).Server()
		go srv.Serve(l)
		return func() { srv.Close() }
	}
	stop := serve()
	c, err := client.Dial("unix:" + path)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	w.Emit(inventory.Event{Type: "x"})
	w.Emit(inventory.Event{Type: "x"})
	var want int64 = 1
	for e, err := range c.Events(t.Context(), client.EventQuery{After: 0}) {
		if err != nil {
			t.Fatal(err)
		}
		if e.Seq != want {
			t.Fatalf("event %d came where %d should", e.Seq, want)
		}
		want++
		switch e.Seq {
		case 2:
			stop()
			w.Emit(inventory.Event{Type: "x"}) // nobody is there to see it
			stop = serve()
		case 3:
			w.Emit(inventory.Event{Type: "x"})
		}
		if e.Seq == 4 {
			break
		}
	}
	stop()
}

// TestNewEventsOnlyResume: a reader of new events that loses the connection before the first one
// still misses nothing.
func TestNewEventsOnlyResume(t *testing.T) {
	w := apitest.New()
	w.Emit(inventory.Event{Type: "old"})
	_, socket := open(t, w.Config())
	lines, conn := tail(t, socket, "/v1/events?after=-1")
	got := upTo(t, lines, "id: 1")
	conn.Close()
	if strings.Contains(got, "data:") {
		t.Errorf("an old event came: %s", got)
	}
	w.Emit(inventory.Event{Type: "x", Name: "between"})
	lines, _ = tail(t, socket, "/v1/events?after=-1", "Last-Event-ID: 1")
	upTo(t, lines, `"name":"between"`)
}

func TestShutdownEndsStreams(t *testing.T) {
	w := apitest.New()
	cfg := w.Config()
	cfg.Group = ownGroup(t)
	path := t.TempDir() + "/s"
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	srv := api.New(cfg).Server()
	go srv.Serve(l)
	lines, _ := tail(t, path, "/v1/events")
	upTo(t, lines, "id: 0")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := srv.Shutdown(ctx); err != nil {
		t.Errorf("shutdown: %v", err)
	}
	for lines.Scan() { // ends, instead of waiting for an event
	}
}

func TestStreamErrors(t *testing.T) {
	cfg := apitest.New().Config()
	cfg.Journal = nil
	c, _ := open(t, cfg)
	n := 0
	for _, err := range c.AuditTail(t.Context(), 0) {
		if n++; !errors.Is(err, inventory.ErrUnavailable) {
			t.Errorf("got %v", err)
		}
	}
	if n != 1 {
		t.Errorf("a stream that never began gave %d items", n)
	}
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(10*time.Millisecond, cancel)
	for _, err := range c.Events(ctx, client.EventQuery{After: -1}) {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	}
}

func TestAuditTail(t *testing.T) {
	w := apitest.New()
	w.Add(inventory.Container{Name: "web1"}, inventory.StateStopped)
	c, _ := open(t, w.Config())
	if _, err := c.Start(t.Context(), ref("web1"), client.Options{Reason: "why not"}); err != nil {
		t.Fatal(err)
	}
	for r, err := range c.AuditTail(t.Context(), 0) {
		if err != nil || r.Seq != 1 || r.Verb != "container.start" || r.Reason != "why not" || r.Principal.Proof == "" {
			t.Errorf("got %+v, %v", r, err)
		}
		break
	}
	if report, err := c.VerifyAudit(t.Context()); err != nil || report.Verdict != "clean" || report.Entries != 1 {
		t.Errorf("verify gave %+v, %v", report, err)
	}
}
