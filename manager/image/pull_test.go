package image_test

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/clearsign"

	"lodge/inventory"
	"lodge/manager/image"
	"lodge/packaging/need"
)

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

const rootPath = "images/root.tar.xz"

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

// pull names the server and gets its image.
func (b *bench) pull(s *imageServer, key string) (image.Made, error) {
	b.t.Helper()
	if _, err := b.store.Remote(context.Background(), "corp"); err != nil {
		if _, err := b.do("image.remote.add", inventory.RemoteArgs{Name: "corp", URL: s.URL, Key: key}); err != nil {
			return image.Made{}, err
		}
	}
	return b.do("image.pull", inventory.PullArgs{Remote: "corp", Image: "tiny/1", Alias: "corp/tiny"})
}

// downloads are the files kept for a pull to go on.
func (b *bench) downloads() []string {
	kept, _ := filepath.Glob(filepath.Join(b.root, "images/downloads/*"))
	return kept
}

func TestPull(t *testing.T) {
	need.Root(t)
	b, s := newBench(t), newImageServer(t)
	if _, err := b.pull(s, ""); err != nil {
		t.Fatal(err)
	}
	b.clean()
	m, err := b.store.Image(context.Background(), "corp/tiny")
	if err != nil || m.Source != "pull corp:tiny/1" || !strings.Contains(m.Build, `"version":"20260101"`) || !strings.Contains(m.Build, `"layout":"split"`) {
		t.Errorf("got %+v, %v", m, err)
	}
	if kept := b.downloads(); len(kept) > 0 {
		t.Errorf("downloads holds %v", kept)
	}
	for _, c := range []struct {
		args inventory.PullArgs
		kind error
	}{
		{inventory.PullArgs{Remote: "nope", Image: "tiny/1"}, inventory.ErrNotFound},
		{inventory.PullArgs{Remote: "corp"}, inventory.ErrInvalid},
		{inventory.PullArgs{Remote: "corp", Image: "no/such"}, inventory.ErrNotFound},
	} {
		if _, err := b.do("image.pull", c.args); !errors.Is(err, c.kind) {
			t.Errorf("%+v: %v, want %v", c.args, err, c.kind)
		}
	}
	for _, url := range []string{"", "ftp://x/", "https://u:p@x/", "https://x/?q", "/etc"} {
		if _, err := b.do("image.remote.add", inventory.RemoteArgs{Name: "bad", URL: url}); !errors.Is(err, inventory.ErrInvalid) {
			t.Errorf("the address %q: %v", url, err)
		}
	}
}

// TestPullGoesOn: a transfer that breaks off goes on where it was, by itself and in the next pull.
func TestPullGoesOn(t *testing.T) {
	need.Root(t)
	b, s := newBench(t), newImageServer(t)
	broken := 0
	s.answer = func(w http.ResponseWriter, r *http.Request, body []byte) bool {
		if strings.TrimPrefix(r.URL.Path, "/") != rootPath || r.Header.Get("Range") != "" {
			return false
		}
		broken++
		w.Header().Set("Content-Length", fmt.Sprint(len(body)))
		w.Write(body[:len(body)/2])
		panic(http.ErrAbortHandler)
	}
	if _, err := b.pull(s, ""); err != nil || broken == 0 || s.asked.Load() < 2 {
		t.Errorf("%v after %d requests, %d broken", err, s.asked.Load(), broken)
	}
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

// TestPullRefused: a server that lies, stalls, or sends elsewhere.
func TestPullRefused(t *testing.T) {
	need.Root(t)
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.Write([]byte("secret")) }))
	defer elsewhere.Close()
	for _, c := range misdeeds(t, elsewhere.URL) {
		t.Run(c.name, func(t *testing.T) {
			b, s := newBench(t), newImageServer(t)
			c.setup(s)
			_, err := b.pull(s, "")
			if !errors.Is(err, c.kind) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %v, want %v that says %q", err, c.kind, c.says)
			}
			b.clean()
			if kept := b.downloads(); len(kept) > 0 && !c.keeps {
				t.Errorf("it leaves %v", kept)
			}
			if len(b.store.rows) > 0 {
				t.Error("it leaves an image")
			}
		})
	}
}

