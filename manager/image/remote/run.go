package remote

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"lodge/inventory"
	"lodge/manager/image/confine"
)

// A Server is where images come from, and how a child that asks it is started.
type Server struct {
	URL string
	Key string // armored; "" takes unsigned indexes

	Exe    string        // the agent's binary; "" is the running one
	IDBase uint32        // see confine.Child
	Dir    string        // any directory; the child can't write to it
	Stall  time.Duration // how long an answer may be silent; 0: 30 seconds
}

// MaxImage bounds the files of one image.
const MaxImage = 16 << 30

// maxAnswer bounds what a child may say: a list of maxOffers images with all their names.
const maxAnswer = 8 << 20

const defaultStall = 30 * time.Second

// ErrBroken says that a transfer broke off or stalled; what arrived is good as far as it goes.
var ErrBroken = errors.New("the transfer broke off")

// CheckKey refuses what is no armored OpenPGP public key. A child reads it: a key is a file format
// of strangers too.
func (s Server) CheckKey(ctx context.Context) error {
	_, err := s.run(ctx, order{Check: true, Key: s.Key}, nil)
	return err
}

// Find asks the server what its image of that name is.
func (s Server) Find(ctx context.Context, image string) (Found, error) {
	a, err := s.run(ctx, order{Image: image, Key: s.Key, Most: MaxImage}, nil)
	found := a.Found
	switch {
	case errors.Is(err, ErrBroken):
		return Found{}, inventory.Errorf(inventory.ErrUnavailable, "%v", err)
	case err != nil:
		return Found{}, err
	case found == nil:
		return Found{}, errors.New("the scan child found nothing and said nothing")
	}
	return *found, found.check(MaxImage)
}

// List asks the server what images for this machine it has.
func (s Server) List(ctx context.Context) ([]inventory.RemoteImage, error) {
	a, err := s.run(ctx, order{List: true, Key: s.Key}, nil)
	if errors.Is(err, ErrBroken) {
		return nil, inventory.Errorf(inventory.ErrUnavailable, "%v", err)
	}
	if err == nil && (len(a.List) > maxOffers || slices.ContainsFunc(a.List, func(o inventory.RemoteImage) bool { return !isOffer(o) })) {
		err = errors.New("the scan child's list has a form it can't have")
	}
	slices.SortFunc(a.List, func(x, y inventory.RemoteImage) int { return strings.Compare(x.Image, y.Image) })
	return a.List, err
}

// Fetch writes a file to w, from an offset on. w gets no more than the file's size.
func (s Server) Fetch(ctx context.Context, file File, from int64, w io.Writer) error {
	_, err := s.run(ctx, order{File: &file, From: from}, &capped{w, file.Size - from})
	return err
}

// capped fails when a child hands on more than it was to.
type capped struct {
	w    io.Writer
	left int64
}

func (c *capped) Write(p []byte) (int, error) {
	if int64(len(p)) > c.left {
		return 0, refuse("the server sends more than its index says")
	}
	c.left -= int64(len(p))
	return c.w.Write(p)
}

func (s Server) run(ctx context.Context, o order, body io.Writer) (a answer, err error) {
	o.URL, o.Stall = s.URL, s.Stall
	if o.Stall == 0 {
		o.Stall = defaultStall
	}
	raw, err := json.Marshal(o)
	if err != nil {
		return a, err
	}
	out := &bytes.Buffer{}
	child := confine.Child{Exe: s.Exe, IDBase: s.IDBase, Dir: s.Dir, Network: true,
		Args: []string{"scan", "pull", string(raw)}, Env: environment(), Stdout: &capped{out, maxAnswer}}
	var copied chan error
	if body != nil {
		r, w, err := os.Pipe()
		if err != nil {
			return a, err
		}
		child.Files = []*os.File{w}
		copied = make(chan error, 1)
		go func() {
			_, err := io.Copy(body, r)
			r.Close() // a child that still writes gets EPIPE
			copied <- err
		}()
		defer w.Close()
	}
	err = confine.Run(ctx, child)
	if copied != nil {
		child.Files[0].Close()
		if cerr := <-copied; cerr != nil {
			return a, cerr
		}
	}
	if err != nil {
		return a, err
	}
	return decodeAnswer(out.Bytes())
}

// decodeAnswer reads what a child wrote, which may be anything.
func decodeAnswer(raw []byte) (a answer, err error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(&a); err != nil {
		return a, fmt.Errorf("the scan child answered nothing that can be read: %w", err)
	}
	if a.Error == "" {
		return a, nil
	}
	if !isPlain(a.Error) || len(a.Error) > 600 {
		return a, errors.New("the scan child failed in words that can't be shown")
	}
	for _, k := range inventory.ErrorKinds {
		if a.Kind == k.Name {
			return a, inventory.Errorf(k.Err, "%s", a.Error)
		}
	}
	return a, fmt.Errorf("%w: %s", ErrBroken, a.Error)
}

// environment is what the child sees of ours: proxies, and where the certificates are.
func environment() []string {
	var env []string
	for _, name := range []string{"http_proxy", "https_proxy", "no_proxy", "ssl_cert_file", "ssl_cert_dir"} {
		for _, name := range []string{name, strings.ToUpper(name)} {
			if value, ok := os.LookupEnv(name); ok {
				env = append(env, name+"="+value)
			}
		}
	}
	return env
}
