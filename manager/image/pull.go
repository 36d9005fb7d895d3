package image

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"lodge/inventory"
	"lodge/manager/gate"
	"lodge/manager/image/remote"
)

// Pulled says where an image came from.
type Pulled struct {
	Remote  string        `json:"remote"`
	URL     string        `json:"url"`
	Image   string        `json:"image"`
	Product string        `json:"product"`
	Version string        `json:"version"`
	Files   []remote.File `json:"files"`
	Signed  bool          `json:"signed"` // the index was, with the key of the remote
}

// tries is how often a transfer that breaks off goes on by itself; one that brought something
// worthwhile, in bytes, counts for nothing.
const (
	tries      = 5
	worthwhile = 1 << 20
)

// keepDownloads is how long what a pull that failed had got is kept, for the next to go on.
const keepDownloads = 24 * time.Hour

func (s *Service) downloads() string { return filepath.Join(s.Root, "images", "downloads") }

func (s *Service) server(r inventory.Remote) remote.Server {
	return remote.Server{URL: r.URL, Key: r.Key, Exe: s.SelfExe, IDBase: s.IDBase, Dir: s.workDir(""), Stall: s.Stall}
}

// preparePull asks no server: what it has shows when it is pulled.
func (s *Service) preparePull(ctx context.Context, r *gate.Request) (*gate.Draft, error) {
	var a inventory.PullArgs
	if err := r.Decode(&a); err != nil {
		return nil, err
	}
	from, err := s.remoteNamed(ctx, a.Remote)
	if err != nil {
		return nil, err
	}
	if a.Image == "" || len(a.Image) > 256 || inventory.CheckLine("the image", a.Image) != nil {
		return nil, inventory.Errorf(inventory.ErrInvalid, "say which image of %s, like %s:debian/12", a.Remote, a.Remote)
	}
	if a.Alias == "" {
		a.Alias = a.Remote + "/" + a.Image
	}
	if err := inventory.CheckAlias(a.Alias); err != nil {
		return nil, err
	}
	if _, err := s.expiry(a.Expires); err != nil {
		return nil, err
	}
	line := s.aliasLine(ctx, a.Alias, a.Image+" from "+from.URL)
	trust := inventory.EffectLine{Field: "trust", After: "the key of " + a.Remote}
	if from.Key == "" {
		trust = inventory.EffectLine{Field: "trust", After: "the server, by its certificate",
			Note: "the remote has no key, so its index need not be signed"}
		if strings.HasPrefix(from.URL, "http:") {
			trust.After, trust.Risk = "nothing", inventory.RiskHigh
			trust.Note = "neither key nor https: whoever is on the way can put another image in"
		}
	}
	return &gate.Draft{Args: a, Effects: []inventory.EffectLine{line, trust}}, nil
}

// pull gets the files and takes them as an import does.
func (s *Service) pull(ctx context.Context, r *gate.Run) error {
	var a inventory.PullArgs
	if err := r.Decode(&a); err != nil {
		return err
	}
	from, err := s.Remotes.Remote(ctx, a.Remote)
	if err != nil {
		return err
	}
	if err := s.pullFrom(ctx, r, from, a); err != nil {
		return fmt.Errorf("pull %s:%s: %w", a.Remote, a.Image, err)
	}
	return nil
}

func (s *Service) pullFrom(ctx context.Context, r *gate.Run, from inventory.Remote, a inventory.PullArgs) error {
	r.Progress(0, "asking %s", a.Remote)
	found, err := s.server(from).Find(ctx, a.Image)
	if err != nil {
		return err
	}
	f, err := s.openDownload(found)
	if err != nil {
		return err
	}
	defer f.Close()
	err = s.takeDownload(ctx, r, from, a, found, f)
	if err == nil || errors.Is(err, inventory.ErrInvalid) { // used up, or no good and won't get better
		err = errors.Join(err, os.Remove(f.Name()))
	}
	return err
}

