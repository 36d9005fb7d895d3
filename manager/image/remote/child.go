package remote

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"time"
	"unicode"

	"lodge/inventory"
	"lodge/manager/image/confine"
)

// order is what the agent tells the child to do, as its only argument.
type order struct {
	URL   string        `json:"url"` // of the remote
	Stall time.Duration `json:"stall"`

	List bool `json:"list,omitempty"` // all images there are for this machine
	// To find an image:
	Image string `json:"image,omitempty"`
	Key   string `json:"key,omitempty"`
	Most  int64  `json:"most,omitempty"` // bytes of all files
	Check bool   `json:"check,omitempty"`

	// To fetch a file from an offset on, to fileFD:
	File *File `json:"file,omitempty"`
	From int64 `json:"from,omitempty"`
}

// answer is what the child writes to its standard output.
type answer struct {
	Found *Found                  `json:"found,omitempty"`
	List  []inventory.RemoteImage `json:"list,omitempty"`
	Kind  string                  `json:"kind,omitempty"` // of Error; "" if it may go away by itself
	Error string                  `json:"error,omitempty"`
}

const (
	fileFD   = 4
	memory   = 1 << 30
	maxIndex = 64 << 20 // the largest public server's list of images has 5 MiB
)

// Main is the child: "scan pull ORDER". It returns the exit code.
func Main(args []string) int {
	var o order
	if len(args) != 1 || json.Unmarshal([]byte(args[0]), &o) != nil {
		fmt.Fprintln(os.Stderr, "scan pull is started by the agent only")
		return 2
	}
	debug.SetMemoryLimit(memory / 2)
	err := confine.SealNetwork(confine.Bounds{Memory: memory, CPU: time.Hour})
	var a answer
	if err == nil {
		a, err = o.carryOut(context.Background())
	}
	if err != nil {
		a = answer{Error: plain(err)}
		if k, ok := inventory.Kind(err); ok {
			a.Kind = k.Name
		}
	}
	out, err := json.Marshal(a)
	if err == nil {
		_, err = os.Stdout.Write(out)
	}
	if err != nil {
		return 1
	}
	return 0
}

// plain is an error's sentence without the layers that net/http puts around it.
func plain(err error) string {
	var request *url.Error
	if errors.As(err, &request) {
		err = request.Err
	}
	var dial *net.OpError
	if errors.As(err, &dial) && dial.Op == "dial" {
		if _, ours := inventory.Kind(dial.Err); ours {
			err = dial.Err
		}
	}
	return strings.ToValidUTF8(strings.Map(func(c rune) rune {
		if !unicode.IsPrint(c) {
			return -1
		}
		return c
	}, fmt.Sprintf("%.400s", err.Error())), "")
}

func (o *order) carryOut(ctx context.Context) (a answer, err error) {
	if o.Check {
		_, err := checkKey(o.Key)
		return a, err
	}
	base, err := url.Parse(strings.TrimRight(o.URL, "/") + "/")
	if err != nil {
		return a, err
	}
	c := &connection{base: base, client: guard{hostPort(base)}.client(o.Stall), stall: o.Stall}
	switch {
	case o.File != nil:
		err = c.fetch(ctx, *o.File, o.From, os.NewFile(fileFD, "file"))
	case o.List:
		a.List, err = c.list(ctx, o)
	default:
		a.Found, err = c.find(ctx, o)
	}
	return a, err
}

type connection struct {
	base   *url.URL
	client *http.Client
	stall  time.Duration
}

// machineName is what servers call machines like this one.
func machineName() string { return cmp.Or(machineNames[runtime.GOARCH], runtime.GOARCH) }

// lists reads the indexes one after the other, until take says that it is enough.
func (c *connection) lists(ctx context.Context, key string, take func(text []byte) (enough bool, err error)) error {
	text, err := c.index(ctx, "streams/v1/index.json", key)
	if err != nil {
		return err
	}
	paths, err := imageLists(text)
	if err != nil {
		return err
	}
	for _, path := range paths {
		if text, err = c.index(ctx, path, key); err != nil {
			return err
		}
		if enough, err := take(text); enough || err != nil {
			return err
		}
	}
	return nil
}

