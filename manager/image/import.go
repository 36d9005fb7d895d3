package image

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
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
	failed := s.sweepDownloads()
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
	f, err := s.openUpload(a.Upload)
	if err != nil {
		return nil, err
	}
	f.Close()
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
	f, err := s.openUpload(a.Upload)
	if err != nil {
		return err
	}
	defer f.Close()
	record := BuildRecord{Import: sourceName(a)}
	arrived := arrival{file: f, metadata: a.MetadataBytes, record: &record, alias: a.Alias,
		source: "import " + sourceName(a), expires: a.Expires}
	if err := s.arrive(ctx, r, arrived); err != nil {
		return fmt.Errorf("import %s: %w", sourceName(a), err)
	}
	return nil
}

// An arrival is an archive on this host's disk that is to become an image.
type arrival struct {
	file     *os.File
	metadata int64        // bytes of a metadata archive that come first in file
	record   *BuildRecord // completed by arrive
	alias    string
	source   string
	expires  string
	strict   bool // what the linter finds is a refusal, as of a build
}

// arrive unpacks the archive in the operation's work folder and keeps the candidate.
func (s *Service) arrive(ctx context.Context, r *gate.Run, a arrival) error {
	started := s.Now()
	dir, err := s.freshWork(r)
	if err != nil {
		return err
	}
	tree := filepath.Join(dir, "rootfs")
	if err := os.Mkdir(tree, 0o755); err != nil {
		return err
	}
	job, sum, err := a.job(r)
	if err != nil {
		return err
	}
	job.Dir, job.Lint = tree, true
	digest, report, err := s.seal(ctx, r, job)
	if err != nil {
		return err
	}
	if a.strict && len(report.Findings) > 0 {
		return lintError(report.Findings)
	}
	if a.record.Published == nil {
		a.record.ImportDigest = "sha256:" + hex.EncodeToString(sum.Sum(nil))
		a.record.Metadata = report.Metadata
		a.record.Container = containerOf(report.Metadata)
	}
	a.record.Findings = report.Findings
	return s.finish(ctx, r, finished{*a.record, report, started, digest, a.alias, a.source, a.expires})
}

// job is what a child has to do to unpack the archive, and the hash that has seen all of it then. A
// squashfs is read out of order, so it is hashed before.
func (a *arrival) job(r *gate.Run) (unpack.Job, hash.Hash, error) {
	sum := sha256.New()
	info, err := a.file.Stat()
	if err != nil {
		return unpack.Job{}, nil, err
	}
	if a.metadata < 0 || a.metadata >= info.Size() && a.metadata > 0 {
		return unpack.Job{}, nil, inventory.Errorf(inventory.ErrInvalid, "the second file of the image is missing")
	}
	if !unpack.IsSquashfs(a.file, a.metadata) {
		source := &counted{r: io.TeeReader(a.file, sum), size: info.Size(), run: r}
		return unpack.Job{Source: source, Metadata: a.metadata}, sum, nil
	}
	r.Progress(-1, "unpacking %s of squashfs", inventory.Bytes(info.Size()))
	if _, err := io.Copy(sum, a.file); err != nil {
		return unpack.Job{}, nil, err
	}
	if _, err := a.file.Seek(0, io.SeekStart); err != nil {
		return unpack.Job{}, nil, err
	}
	job := unpack.Job{Squash: a.file, SquashFrom: a.metadata, Metadata: a.metadata}
	if a.metadata > 0 {
		job.Source = io.LimitReader(a.file, a.metadata)
	}
	return job, sum, nil
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
