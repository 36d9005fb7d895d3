package client_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"lodge/inventory"
	"lodge/web/client"
)

func TestDial(t *testing.T) {
	for _, host := range []string{"unix:/run/x.sock", "unix:///run/x.sock", "/run/x.sock", ""} {
		t.Setenv("LODGE_HOST", "")
		if _, err := client.Dial(host); err != nil {
			t.Errorf("%q: %v", host, err)
		}
	}
	for _, host := range []string{"unix:", "box7", "ftp://box7"} {
		if _, err := client.Dial(host); !errors.Is(err, inventory.ErrInvalid) {
			t.Errorf("%q: %v", host, err)
		}
	}
	path := filepath.Join(t.TempDir(), "elsewhere.sock")
	t.Setenv("LODGE_HOST", "unix:"+path)
	c, err := client.Dial("")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Version(t.Context()); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("LODGE_HOST is not used: %v", err)
	}
}

func dial(t *testing.T, path string) *client.Client {
	t.Helper()
	c, err := client.Dial("unix:" + path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// TestNobodyThere: each way an agent can be away is a kind and a sentence that helps.
func TestNobodyThere(t *testing.T) {
	dir := t.TempDir()
	_, err := dial(t, filepath.Join(dir, "none")).Version(t.Context())
	if !errors.Is(err, inventory.ErrUnavailable) || !strings.Contains(err.Error(), "systemctl start lodged") {
		t.Errorf("no socket: %v", err)
	}
	left := filepath.Join(dir, "left") // by an agent that was killed
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: left})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	l.Close()
	_, err = dial(t, left).Version(t.Context())
	if !errors.Is(err, inventory.ErrUnavailable) || !strings.Contains(err.Error(), "no agent answers") {
		t.Errorf("a socket that was left: %v", err)
	}
	if os.Geteuid() != 0 { // root may do anything
		locked := filepath.Join(dir, "locked")
		if err := os.Mkdir(locked, 0); err != nil {
			t.Fatal(err)
		}
		if _, err = dial(t, filepath.Join(locked, "s")).Version(t.Context()); !errors.Is(err, inventory.ErrDenied) {
			t.Errorf("a socket out of reach: %v", err)
		}
	}
}

// TestAnotherServer: what answers without being Lodge is said to be so.
func TestAnotherServer(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/v1/host":
			http.Error(w, `{"error":"no"}`, http.StatusBadGateway)
		case "/v1/containers/web1/files":
			w.Header().Set("X-Lodge-File", `{"name":"f"}`)
			io.WriteString(w, "half of")
			http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		default:
			fmt.Fprint(w, "<html>")
		}
	})}
	go srv.Serve(l)
	defer srv.Close()
	c := dial(t, path)
	if _, err := c.Host(t.Context()); !errors.Is(err, inventory.ErrUnavailable) || !strings.Contains(err.Error(), "no Lodge agent") {
		t.Errorf("another server's error: %v", err)
	}
	if _, err := c.Version(t.Context()); err == nil {
		t.Error("a page of HTML passed for an answer")
	}
	_, body, err := c.ReadFile(t.Context(), inventory.Ref{Name: "web1"}, "/f")
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	if _, err := io.ReadAll(body); err == nil {
		t.Error("half a file passed for a whole one")
	}
}

// The way to another machine's ports is the caller's own ssh, none of whose words a shell or ssh_config
// reads otherwise.
func TestProxyCommand(t *testing.T) {
	t.Setenv("LODGE_SSH", "ssh -i it's%h")
	for address, want := range map[string]string{
		"unix:/run/x.sock": "", "": "",
		"ssh://oslo.example":             `'ssh' '-i' 'it'\''s%%h' -W '[%h]:%p' -- 'oslo.example'`,
		"ssh://ann@oslo.example:22/a.sk": `'ssh' '-i' 'it'\''s%%h' '-p' '22' -W '[%h]:%p' -- 'ann@oslo.example'`,
	} {
		if got, err := client.ProxyCommand(address); got != want || err != nil {
			t.Errorf("%q: %s, %v; want %s", address, got, err, want)
		}
	}
	if _, err := client.ProxyCommand("ssh://-oProxyCommand=x"); !errors.Is(err, inventory.ErrInvalid) {
		t.Error(err)
	}
}
