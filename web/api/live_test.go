package api_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"lodge/inventory"
	"lodge/web/api"
	"lodge/web/api/apitest"
	"lodge/web/client"
	"lodge/web/wire"
)

// departing is one person on the socket, until they are gone, and a token that stays.
type departing struct{ gone atomic.Bool }

func (d *departing) Local(context.Context, inventory.Peer) (inventory.Principal, error) {
	p := inventory.Principal{Name: "dev1", Kind: inventory.KindPerson, Admin: true, From: "unix"}
	if d.gone.Load() {
		return p, inventory.Errorf(inventory.ErrDenied, "dev1 is disabled")
	}
	return p, nil
}

func (d *departing) Bearer(context.Context, string) (inventory.Principal, error) {
	return inventory.Principal{Name: "ci", Kind: inventory.KindToken, Admin: true}, nil
}

func (d *departing) Directory(context.Context) (*inventory.Directory, error) {
	return inventory.NewDirectory(nil, nil, nil, nil), nil
}

// Who is nobody any more loses whatever the door is answering them: streams, waits, sessions they look
// into and uploads. Others notice nothing.
func TestNobodyIsAnsweredOn(t *testing.T) {
	w, who := apitest.New(), &departing{}
	w.Slow = make(chan struct{})
	w.Add(inventory.Container{Name: "web1"}, inventory.StateRunning)
	cfg := w.Config()
	cfg.Identity = who
	door := api.New(cfg)
	socket := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	server := door.Server()
	go server.Serve(l)
	t.Cleanup(func() { server.Close() })
	c, err := client.Dial("unix:" + socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)

	lines, events := tail(t, socket, "/v1/events?after=0")
	upTo(t, lines, "id: 0")
	journal, records := tail(t, socket, "/v1/audit/tail?after=0")
	upTo(t, journal, "id: 0")
	stays, _ := tail(t, socket, "/v1/events?after=0", "Authorization: Bearer lodge_x")
	upTo(t, stays, "id: 0")
	s, err := c.OpenSession(t.Context(), ref("web1"), wire.SessionRequest{Kind: inventory.SessionExec,
		SessionArgs: inventory.SessionArgs{Command: []string{"cat"}}}, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	attached, err := c.Stream(t.Context(), s.ID, false)
	if err != nil {
		t.Fatal(err)
	}
	upload, err := net.Dial("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(upload, "PUT /v1/containers/web1/files?path=/x HTTP/1.1\r\nHost: lodge\r\nContent-Length: 1000\r\n\r\nhalf")
	for door.Answering() < 5 {
		time.Sleep(time.Millisecond)
	}

	if n := door.Recheck(); n != 0 {
		t.Fatalf("%d requests of somebody were broken off", n)
	}
	who.gone.Store(true)
	if n := door.Recheck(); n != 4 {
		t.Errorf("%d requests were broken off", n)
	}
	for what, conn := range map[string]io.Reader{"events": events, "records": records, "attached": attached, "upload": upload} {
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			io.Copy(io.Discard, conn)
		}()
		select {
		case <-ended:
		case <-time.After(20 * time.Second):
			t.Errorf("%s goes on", what)
		}
	}
	w.Emit(inventory.Event{Type: "container.state", Name: "seen"})
	if got := upTo(t, stays, `"name":"seen"`); strings.Contains(got, "disabled") {
		t.Errorf("who stays got %s", got)
	}
	if _, err := c.Container(t.Context(), ref("web1")); !errors.Is(err, inventory.ErrDenied) {
		t.Errorf("asked again: %v", err)
	}
}
