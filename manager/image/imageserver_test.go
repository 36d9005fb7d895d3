package image_test

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"

	"lodge/inventory"
)

const rootPath = "images/root.tar.xz"

// An imageServer publishes one image, tiny, as simplestreams do, and misbehaves on request.
type imageServer struct {
	*httptest.Server
	content map[string][]byte
	list    map[string]any
	root    map[string]any // the item of the files
	answer  func(w http.ResponseWriter, r *http.Request, body []byte) bool
	asked   atomic.Int64 // for the files
	arch    string
}

func newImageServer(t *testing.T) *imageServer {
	t.Helper()
	s := &imageServer{content: map[string][]byte{"images/m.tar": archiveOf(t, map[string]string{"metadata.yaml": "architecture: x86_64\n"}),
		rootPath: append(minimal(t, "pulled"), make([]byte, 4<<20)...)}}
	arch := map[string]string{"386": "i386", "arm": "armhf", "ppc64le": "ppc64el"}[runtime.GOARCH]
	if arch == "" {
		arch = runtime.GOARCH
	}
	s.arch = arch
	s.root = s.item("squashfs-no", rootPath)
	s.root["ftype"] = "root.tar.xz"
	items := map[string]any{"m": s.item("incus.tar.xz", "images/m.tar"), "r": s.root}
	old := map[string]any{"r": s.root}
	s.list = map[string]any{"products": map[string]any{
		"tiny:1:" + arch: map[string]any{"aliases": "tiny/1/default,tiny/1", "arch": arch,
			"versions": map[string]any{"20260101": map[string]any{"items": items}, "20250101": map[string]any{"items": old}}},
		"tiny:1:other": map[string]any{"aliases": "tiny/1", "arch": "sparc", "versions": map[string]any{"20270101": map[string]any{"items": items}}}}}
	s.content["streams/v1/index.json"] = []byte(`{"index":{"images":{"datatype":"image-downloads","path":"streams/v1/images.json"}}}`)
	s.Server = httptest.NewServer(http.HandlerFunc(s.serve))
	t.Cleanup(s.Close)
	return s
}

func (s *imageServer) item(kind, path string) map[string]any {
	sum := sha256.Sum256(s.content[path])
	return map[string]any{"ftype": kind, "path": path, "size": len(s.content[path]), "sha256": hex.EncodeToString(sum[:])}
}

func (s *imageServer) serve(w http.ResponseWriter, r *http.Request) {
	name := strings.TrimPrefix(r.URL.Path, "/")
	body, ok := s.content[name]
	if name == "streams/v1/images.json" {
		body, _ = json.Marshal(s.list)
		ok = true
	}
	if name == rootPath {
		s.asked.Add(1)
	}
	if s.answer != nil && s.answer(w, r, body) {
		return
	}
	if !ok {
		http.NotFound(w, r)
		return
	}
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(body))
}

// A misdeed is something a server does that it may not.
type misdeed struct {
	name  string
	setup func(s *imageServer)
	kind  error
	says  string
	keeps bool // what arrived, for the next try
}

// redirect makes a server send everybody on.
func redirect(to string) func(*imageServer) {
	return func(s *imageServer) {
		s.answer = func(w http.ResponseWriter, r *http.Request, _ []byte) bool {
			http.Redirect(w, r, to, http.StatusFound)
			return true
		}
	}
}

// files makes a server answer for the files in a way of its own.
func files(do func(w http.ResponseWriter, body []byte)) func(*imageServer) {
	return func(s *imageServer) {
		s.answer = func(w http.ResponseWriter, r *http.Request, body []byte) bool {
			if strings.TrimPrefix(r.URL.Path, "/") != rootPath {
				return false
			}
			do(w, body)
			return true
		}
	}
}