// TestPullSigned: with a key, an index has to be signed with it.
func TestPullSigned(t *testing.T) {
	need.Root(t)
	mine, other := newSigner(t), newSigner(t)
	sign := func(s *imageServer, by *openpgp.Entity) {
		list, _ := json.Marshal(s.list)
		for name, text := range map[string][]byte{"index": s.content["streams/v1/index.json"], "images": list} {
			var out bytes.Buffer
			w, err := clearsign.Encode(&out, by.PrivateKey, nil)
			if err != nil {
				t.Fatal(err)
			}
			w.Write(text)
			w.Close()
			s.content["streams/v1/"+name+".sjson"] = out.Bytes()
		}
	}
	for _, c := range []struct {
		name  string
		setup func(s *imageServer)
		kind  error
	}{
		{"signed", func(s *imageServer) { sign(s, mine) }, nil},
		{"not signed", func(s *imageServer) {}, inventory.ErrNotFound},
		{"signed by another", func(s *imageServer) { sign(s, other) }, inventory.ErrInvalid},
		{"changed after it was signed", func(s *imageServer) {
			sign(s, mine)
			s.content["streams/v1/index.sjson"] = bytes.Replace(s.content["streams/v1/index.sjson"], []byte("image-downloads"), []byte("image-Downloads"), 1)
		}, inventory.ErrInvalid},
		{"something before the signature", func(s *imageServer) {
			s.content["streams/v1/index.sjson"] = s.content["streams/v1/index.json"]
		}, inventory.ErrInvalid},
	} {
		t.Run(c.name, func(t *testing.T) {
			b, s := newBench(t), newImageServer(t)
			c.setup(s)
			if _, err := b.pull(s, public(t, mine)); !errors.Is(err, c.kind) {
				t.Errorf("got %v, want %v", err, c.kind)
			}
			if m, err := b.store.Image(context.Background(), "corp/tiny"); c.kind == nil && (err != nil || !strings.Contains(m.Build, `"signed":true`)) {
				t.Errorf("%v: %s", err, m.Build)
			}
		})
	}
	b := newBench(t)
	for name, key := range map[string]string{"a text": "hello", "a private key": private(t, mine)} {
		if _, err := b.do("image.remote.add", inventory.RemoteArgs{Name: "corp", URL: "https://x", Key: key}); !errors.Is(err, inventory.ErrInvalid) {
			t.Errorf("%s as a key: %v", name, err)
		}
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

// TestOldDownloadsGo: what nobody went on with for a day is swept.
func TestOldDownloadsGo(t *testing.T) {
	b := newBench(t)
	dir := filepath.Join(b.root, "images/downloads")
	for name, age := range map[string]time.Duration{"old": 25 * time.Hour, "new": time.Hour} {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(dir, 0o700), os.WriteFile(path, nil, 0o600), os.Chtimes(path, b.now, b.now.Add(-age))); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Sweep(nil, nil); err != nil {
		t.Fatal(err)
	}
	if kept := b.downloads(); len(kept) != 1 || filepath.Base(kept[0]) != "new" {
		t.Errorf("kept %v", kept)
	}
}

// TestPullResumedWrongly: a server that is asked to go on somewhere, and does something else. What it
// sends can't become part of an image that the index doesn't describe.
func TestPullResumedWrongly(t *testing.T) {
	need.Root(t)
	half := func(body []byte) int { return len(body) / 2 }
	for _, c := range []struct {
		name   string
		resume func(w http.ResponseWriter, body []byte)
		kind   error
		says   string
	}{
		{"from the beginning, and says so", func(w http.ResponseWriter, body []byte) { w.Write(body) }, nil, ""},
		{"from the beginning, and says otherwise", func(w http.ResponseWriter, body []byte) {
			w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", half(body), len(body)-1, len(body)))
			w.WriteHeader(http.StatusPartialContent)
			w.Write(body[:len(body)-half(body)])
		}, inventory.ErrInvalid, "SHA-256"},
		{"from elsewhere", func(w http.ResponseWriter, body []byte) {
			w.Header().Set("Content-Range", fmt.Sprintf("bytes 7-%d/%d", len(body)-1, len(body)))
			w.WriteHeader(http.StatusPartialContent)
			w.Write(body[7:])
		}, inventory.ErrInvalid, "another part"},
		{"without saying where", func(w http.ResponseWriter, body []byte) {
			w.WriteHeader(http.StatusPartialContent)
			w.Write(body[half(body):])
		}, inventory.ErrInvalid, "another part"},
		{"without end", func(w http.ResponseWriter, body []byte) {
			w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", half(body), len(body)-1, len(body)))
			w.WriteHeader(http.StatusPartialContent)
			for range 20 {
				w.Write(body)
			}
		}, inventory.ErrInvalid, "more than"},
		{"not at all", func(w http.ResponseWriter, body []byte) {
			w.WriteHeader(http.StatusRequestedRangeNotSatisfiable)
		}, inventory.ErrUnavailable, "416"},
		{"with another file by now", func(w http.ResponseWriter, body []byte) {
			w.Header().Set("Content-Length", fmt.Sprint(len(body)+1))
			w.Write(append(bytes.Clone(body), 'x'))
		}, inventory.ErrInvalid, "the server sends"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b, s := newBench(t), newImageServer(t)
			s.answer = func(w http.ResponseWriter, r *http.Request, body []byte) bool {
				if strings.TrimPrefix(r.URL.Path, "/") != rootPath {
					return false
				}
				if want := fmt.Sprintf("bytes=%d-", half(body)); r.Header.Get("Range") == want {
					c.resume(w, body)
					return true
				} else if r.Header.Get("Range") != "" {
					return false
				}
				w.Header().Set("Content-Length", fmt.Sprint(len(body)))
				w.Write(body[:half(body)])
				w.(http.Flusher).Flush()
				panic(http.ErrAbortHandler)
			}
			_, err := b.pull(s, "")
			if !errors.Is(err, c.kind) || c.kind != nil && !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %v, want %v that says %q", err, c.kind, c.says)
			}
			if kept := b.downloads(); errors.Is(c.kind, inventory.ErrInvalid) && len(kept) > 0 {
				t.Errorf("what is no good is kept: %v", kept)
			}
			b.clean()
			if (len(b.store.rows) > 0) != (c.kind == nil) {
				t.Errorf("there are %d images", len(b.store.rows))
			}
			// The next pull, of a server that behaves, is not harmed by what this one left.
			s.answer = nil
			if _, err := b.pull(s, ""); err != nil {
				t.Errorf("the next pull: %v", err)
			}
		})
	}
}

