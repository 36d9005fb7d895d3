package main

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"runtime"
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
