package api_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"lodge/inventory"
	"lodge/web/api/apitest"
	"lodge/web/client"
	"lodge/web/wire"
)

func TestSessionStream(t *testing.T) {
	w := apitest.New()
	w.Add(inventory.Container{Name: "web1"}, inventory.StateRunning)
	c, socket := open(t, w.Config())
	ctx := t.Context()
	s, err := c.OpenSession(ctx, ref("web1"), wire.SessionRequest{Kind: inventory.SessionExec,
		SessionArgs: inventory.SessionArgs{Command: []string{"cat", "secret"}, TTY: true}}, client.Options{Reason: "look"})
	if err != nil || s.Kind != inventory.SessionExec || s.Command != "cat" || !s.TTY || s.ID == "" {
		t.Fatalf("open gave %+v, %v", s, err)
	}
	conn, err := c.Stream(ctx, s.ID, false)
	if err != nil {
		t.Fatal(err)
	}
	sent := make([]byte, 1<<20)
	rand.Read(sent)
	go conn.Write(sent)
	got := make([]byte, len(sent))
	if _, err := io.ReadFull(conn, got); err != nil || !bytes.Equal(sent, got) {
		t.Fatalf("a megabyte did not come back whole: %v", err)
	}
	if _, err := conn.Write([]byte("bye")); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Read(got); err == nil {
		t.Error("the stream goes on after its holder has gone")
	}
	conn.Close()

	if resp, body := send(t, socket, "GET", "/v1/sessions/"+string(s.ID)+"/stream", ""); resp.StatusCode != 422 || !strings.Contains(body, "Upgrade: lodge-stream") {
		t.Errorf("a stream without Upgrade gave %d %s", resp.StatusCode, body)
	}
	if _, err := c.Stream(ctx, "nope", false); !errors.Is(err, inventory.ErrNotFound) {
		t.Errorf("the stream of no session gave %v", err)
	}
	live, err := c.Sessions(ctx, client.SessionQuery{Live: true})
	if err != nil || len(live.Items) != 1 {
		t.Errorf("live sessions are %+v, %v", live, err)
	}
	if s, err = c.EndSession(ctx, s.ID); err != nil || s.ExitCode != 137 || s.EndedAt.IsZero() {
		t.Errorf("end gave %+v, %v", s, err)
	}
	if one, err := c.Session(ctx, s.ID); err != nil || one.Result != "signal" {
		t.Errorf("show gave %+v, %v", one, err)
	}
}