// TestRemoteImages: what a server offers for this machine, and what it can't have shown.
func TestRemoteImages(t *testing.T) {
	need.Root(t)
	b, s := newBench(t), newImageServer(t)
	if _, err := b.RemoteImages(t.Context(), "corp"); !errors.Is(err, inventory.ErrNotFound) {
		t.Errorf("of no remote: %v", err)
	}
	if _, err := b.do("image.remote.add", inventory.RemoteArgs{Name: "corp", URL: s.URL}); err != nil {
		t.Fatal(err)
	}
	products := s.list["products"].(map[string]any)
	tiny := products["tiny:1:"+s.arch].(map[string]any)
	products["evil"] = map[string]any{"aliases": "a\x1b[2Jb", "arch": s.arch, "versions": tiny["versions"]}
	products["no:files"] = map[string]any{"aliases": "empty", "arch": s.arch, "versions": map[string]any{"1": map[string]any{"items": map[string]any{}}}}
	all, err := b.RemoteImages(t.Context(), "corp")
	if err != nil || len(all) != 1 || all[0].Image != "tiny/1" || all[0].Version != "20260101" || all[0].Size < 4<<20 {
		t.Errorf("got %+v, %v", all, err)
	}
	s.answer = func(w http.ResponseWriter, _ *http.Request, _ []byte) bool { w.Write([]byte("[")); return true }
	if _, err := b.RemoteImages(t.Context(), "corp"); !errors.Is(err, inventory.ErrInvalid) {
		t.Errorf("of a broken index: %v", err)
	}
	s.Close()
	if _, err := b.RemoteImages(t.Context(), "corp"); !errors.Is(err, inventory.ErrUnavailable) {
		t.Errorf("of a server that is gone: %v", err)
	}
}
