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
	"runtime"

	"lodge/inventory"
	"lodge/manager/gate"
	"lodge/manager/image/unpack"
)

// A candidate is an image that is made and checked but in no pool yet. It lies in the operation's
// work folder as candidate.json beside image.tar, the canonical archive its digest is of.
type candidate struct {
	Image    inventory.Image
	Alias    string
	Previous string // the digest Alias named before; "" for none
	// Known is the very same image as it was there before; nil for a new one.
	Known *inventory.Image
}

func (s *Service) candidatePath(r *gate.Run) string {
	return filepath.Join(s.workDir(r.Operation.ID), "candidate.json")
}

func (s *Service) archivePath(r *gate.Run) string {
	return filepath.Join(s.workDir(r.Operation.ID), "image.tar")
}

// freshWork empties and makes the operation's work folder.
func (s *Service) freshWork(r *gate.Run) (string, error) {
	dir := s.workDir(r.Operation.ID)
	if err := os.RemoveAll(dir); err != nil {
		return "", fmt.Errorf("empty the work folder: %w", err)
	}
	return dir, os.MkdirAll(dir, 0o700)
}

// seal runs the job that ends in a tree and writes the tree's canonical archive meanwhile.
func (s *Service) seal(ctx context.Context, r *gate.Run, j unpack.Job) (digest string, report unpack.Report, err error) {
	f, err := os.OpenFile(s.archivePath(r), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return "", report, err
	}
	sum := sha256.New()
	j.Exe, j.IDBase, j.Inspect = s.SelfExe, s.IDBase, true
	j.Archive = io.MultiWriter(f, sum)
	report, err = unpack.Run(ctx, j)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = checkArchitecture(report.Architecture)
	}
	return "sha256:" + hex.EncodeToString(sum.Sum(nil)), report, err
}

// architectures maps Go's names of machines to Debian's, and to what else they run.
var architectures = map[string][]string{
	"amd64": {"amd64", "i386"}, "arm64": {"arm64", "armhf"}, "386": {"i386"}, "arm": {"armhf"},
	"riscv64": {"riscv64"}, "ppc64le": {"ppc64el"}, "s390x": {"s390x"}, "loong64": {"loong64"},
}

func checkArchitecture(arch string) error {
	can := architectures[runtime.GOARCH]
	for _, a := range can {
		if a == arch {
			return nil
		}
	}
	return inventory.Errorf(inventory.ErrInvalid, "the image is made for %s; this host runs %s", arch, runtime.GOARCH)
}

// keep completes the candidate and writes it for the next step.
func (s *Service) keep(ctx context.Context, r *gate.Run, c candidate, report unpack.Report) error {
	m := &c.Image
	m.OS, m.Release, m.Architecture = report.OS, report.Release, report.Architecture
	m.Init, m.InitVersion, m.CloudInit = report.Init, report.InitVersion, report.CloudInit
	m.Size, m.Packages, m.CreatedAt = report.Bytes, report.Packages, s.Now().UTC()
	if before, err := s.Store.Image(ctx, c.Alias); err == nil {
		c.Previous = before.Digest
	} else if !errors.Is(err, inventory.ErrNotFound) {
		return err
	}
	if same, err := s.Store.Image(ctx, m.Digest); err == nil {
		c.Known, *m = &same, again(same, *m)
	} else if !errors.Is(err, inventory.ErrNotFound) {
		return err
	}
	text, err := json.Marshal(c)
	if err != nil {
		return err
	}
	return os.WriteFile(s.candidatePath(r), text, 0o600)
}

// again is an image that came a second time: where it came from first stays on record, and it stays
// for as long as the longer of the two asked for. Who brings it for an hour takes nothing from those who
// rely on it.
func again(was, now inventory.Image) inventory.Image {
	if was.ExpiresAt.IsZero() || !now.ExpiresAt.IsZero() && was.ExpiresAt.After(now.ExpiresAt) {
		now.ExpiresAt = was.ExpiresAt
	}
	now.Source, now.Build, now.CreatedAt = was.Source, was.Build, was.CreatedAt
	return now
}

