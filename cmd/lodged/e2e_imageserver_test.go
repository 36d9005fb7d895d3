package main

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"lodge/inventory"
	"lodge/web/client"
)

// imageServer publishes one image as simplestreams do, under every name that is asked for.
func imageServer(t testing.TB, alias string, files []byte) string {
	t.Helper()
	var metadata bytes.Buffer
	w := tar.NewWriter(&metadata)
	text := "architecture: x86_64\ncreation_date: 1\n"
	w.WriteHeader(&tar.Header{Name: "metadata.yaml", Mode: 0o644, Size: int64(len(text))})
	w.Write([]byte(text))
	w.Close()
	content := map[string][]byte{"/images/m.tar.xz": metadata.Bytes(), "/images/root.tar.xz": files}
	item := func(kind, path string) map[string]any {
		sum := sha256.Sum256(content[path])
		return map[string]any{"ftype": kind, "path": path[1:], "size": len(content[path]), "sha256": hex.EncodeToString(sum[:])}
	}
	arch := map[string]string{"386": "i386", "arm": "armhf", "ppc64le": "ppc64el"}[runtime.GOARCH]
	if arch == "" {
		arch = runtime.GOARCH
	}
	list := map[string]any{"products": map[string]any{"tiny:1": map[string]any{"aliases": alias, "arch": arch,
		"versions": map[string]any{"20260101": map[string]any{"items": map[string]any{
			"m": item("incus.tar.xz", "/images/m.tar.xz"), "r": item("root.tar.xz", "/images/root.tar.xz")}}}}}}
	content["/streams/v1/index.json"] = []byte(`{"index":{"images":{"datatype":"image-downloads","path":"streams/v1/images.json"}}}`)
	content["/streams/v1/images.json"], _ = json.Marshal(list)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, ok := content[r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(body))
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// remote names a server for a test.
func (l *lab) remote(name, url string) mutation {
	return func(ctx context.Context) (client.Answer, error) {
		return l.api.AddRemote(ctx, inventory.RemoteArgs{Name: name, URL: url}, client.Options{})
	}
}

// TestImageServer: a remote is named, looked through and pulled from by the command line, which shows
// how far it is; what came starts. A server that sends on to the host itself gets nowhere.
func TestImageServer(t *testing.T) {
	l := newLab(t)
	url := imageServer(t, "tiny/1/default,tiny/1", append(tinyImage(t, "", strings.Repeat("x", 2<<20)), make([]byte, 512)...))
	half, goOn := make(chan struct{}), make(chan struct{})
	slow := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		resp, err := http.Get(url + r.URL.Path)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		defer resp.Body.Close()
		body, _ := io.ReadAll(resp.Body)
		w.Header().Set("Content-Length", fmt.Sprint(len(body)))
		w.WriteHeader(resp.StatusCode)
		if strings.HasSuffix(r.URL.Path, "root.tar.xz") {
			w.Write(body[:len(body)/2])
			w.(http.Flusher).Flush()
			close(half)
			<-goOn
			body = body[len(body)/2:]
		}
		w.Write(body)
	}))
	t.Cleanup(slow.Close)
	if out, code := l.lodge("image", "list", "corp:"); code != 3 || !strings.Contains(out, "lodge image remote add") {
		t.Errorf("a remote that nobody named: %d %s", code, out)
	}
	if out := l.run("image", "remote", "add", "corp", slow.URL, "--plan"); !strings.Contains(out, "need not be signed") {
		t.Errorf("the plan: %s", out)
	}
	l.run("image", "remote", "add", "corp", slow.URL)
	if out := l.run("image", "list", "corp:ti"); !strings.Contains(out, "corp:tiny/1") || !strings.Contains(out, "20260101") {
		t.Errorf("the list: %s", out)
	}
	if out := l.run("image", "list", "corp:other"); strings.Contains(out, "tiny") {
		t.Errorf("the list with a prefix of others: %s", out)
	}
	if out := l.run("image", "pull", "corp:tiny/1", "--plan"); !strings.Contains(out, "whoever is on the way") {
		t.Errorf("the plan of http without a key: %s", out)
	}
	shown, err := os.Create(filepath.Join(t.TempDir(), "shown"))
	l.must(err)
	defer shown.Close()
	pull := exec.Command(filepath.Join(programs(t, "lodge"), "lodge"), "image", "pull", "corp:tiny/1")
	pull.Env, pull.Stdout, pull.Stderr = append(os.Environ(), "LODGE_HOST=unix:"+l.socket()), shown, shown
	l.must(pull.Start())
	says := func(what string) bool {
		text, _ := os.ReadFile(shown.Name())
		return strings.Contains(string(text), what)
	}
	<-half
	l.await("the progress of the download is shown", func() bool { return says("downloading") })
	close(goOn)
	if err := pull.Wait(); err != nil || !says("corp/tiny/1 is an image now") {
		t.Errorf("pull: %v", err)
	}
	l.run("launch", "corp/tiny/1", "lt-pulled", "--purpose", "x", "--disk", "64MiB", "--memory", "64MiB")
	if out, code := l.exec("lt-pulled", "hostname"); out != "lt-pulled\n" || code != 0 {
		t.Errorf("what was pulled: %q, %d", out, code)
	}
	elsewhere := httptest.NewServer(http.RedirectHandler("http://127.0.0.1:1/secret", http.StatusFound))
	t.Cleanup(elsewhere.Close)
	l.run("image", "remote", "add", "evil", elsewhere.URL)
	for _, args := range [][]string{{"image", "list", "evil:"}, {"image", "pull", "evil:x"}} {
		if out, code := l.lodge(args...); code != 2 || !strings.Contains(out, "that is refused") {
			t.Errorf("%v: %d %s", args, code, out)
		}
	}
	l.settle()
	l.checkClean()
}
