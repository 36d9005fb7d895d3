package image

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"lodge/inventory"
	"lodge/manager/gate"
	"lodge/manager/image/unpack"
)

// isUpload reports whether name can be a file directly below the folder of uploads.
func isUpload(name string) bool {
	return filepath.IsLocal(name) && !strings.ContainsAny(name, "/\\") && name != "."
}

func (s *Service) uploadPath(name string) string {
	return filepath.Join(s.Root, "run", "uploads", name)
}

// Sweep removes the uploads and work folders that neither an unfinished operation nor a change that
// waits has: an agent that dies between an upload and its admission leaves the one, a lost root disk
// the other. It is called before any door is open.
func (s *Service) Sweep(unfinished []inventory.Operation, waiting []inventory.Change) error {
	needed := map[string]bool{}
	need := func(args json.RawMessage) {
		var a inventory.ImportArgs
		if json.Unmarshal(args, &a) == nil && isUpload(a.Upload) {
			needed[s.uploadPath(a.Upload)] = true
		}
	}
	for _, op := range unfinished {
		need(op.Args)
		needed[s.workDir(op.ID)] = true
	}
	for _, c := range waiting {
		need(c.Plan.Args)
	}
	var failed error
	for _, folder := range []string{filepath.Dir(s.uploadPath("x")), s.workDir("")} {
		entries, err := os.ReadDir(folder)
		if !missing(err) {
			failed = errors.Join(failed, err)
		}
		for _, e := range entries {
			if path := filepath.Join(folder, e.Name()); !needed[path] {
				failed = errors.Join(failed, os.RemoveAll(path))
			}
		}
	}
	return failed
}

// prepareImport checks that the door has spooled the file. What is in it shows when it is unpacked.
func (s *Service) prepareImport(ctx context.Context, r *gate.Request) (*gate.Draft, error) {
	var a inventory.ImportArgs
	if err := r.Decode(&a); err != nil {
		return nil, err
	}
	if err := inventory.CheckAlias(a.Alias); err != nil {
		return nil, err
	}
	if _, err := s.expiry(a.Expires); err != nil {
		return nil, err
	}
	if !isUpload(a.Upload) {
		return nil, inventory.Errorf(inventory.ErrInvalid, "%.40q names no upload", a.Upload)
	}
	info, err := os.Lstat(s.uploadPath(a.Upload))
	if err != nil || !info.Mode().IsRegular() {
		return nil, inventory.Errorf(inventory.ErrNotFound, "the upload %.40q is gone; send the archive again", a.Upload)
	}
	line := s.aliasLine(ctx, a.Alias, "unpacked from "+sourceName(a))
	return &gate.Draft{Args: a, Effects: []inventory.EffectLine{line}}, nil
}

// sourceName is the archive's name for people: theirs, printable and short.
func sourceName(a inventory.ImportArgs) string {
	name := strings.Map(func(c rune) rune {
		if c < ' ' || c == 0x7f || c == '�' {
			return -1
		}
		return c
	}, filepath.Base(a.Source))
	if a.Source == "" {
		name = "an archive"
	}
	return name[:min(len(name), 120)]
}

// load unpacks the upload beside, to learn what it is and its digest.
func (s *Service) load(ctx context.Context, r *gate.Run) error {
	var a inventory.ImportArgs
	if err := r.Decode(&a); err != nil {
		return err
	}
	started := s.Now()
	dir, err := s.freshWork(r)
	if err != nil {
		return err
	}
	tree := filepath.Join(dir, "rootfs")
	if err := os.Mkdir(tree, 0o755); err != nil {
		return err
	}
	f, err := os.Open(s.uploadPath(a.Upload))
	if err != nil {
		return inventory.Errorf(inventory.ErrNotFound, "the upload is gone; send the archive again")
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	sum := sha256.New()
	source := &counted{r: io.TeeReader(f, sum), size: info.Size(), run: r}
	digest, report, err := s.seal(ctx, r, unpack.Job{Dir: tree, Source: source, Lint: true})
	if err != nil {
		return fmt.Errorf("import %s: %w", sourceName(a), err)
	}
	record := BuildRecord{Import: sourceName(a), ImportDigest: "sha256:" + hex.EncodeToString(sum.Sum(nil)), Findings: report.Findings}
	return s.finish(ctx, r, finished{record, report, started, digest, a.Alias, "import " + sourceName(a), a.Expires})
}

// counted shows how much of the archive was read, up to 80 percent of the operation.
type counted struct {
	r    io.Reader
	run  *gate.Run
	size int64
	n    int64
	last int
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	if percent := int(c.n * 80 / max(c.size, 1)); percent != c.last {
		c.last = percent
		c.run.Progress(percent, "unpacking %s of %s", inventory.Bytes(c.n), inventory.Bytes(c.size))
	}
	return n, err
}