// candidate reads what keep wrote; ok is false when the step before never got that far.
func (s *Service) candidate(r *gate.Run) (c candidate, ok bool) {
	text, err := os.ReadFile(s.candidatePath(r))
	return c, err == nil && json.Unmarshal(text, &c) == nil
}

// add puts the candidate into the pool and the inventory. The archive it is unpacked from is
// hashed on the way, so what gets in is what has the digest.
func (s *Service) add(ctx context.Context, r *gate.Run) error {
	c, ok := s.candidate(r)
	if !ok {
		return fmt.Errorf("the work folder of operation %s lost its candidate", r.Operation.ID)
	}
	s.adding.Lock()
	defer s.adding.Unlock()
	r.Progress(90, "adding %s to the pool", short(c.Image.Digest))
	err := s.Pool.AddImage(ctx, c.Image.Digest, func(dir string) error {
		return s.fill(ctx, s.archivePath(r), c.Image.Digest, dir)
	})
	if err != nil && !errors.Is(err, inventory.ErrExists) {
		return err
	}
	if err := os.WriteFile(s.recordPath(c.Image.Digest), []byte(c.Image.Build), 0o600); err != nil {
		return err
	}
	if err := s.Store.SaveImage(ctx, c.Image); err != nil {
		return err
	}
	if err := s.Store.SetAlias(ctx, c.Alias, c.Image.Digest); err != nil {
		return err
	}
	return r.Result(Made{Digest: c.Image.Digest, Alias: c.Alias, Size: c.Image.Size, Packages: len(c.Image.Packages)})
}

// Made is what image.build and image.import return.
type Made struct {
	Digest   string          `json:"digest"`
	Alias    string          `json:"alias"`
	Size     inventory.Bytes `json:"size_bytes"`
	Packages int             `json:"package_count"`
}

// fill unpacks a canonical archive into an empty directory of the pool.
func (s *Service) fill(ctx context.Context, archive, digest, dir string) error {
	f, err := os.Open(archive)
	if err != nil {
		return err
	}
	defer f.Close()
	sum := sha256.New()
	_, err = unpack.Run(ctx, unpack.Job{
		Exe: s.SelfExe, IDBase: s.IDBase, Dir: dir, Source: io.TeeReader(f, sum),
	})
	if err != nil {
		return err
	}
	if got := "sha256:" + hex.EncodeToString(sum.Sum(nil)); got != digest {
		return fmt.Errorf("the archive of image %s changed on disk: it is %s now", short(digest), short(got))
	}
	return nil
}

// remove takes back what add did, as far as it came. An image that was known before stays.
func (s *Service) remove(ctx context.Context, r *gate.Run) error {
	c, ok := s.candidate(r)
	if !ok {
		return nil
	}
	s.adding.Lock()
	defer s.adding.Unlock()
	if now, err := s.Store.Image(ctx, c.Alias); err == nil && now.Digest == c.Image.Digest {
		if err := s.Store.SetAlias(ctx, c.Alias, c.Previous); err != nil && !errors.Is(err, inventory.ErrNotFound) {
			return err
		}
	}
	if c.Known != nil {
		return s.Store.SaveImage(ctx, *c.Known)
	}
	return s.drop(ctx, c.Image.Digest)
}

// drop removes an image for good: the row first, so that nobody finds what is about to go.
func (s *Service) drop(ctx context.Context, digest string) error {
	if err := s.Store.DeleteImage(ctx, digest); err != nil {
		return err
	}
	if err := s.Pool.DeleteImage(ctx, digest); err != nil {
		return err
	}
	if err := os.Remove(s.recordPath(digest)); err != nil && !missing(err) {
		return err
	}
	return nil
}

// tidy removes the work folder, and the upload an import came from.
func (s *Service) tidy(_ context.Context, r *gate.Run) error {
	var a inventory.ImportArgs
	if r.Operation.Verb == "image.import" && r.Decode(&a) == nil {
		if err := s.Drop(a.Upload); err != nil {
			return err
		}
	}
	return os.RemoveAll(s.workDir(r.Operation.ID))
}

// short is a digest as people read it.
func short(digest string) string { return digest[:min(len(digest), len("sha256:")+12)] }