// TestEarlyBytes: what a client sends together with its request belongs to the stream.
func TestEarlyBytes(t *testing.T) {
	w := apitest.New()
	w.Add(inventory.Container{Name: "web1"}, inventory.StateRunning)
	c, socket := open(t, w.Config())
	s, err := c.OpenSession(t.Context(), ref("web1"), wire.SessionRequest{Kind: inventory.SessionShell}, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	io.WriteString(conn, "GET /v1/sessions/"+string(s.ID)+"/stream HTTP/1.1\r\nHost: lodge\r\nConnection: Upgrade\r\nUpgrade: lodge-stream\r\n\r\nearly")
	conn.SetDeadline(time.Now().Add(time.Minute))
	buf := make([]byte, 4096)
	got := ""
	for !strings.HasSuffix(got, "early") {
		n, err := conn.Read(buf)
		if err != nil {
			t.Fatalf("%v after %q", err, got)
		}
		got += string(buf[:n])
	}
	if !strings.HasPrefix(got, "HTTP/1.1 101 Switching Protocols\r\n") {
		t.Errorf("got %q", got)
	}
}

func TestFiles(t *testing.T) {
	w := apitest.New()
	w.Add(inventory.Container{Name: "web1"}, inventory.StateRunning)
	c, socket := open(t, w.Config())
	ctx := t.Context()
	content := make([]byte, 5<<20) // more than a JSON body may have
	rand.Read(content)
	uid := 33
	args := inventory.FileArgs{Path: "/srv/big file", Mode: "0640", UID: &uid}
	if err := c.WriteFile(ctx, ref("web1"), args, bytes.NewReader(content), client.Options{}); err != nil {
		t.Fatal(err)
	}
	if err := c.MakeFolder(ctx, ref("web1"), inventory.FileArgs{Path: "/srv/a"}, client.Options{}); err != nil {
		t.Fatal(err)
	}
	info, r, err := c.ReadFile(ctx, ref("web1"), "/srv/big file")
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(r)
	r.Close()
	if err != nil || !bytes.Equal(got, content) || info.Mode != "0640" || info.UID != 33 || info.Size != 5<<20 {
		t.Errorf("read %d bytes of %+v, %v", len(got), info, err)
	}
	list, err := c.ListFiles(ctx, ref("web1"), "/srv")
	if err != nil || len(list) != 2 || list[0].Type != "directory" || list[1].Name != "big file" {
		t.Errorf("list gave %+v, %v", list, err)
	}
	if err := c.DeleteFile(ctx, ref("web1"), "/srv/big file", client.Options{}); err != nil {
		t.Error(err)
	}
	if _, _, err := c.ReadFile(ctx, ref("web1"), "/srv/big file"); !errors.Is(err, inventory.ErrNotFound) {
		t.Errorf("reading a deleted file gave %v", err)
	}
	if resp, body := send(t, socket, "GET", "/v1/containers/web1/files", ""); resp.StatusCode != 422 || !strings.Contains(body, "needs a path") {
		t.Errorf("no path gave %d %s", resp.StatusCode, body)
	}
	log, err := c.ConsoleLog(ctx, ref("web1"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	if line, _ := io.ReadAll(log); !strings.HasSuffix(string(line), "web1 login: ") {
		t.Errorf("the console says %q", line)
	}
}

func TestImport(t *testing.T) {
	cfg := apitest.New().Config()
	cfg.Uploads, cfg.UploadLimit = t.TempDir(), 1<<20
	c, _ := open(t, cfg)
	ctx := t.Context()
	spooled := func() int {
		entries, err := os.ReadDir(cfg.Uploads)
		if err != nil {
			t.Fatal(err)
		}
		return len(entries)
	}
	args := inventory.ImportArgs{Alias: "web/1", Source: "web.tar"}
	a, err := c.ImportImage(ctx, args, strings.NewReader("an archive"), client.Options{Wait: time.Minute, Key: "k"})
	if err != nil || a.Operation == nil || a.Operation.State != inventory.OperationDone || spooled() != 1 {
		t.Fatalf("import gave %+v, %v with %d files spooled", a.Operation, err, spooled())
	}
	if i, err := c.Image(ctx, "web/1"); err != nil || i.Source != "import web.tar" {
		t.Errorf("the image is %+v, %v", i, err)
	}
	again, err := c.ImportImage(ctx, args, strings.NewReader("an archive"), client.Options{Key: "k"})
	if err != nil || again.Operation.ID != a.Operation.ID || spooled() != 1 {
		t.Errorf("the same key gave %+v, %v with %d files spooled", again.Operation, err, spooled())
	}
	if plan, err := c.ImportImage(ctx, args, strings.NewReader("an archive"), client.Options{Plan: true}); err != nil || plan.Plan == nil || spooled() != 1 {
		t.Errorf("a plan gave %+v, %v with %d files spooled", plan, err, spooled())
	}
	args.Alias = "NOT/ok"
	if _, err := c.ImportImage(ctx, args, strings.NewReader("x"), client.Options{}); !errors.Is(err, inventory.ErrInvalid) || spooled() != 1 {
		t.Errorf("a bad alias gave %v with %d files spooled", err, spooled())
	}
	args.Alias = "big"
	if _, err := c.ImportImage(ctx, args, bytes.NewReader(make([]byte, 2<<20)), client.Options{}); !errors.Is(err, inventory.ErrQuota) || spooled() != 1 {
		t.Errorf("a large archive gave %v with %d files spooled", err, spooled())
	}
}
