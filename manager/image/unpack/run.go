package unpack

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"lodge/inventory"
	"lodge/manager/image/confine"
)

// A Job is what the agent wants done with one directory, by a confined child.
type Job struct {
	Exe    string // the agent's binary; "" is the running one
	IDBase uint32 // first host id of the child's range; 0 for the default
	Dir    string // what is worked on: an empty directory to unpack into, or a tree

	Source io.Reader // an archive to unpack into Dir; nil: Dir is a tree already
	// Metadata is how many bytes of Source are a metadata archive that comes before the files'.
	Metadata int64
	// Squash is a file with a squashfs from SquashFrom on, to unpack instead of what comes in Source
	// after the metadata; nil for none.
	Squash     *os.File
	SquashFrom int64

	// Peek only says what container Source is an export of, in Report.Metadata: it reads no further than
	// that takes, and writes nothing to Dir.
	Peek bool

	Archive io.Writer // gets the canonical archive of the tree; nil: none is made
	Inspect bool      // say what system the tree is; one that can't be booted is ErrInvalid
	Lint    bool      // look for what images must not hold
	Clean   bool      // Archive leaves out what makes a container one of a kind; see clean.go
	Image   string    // metadata.yaml; Archive then is an image of Incus' unified layout
	Latest  int64     // no time in the canonical archive is later (Unix seconds); 0: no bound
	Limits  Limits    // zero: DefaultLimits
}

// maxAnswer bounds what the child may say. A report on 50 000 packages takes 4 MiB.
const maxAnswer = 32 << 20

// Run does the job. What an archive must not hold is an ErrInvalid that names it; the caller then
// removes Dir with everything in it.
func Run(ctx context.Context, j Job) (Report, error) {
	if j.Limits == (Limits{}) {
		j.Limits = DefaultLimits
	}
	squash, err := j.squash()
	if err != nil {
		return Report{}, err
	}
	o, err := json.Marshal(order{
		Extract: j.Source != nil || j.Squash != nil, Metadata: j.Metadata, Squash: squash,
		Archive: j.Archive != nil, Inspect: j.Inspect, Lint: j.Lint, Latest: j.Latest, Limits: j.Limits,
		Clean: j.Clean, Image: j.Image, Peek: j.Peek,
	})
	if err != nil {
		return Report{}, err
	}
	out := &bounded{}
	child := confine.Child{
		Exe: j.Exe, IDBase: j.IDBase, Dir: j.Dir, Args: []string{"scan", "unpack", string(o)},
		Stdin: j.Source, Stdout: out,
	}
	if err := j.run(ctx, child); err != nil {
		return Report{}, j.died(err)
	}
	r, err := decodeAnswer(out.Bytes())
	if err != nil {
		return Report{}, err
	}
	if j.Archive == nil && !j.Inspect {
		if m := r.Metadata; m != nil && !m.check() {
			return Report{}, errors.New("the scan child's report has a form it can't have")
		}
		return *r, nil
	}
	if j.Archive != nil && r.Entries == 0 {
		return Report{}, errors.New("the scan child wrote an archive of nothing")
	}
	return *r, r.check()
}

// died explains a child that gave no answer. One that was reading an archive ran into a limit: the
// decoders allocate what an archive asks for, and the kernel then says no.
func (j *Job) died(err error) error {
	var exit *confine.ExitError
	if j.Source == nil && j.Squash == nil || !errors.As(err, &exit) {
		return err
	}
	reason, _, _ := strings.Cut(exit.Text, "\n")
	return inventory.Errorf(inventory.ErrInvalid,
		"the archive can't be unpacked within the limits of memory and time (%.120s)", reason)
}

// run runs the child and copies its archive meanwhile.
func (j *Job) run(ctx context.Context, child confine.Child) error {
	if j.Archive == nil {
		child.Files = j.squashFiles()
		return confine.Run(ctx, child)
	}
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	child.Files = append([]*os.File{w}, j.squashFiles()...)
	copied := make(chan error, 1)
	go func() {
		_, err := io.Copy(j.Archive, r)
		r.Close() // a child that still writes gets EPIPE
		copied <- err
	}()
	err = confine.Run(ctx, child)
	w.Close()
	if cerr := <-copied; cerr != nil {
		return fmt.Errorf("write the image's archive: %w", cerr)
	}
	return err
}

// squash is where the squashfs lies.
func (j *Job) squash() (*span, error) {
	if j.Squash == nil {
		return nil, nil
	}
	info, err := j.Squash.Stat()
	if err != nil {
		return nil, err
	}
	return &span{From: j.SquashFrom, Size: info.Size() - j.SquashFrom}, nil
}

func (j *Job) squashFiles() []*os.File {
	if j.Squash == nil {
		return nil
	}
	return []*os.File{j.Squash}
}

// IsSquashfs tells by its first bytes whether a file has a squashfs at a place: one is handed to
// the child as a file, all else as a stream.
func IsSquashfs(file io.ReaderAt, from int64) bool {
	magic := make([]byte, len(squashMagic))
	_, err := file.ReadAt(magic, from)
	return err == nil && string(magic) == squashMagic
}

// bounded is a buffer that refuses to grow past maxAnswer.
type bounded struct{ bytes.Buffer }

func (b *bounded) Write(p []byte) (int, error) {
	if b.Len()+len(p) > maxAnswer {
		return 0, errors.New("the scan child says too much")
	}
	return b.Buffer.Write(p)
}
