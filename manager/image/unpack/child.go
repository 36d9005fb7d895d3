package unpack

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"strings"
	"time"

	"lodge/inventory"
	"lodge/manager/image/confine"
)

// The child's descriptors besides the standard ones; see confine.Child. After the directory come
// the archive to write and the squashfs to read, as far as the order asks for them.
const (
	dirFD   = 3
	firstFD = 4
)

// order is what the agent tells the child to do, as its only argument.
type order struct {
	Extract bool `json:"extract"` // unpack standard input into the directory
	// Metadata is how many bytes of standard input are a metadata archive, before the files' own.
	Metadata int64 `json:"metadata,omitempty"`
	// Squash is where a squashfs lies in the file handed over: it is read there, not from standard
	// input, as it is read out of order.
	Squash  *span  `json:"squash,omitempty"`
	Archive bool   `json:"archive"` // write the canonical archive to its descriptor
	Inspect bool   `json:"inspect"` // look at the tree
	Peek    bool   `json:"peek,omitempty"`
	Lint    bool   `json:"lint"`
	Clean   bool   `json:"clean,omitempty"`  // leave out of the archive what a publish takes away
	Image   string `json:"image,omitempty"`  // metadata.yaml of an image to write; see Job
	Latest  int64  `json:"latest,omitempty"` // no time of the archive is later; Unix seconds
	Limits  Limits `json:"limits"`
}

// squashFD is the descriptor of the squashfs.
func (o *order) squashFD() uintptr {
	if o.Archive {
		return firstFD + 1
	}
	return firstFD
}

// A span is a part of a file.
type span struct {
	From int64 `json:"from"`
	Size int64 `json:"size"`
}

// answer is what the child writes to its standard output.
type answer struct {
	Report  *Report `json:"report,omitempty"`
	Refusal string  `json:"refusal,omitempty"` // why the tree or archive is not taken
	Failure string  `json:"failure,omitempty"` // what went wrong on this side
}

// memory is what the child may use: the decompressors' windows, names, and the list of hard links.
const memory = 2 << 30

// Main is the child: "scan unpack ORDER". It returns the exit code.
func Main(args []string) int {
	var o order
	if len(args) != 1 || json.Unmarshal([]byte(args[0]), &o) != nil {
		fmt.Fprintln(os.Stderr, "scan unpack is started by the agent only")
		return 2
	}
	debug.SetMemoryLimit(memory / 2)
	err := confine.Seal(confine.Bounds{FileSize: o.Limits.Bytes, Memory: memory, CPU: time.Hour})
	var a answer
	if err == nil {
		a.Report, err = o.carryOut()
	}
	switch {
	case isRefusal(err):
		a = answer{Refusal: printable(err.Error())}
	case err != nil:
		a = answer{Failure: printable(err.Error())}
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

func (o *order) carryOut() (*Report, error) {
	r, err := o.arrive()
	if err != nil {
		return nil, err
	}
	if o.Lint {
		if r.Findings, err = Lint(os.DirFS("/")); err != nil {
			return nil, err
		}
	}
	if o.Archive {
		out := os.NewFile(firstFD, "archive")
		if r.Entries, r.Bytes, err = o.write(out); err != nil {
			return nil, err
		}
		return r, out.Close()
	}
	return r, nil
}

// arrive unpacks, if that is asked for, and looks at the tree. Seal has made it the root.
func (o *order) arrive() (*Report, error) {
	r := Report{OS: "linux", Architecture: "unknown", Init: "unknown"}
	var m *Metadata
	var err error
	if o.Peek {
		r.Metadata, err = peek(os.Stdin, o.Limits)
		return &r, err
	}
	if o.Extract {
		if m, err = o.extract(); err != nil {
			return nil, err
		}
	}
	if o.Inspect {
		r, err = look(os.DirFS("/"))
	}
	r.Metadata = m
	return &r, err
}

// decodeAnswer reads what a child wrote, which may be anything.
func decodeAnswer(raw []byte) (*Report, error) {
	var a answer
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(&a); err != nil {
		return nil, fmt.Errorf("the scan child answered nothing that can be read: %w", err)
	}
	switch {
	case a.Refusal != "" && isText(a.Refusal):
		return nil, inventory.Errorf(inventory.ErrInvalid, "%s", a.Refusal)
	case a.Failure != "":
		if strings.HasPrefix(a.Failure, diskFull) {
			return nil, inventory.Errorf(inventory.ErrQuota, "unpacking it: %s; free some space and try again", diskFull)
		}
		return nil, fmt.Errorf("scan: %q", a.Failure)
	case a.Report == nil:
		return nil, errors.New("the scan child answered nothing")
	}
	return a.Report, nil
}
