package image_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/clearsign"

	"lodge/inventory"
	"lodge/manager/image"
	"lodge/packaging/need"
)

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
