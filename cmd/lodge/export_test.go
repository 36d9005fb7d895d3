package main

import (
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestCVE_2026_48769_ServerNamesNoFile: an agent, or what stands in its place, has no say in what file an
// export is written to; one that breaks off leaves none.
func TestCVE_2026_48769_ServerNamesNoFile(t *testing.T) {
	dir := t.TempDir()
	socket := filepath.Join(dir, "s")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	cut := false
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasSuffix(r.URL.Path, "/export") {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Disposition", `attachment; filename="../../evil"`)
		w.Header().Set("X-Incus-Filename", "/"+dir+"/evil")
		w.Header().Set("Location", "/evil")
		if cut {
			w.Header().Set("Content-Length", "100")
		}
		io.WriteString(w, "image")
	})}
	go server.Serve(listener)
	defer server.Close()
	out := filepath.Join(dir, "out")
	if err := os.Mkdir(out, 0o755); err != nil {
		t.Fatal(err)
	}
	export := func(name string) error {
		app := newApp(strings.NewReader(""), io.Discard, io.Discard)
		return app.Run([]string{"lodge", "--host", "unix:" + socket, "image", "export", name, filepath.Join(out, "mine.tar")})
	}
	if err := export("../../evil"); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(filepath.Join(out, "mine.tar")); err != nil || string(text) != "image" {
		t.Errorf("the file holds %q, %v", text, err)
	}
	cut = true
	os.Remove(filepath.Join(out, "mine.tar"))
	if err := export("tiny"); err == nil {
		t.Error("a body that broke off was taken")
	}
	if left, _ := filepath.Glob(dir + "/*/*"); len(left) != 0 {
		t.Errorf("it leaves %v", left)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "evil")); len(left) != 0 {
		t.Errorf("the agent named the file %v", left)
	}
}