func (s *Service) takeDownload(ctx context.Context, r *gate.Run, from inventory.Remote, a inventory.PullArgs,
	found remote.Found, f *os.File) error {
	if err := s.download(ctx, r, s.server(from), found, f); err != nil {
		return err
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	record := BuildRecord{Pulled: &Pulled{Remote: a.Remote, URL: from.URL, Image: a.Image, Product: found.Product,
		Version: found.Version, Files: found.Files, Signed: found.Signed}}
	arrived := arrival{file: f, record: &record, alias: a.Alias, source: "pull " + a.Remote + ":" + a.Image, expires: a.Expires}
	if len(found.Files) == 2 {
		arrived.metadata = found.Files[0].Size
	}
	return s.arrive(ctx, r, arrived)
}

// openDownload opens the file that a download goes to. Its name is of the files' hashes, so the next
// pull of the same image goes on where one broke off, and of another image never.
func (s *Service) openDownload(found remote.Found) (*os.File, error) {
	if err := os.MkdirAll(s.downloads(), 0o700); err != nil {
		return nil, err
	}
	sum := sha256.New()
	for _, file := range found.Files {
		fmt.Fprintf(sum, "%s %d\n", file.SHA256, file.Size)
	}
	return os.OpenFile(filepath.Join(s.downloads(), hex.EncodeToString(sum.Sum(nil))), os.O_RDWR|os.O_CREATE, 0o600)
}

// download fills f with the files one after the other, and checks each by its hash.
func (s *Service) download(ctx context.Context, r *gate.Run, server remote.Server, found remote.Found, f *os.File) error {
	total, base := int64(0), int64(0)
	for _, file := range found.Files {
		total += file.Size
	}
	for _, file := range found.Files {
		if err := s.downloadFile(ctx, r, server, file, f, base, total); err != nil {
			return err
		}
		sum := sha256.New()
		if _, err := io.Copy(sum, io.NewSectionReader(f, base, file.Size)); err != nil {
			return err
		}
		if got := hex.EncodeToString(sum.Sum(nil)); got != file.SHA256 {
			return inventory.Errorf(inventory.ErrInvalid,
				"%s has the SHA-256 %.12s..., and the server's index says %.12s...; it was thrown away", file.Path, got, file.SHA256)
		}
		base += file.Size
	}
	return nil
}

// downloadFile gets what is missing of one file, which lies in f from base on. A transfer that
// breaks off goes on as long as each try brings something.
func (s *Service) downloadFile(ctx context.Context, r *gate.Run, server remote.Server, file remote.File, f *os.File, base, total int64) error {
	for attempt := 1; ; attempt++ {
		have, err := f.Seek(0, io.SeekEnd)
		if err != nil {
			return err
		}
		have -= base
		if have >= file.Size {
			return nil
		}
		w := &downloading{w: f, run: r, n: base + have, total: total}
		err = server.Fetch(ctx, file, have, w)
		if err == nil && w.n == base+file.Size {
			continue // the loop's own check says that all of it is there
		}
		if err == nil {
			return fmt.Errorf("the scan child said it was done after %d of %d bytes", w.n-base, file.Size)
		}
		if w.n-base-have >= worthwhile {
			attempt = 1
		}
		if !errors.Is(err, remote.ErrBroken) {
			return err
		}
		if attempt >= tries || ctx.Err() != nil {
			return inventory.Errorf(inventory.ErrUnavailable,
				"%v after %s of %s; pulling again within a day goes on there", err, inventory.Bytes(w.n), inventory.Bytes(total))
		}
		s.Log.Info("a download broke off and goes on", "operation", r.Operation.ID, "error", err)
	}
}

// downloading shows how much has arrived, up to 60 percent of the operation.
type downloading struct {
	w        io.Writer
	run      *gate.Run
	n, total int64
	last     int64
}

func (d *downloading) Write(p []byte) (int, error) {
	n, err := d.w.Write(p)
	d.n += int64(n)
	if percent := d.n * 60 / max(d.total, 1); percent != d.last {
		d.last = percent
		d.run.Progress(int(percent), "downloading %s of %s", inventory.Bytes(d.n), inventory.Bytes(d.total))
	}
	return n, err
}

// sweepDownloads removes what nobody went on with.
func (s *Service) sweepDownloads() error {
	entries, err := os.ReadDir(s.downloads())
	if missing(err) {
		return nil
	}
	for _, e := range entries {
		info, ierr := e.Info()
		if ierr == nil && s.Now().Sub(info.ModTime()) > keepDownloads {
			err = errors.Join(err, os.Remove(filepath.Join(s.downloads(), e.Name())))
		}
	}
	return err
}
