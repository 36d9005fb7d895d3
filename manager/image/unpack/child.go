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

// The child's descriptors besides the standard ones; see confine.Child.
const (
	dirFD     = 3
	archiveFD = 4
)

// order is what the agent tells the child to do, as its only argument.
type order struct {
	Extract bool   `json:"extract"` // unpack standard input into the directory
	Archive bool   `json:"archive"` // write the canonical archive to archiveFD
	Inspect bool   `json:"inspect"` // look at the tree
	Lint    bool   `json:"lint"`
	Latest  int64  `json:"latest,omitempty"` // no time of the archive is later; Unix seconds
	Limits  Limits `json:"limits"`
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
	if o.Extract {
		if err := extract(dirFD, os.Stdin, o.Limits); err != nil {
			return nil, err
		}
	}
	r := &Report{OS: "linux", Architecture: "unknown", Init: "unknown"}
	tree := os.DirFS("/") // the directory: Seal has made it the root
	if o.Inspect {
		found, err := look(tree)
		if err != nil {
			return nil, err
		}
		r = &found
	}
	if o.Lint {
		var err error
		if r.Findings, err = Lint(tree); err != nil {
			return nil, err
		}
	}
	if o.Archive {
		out := os.NewFile(archiveFD, "archive")
		entries, size, err := writeCanonical(dirFD, out, o.Latest, o.Limits)
		if err != nil {
			return nil, err
		}
		r.Entries, r.Bytes = entries, inventory.Bytes(size)
		return r, out.Close()
	}
	return r, nil
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