func (c *connection) list(ctx context.Context, o *order) (all []inventory.RemoteImage, err error) {
	err = c.lists(ctx, o.Key, func(text []byte) (bool, error) {
		more, err := offers(text, machineName())
		all = append(all, more...)
		return len(all) >= maxOffers, err
	})
	return all[:min(len(all), maxOffers)], err
}

// find reads the indexes, as far as they are needed.
func (c *connection) find(ctx context.Context, o *order) (*Found, error) {
	var found Found
	arch, ok := machineName(), false
	err := c.lists(ctx, o.Key, func(text []byte) (_ bool, err error) {
		found, ok, err = choose(text, o.Image, arch, o.Most)
		return ok, err
	})
	if err != nil {
		return nil, err
	}
	if ok {
		found.Signed = o.Key != ""
		return &found, nil
	}
	return nil, inventory.Errorf(inventory.ErrNotFound, "the server has no image %.80q of containers for %s", o.Image, arch)
}

// index gets an index; with a key its signed form.
func (c *connection) index(ctx context.Context, path, key string) ([]byte, error) {
	if key != "" {
		path = strings.TrimSuffix(strings.TrimSuffix(path, ".sjson"), ".json") + ".sjson"
	}
	resp, body, err := c.get(ctx, path, 0)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(body, maxIndex+1))
	switch {
	case err != nil:
		return nil, err
	case len(text) > maxIndex:
		return nil, refuse("the server's index has more than %s", inventory.Bytes(maxIndex))
	case key != "":
		return verified(key, text)
	}
	return text, nil
}

// fetch copies a file from an offset on to w. More than the index says is refused, less is an error
// that trying again may help.
func (c *connection) fetch(ctx context.Context, file File, from int64, w io.Writer) error {
	resp, body, err := c.get(ctx, file.Path, from)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusOK {
		if resp.ContentLength >= 0 && resp.ContentLength != file.Size {
			return refuse("the server's index says %d bytes, the server sends %d", file.Size, resp.ContentLength)
		}
		if _, err := io.CopyN(io.Discard, body, from); err != nil { // it can't go on where we were
			return err
		}
	} else if rest := resp.Header.Get("Content-Range"); !strings.HasPrefix(rest, fmt.Sprintf("bytes %d-", from)) {
		return refuse("the server sends another part of the file than was asked for (%.40q)", rest)
	}
	n, err := io.Copy(w, io.LimitReader(body, file.Size-from+1))
	switch {
	case err != nil:
		return err
	case from+n > file.Size:
		return refuse("the server sends more than the %d bytes its index says", file.Size)
	case from+n < file.Size:
		return io.ErrUnexpectedEOF
	}
	return nil
}

// get asks for a file below the remote. The body fails when it is silent for too long.
func (c *connection) get(ctx context.Context, path string, from int64) (*http.Response, io.Reader, error) {
	if err := checkPath(path); err != nil {
		return nil, nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base.JoinPath(path).String(), nil)
	if err != nil {
		cancel()
		return nil, nil, err
	}
	req.Header.Set("User-Agent", "lodge")
	if from > 0 {
		req.Header.Set("Range", fmt.Sprintf("bytes=%d-", from))
	}
	resp, err := c.client.Do(req)
	if err != nil {
		cancel()
		return nil, nil, err
	}
	if resp.StatusCode != http.StatusOK && (from == 0 || resp.StatusCode != http.StatusPartialContent) {
		resp.Body.Close()
		cancel()
		return nil, nil, statusError(resp)
	}
	return resp, &watched{r: resp.Body, stall: c.stall, stop: cancel}, nil
}

// watched fails a read that takes too long.
type watched struct {
	r     io.Reader
	stall time.Duration
	stop  context.CancelFunc
}

func (w *watched) Read(p []byte) (int, error) {
	var late atomic.Bool
	timer := time.AfterFunc(w.stall, func() { late.Store(true); w.stop() })
	n, err := w.r.Read(p)
	timer.Stop()
	if err != nil && late.Load() {
		err = fmt.Errorf("the server has sent nothing for %s", w.stall)
	}
	return n, err
}