func misdeeds(t *testing.T, elsewhere string) []misdeed {
	return []misdeed{
		{"lies about the hash", func(s *imageServer) { s.root["sha256"] = strings.Repeat("0", 64) }, inventory.ErrInvalid, "SHA-256", false},
		{"lies about the size", func(s *imageServer) { s.root["size"] = 1000 }, inventory.ErrInvalid, "1000 bytes", false},
		{"says it is larger", func(s *imageServer) { s.root["size"] = len(s.content[rootPath]) + 1 }, inventory.ErrInvalid, "the server sends", false},
		{"a hash that is a path", func(s *imageServer) {
			s.root["sha256"] = "../../../../../../../../../../../../../../../../etc/cron.d/evil"
		}, inventory.ErrInvalid, "no SHA-256", false},
		{"a version that is a path", func(s *imageServer) {
			for _, p := range s.list["products"].(map[string]any) {
				versions := p.(map[string]any)["versions"].(map[string]any)
				versions["99999999/../../../../etc\n"] = versions["20260101"]
			}
		}, inventory.ErrInvalid, "a form it can't have", false},
		{"names no hash", func(s *imageServer) { delete(s.root, "sha256") }, inventory.ErrInvalid, "no SHA-256", false},
		{"a size of terabytes", func(s *imageServer) { s.root["size"] = 1 << 42 }, inventory.ErrInvalid, "at most", false},
		{"a size below nothing", func(s *imageServer) { s.root["size"] = -1 }, inventory.ErrInvalid, "at most", false},
		{"a path outside", func(s *imageServer) { s.root["path"] = "../../etc/shadow" }, inventory.ErrInvalid, "outside of the remote", false},
		{"a path elsewhere", func(s *imageServer) { s.root["path"] = elsewhere + "/x" }, inventory.ErrInvalid, "outside of the remote", false},
		{"a list outside", func(s *imageServer) {
			s.content["streams/v1/index.json"] = []byte(`{"index":{"x":{"datatype":"image-downloads","path":"//127.0.0.1/x"}}}`)
		}, inventory.ErrInvalid, "outside of the remote", false},
		{"no JSON", func(s *imageServer) { s.content["streams/v1/index.json"] = []byte("<html>") }, inventory.ErrInvalid, "can't be read", false},
		{"sends on to loopback", redirect(elsewhere), inventory.ErrInvalid, "that is refused", false},
		{"sends on to localhost", redirect("http://localhost:1/x"), inventory.ErrInvalid, "that is refused", false},
		{"sends on to a private network", redirect("http://10.0.0.1/x"), inventory.ErrInvalid, "that is refused", false},
		{"sends on to link-local", redirect("http://169.254.169.254/latest/meta-data"), inventory.ErrInvalid, "that is refused", false},
		{"sends on to itself in IPv6", redirect("http://[::ffff:127.0.0.1]:1/x"), inventory.ErrInvalid, "that is refused", false},
		{"sends on to a file", redirect("file:///etc/shadow"), inventory.ErrInvalid, "can't be followed", false},
		{"stalls", files(func(w http.ResponseWriter, body []byte) {
			w.Header().Set("Content-Length", fmt.Sprint(len(body)))
			w.Write(body[:100_000])
			w.(http.Flusher).Flush()
			time.Sleep(3 * time.Second)
		}), inventory.ErrUnavailable, "goes on there", true},
		{"answers nothing", files(func(w http.ResponseWriter, _ []byte) { time.Sleep(3 * time.Second) }), inventory.ErrUnavailable, "", true},
		{"sends another part", files(func(w http.ResponseWriter, body []byte) {
			w.Header().Set("Content-Length", fmt.Sprint(len(body)))
			w.Write(bytes.Repeat([]byte("x"), len(body)))
		}), inventory.ErrInvalid, "SHA-256", false},
		{"without end", files(func(w http.ResponseWriter, body []byte) {
			for range 100 {
				w.Write(body)
			}
		}), inventory.ErrInvalid, "more than", false},
		{"an image that is none", func(s *imageServer) {
			s.content[rootPath] = archiveOf(t, map[string]string{"etc/x": "x"})
			for k, v := range s.item("root.tar.xz", rootPath) {
				s.root[k] = v
			}
		}, inventory.ErrInvalid, "no /sbin/init", false},
	}
}

func newSigner(t *testing.T) *openpgp.Entity {
	t.Helper()
	e, err := openpgp.NewEntity("test", "", "test@example.com", nil)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func public(t *testing.T, e *openpgp.Entity) string {
	t.Helper()
	return armored(t, openpgp.PublicKeyType, func(w *bytes.Buffer) error { return e.Serialize(w) })
}

func private(t *testing.T, e *openpgp.Entity) string {
	t.Helper()
	return armored(t, openpgp.PrivateKeyType, func(w *bytes.Buffer) error { return e.SerializePrivate(w, nil) })
}

func armored(t *testing.T, kind string, write func(w *bytes.Buffer) error) string {
	t.Helper()
	var raw, out bytes.Buffer
	w, err := armor.Encode(&out, kind, nil)
	if err == nil {
		err = write(&raw)
	}
	if err == nil {
		_, err = w.Write(raw.Bytes())
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// archiveOf writes files as a tar.
func archiveOf(t *testing.T, files map[string]string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for name, text := range files {
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(text))}); err != nil {
			t.Fatal(err)
		}
		w.Write([]byte(text))
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
