package image

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"lodge/inventory"
	"lodge/manager/gate"
	"lodge/manager/image/recipe"
	"lodge/manager/image/unpack"
)

// A BuildRecord says what an image was made from, for whoever wants to make it again or to know
// what is in it. It is kept with the image, as JSON.
type BuildRecord struct {
	Recipe       string              `json:"recipe,omitempty"`
	RecipeDigest string              `json:"recipe_digest,omitempty"`
	Epoch        int64               `json:"source_date_epoch,omitempty"`
	Archives     []recipe.Archive    `json:"archives,omitempty"`
	Tools        []string            `json:"tools,omitempty"`
	AptOptions   []string            `json:"apt_options,omitempty"`
	Import       string              `json:"import,omitempty"`        // name of the imported file
	ImportDigest string              `json:"import_digest,omitempty"` // its SHA-256, of two files joined: Incus' fingerprint
	Metadata     *unpack.Metadata    `json:"metadata,omitempty"`      // what the imported file says of itself
	Container    *inventory.Imported `json:"container,omitempty"`     // where the file is the export of a container
	Published    *Published          `json:"published,omitempty"`
	Pulled       *Pulled             `json:"pulled,omitempty"`

	Init        string           `json:"init"`
	InitVersion int              `json:"init_version,omitempty"`
	Entries     int              `json:"entries"`
	Findings    []unpack.Finding `json:"findings,omitempty"` // of an import; a build with any fails
	BuiltAt     time.Time        `json:"built_at"`
	Seconds     float64          `json:"seconds"`
}

// prepareBuild checks the recipe and where it would be built from.
func (s *Service) prepareBuild(ctx context.Context, r *gate.Request) (*gate.Draft, error) {
	var a inventory.BuildArgs
	if err := r.Decode(&a); err != nil {
		return nil, err
	}
	rec, archives, err := s.plan(ctx, &a)
	if err != nil {
		return nil, err
	}
	if _, err := s.expiry(a.Expires); err != nil {
		return nil, err
	}
	effects := []inventory.EffectLine{
		s.aliasLine(ctx, a.Alias, "built from recipe "+rec.Name),
		{Field: "archive", After: archives[0].URI + " " + rec.Suite, Note: "read over the network for about half a minute"},
	}
	return &gate.Draft{Args: a, Effects: effects}, nil
}

// plan resolves the parameters of a build and fills in the alias.
func (s *Service) plan(ctx context.Context, a *inventory.BuildArgs) (recipe.Recipe, []recipe.Source, error) {
	rec, err := recipe.Find(a.Recipe)
	if err != nil {
		return rec, nil, err
	}
	if a.Alias == "" {
		a.Alias = rec.Name
	}
	if err := inventory.CheckAlias(a.Alias); err != nil {
		return rec, nil, err
	}
	mirror := a.Mirror
	if mirror == "" && rec.OS == "debian" { // the setting names Debian's archive
		mirror = s.Mirror(ctx)
	}
	archives, err := rec.Archives(mirror, recipe.HostSources(s.AptDir))
	return rec, archives, err
}

// aliasLine is the row of a plan that says what happens to an alias.
func (s *Service) aliasLine(ctx context.Context, alias, after string) inventory.EffectLine {
	line := inventory.EffectLine{Field: "image " + alias, After: after}
	if before, err := s.Store.Image(ctx, alias); err == nil {
		line.Before = short(before.Digest)
		line.Note = "the image it names now stays, under its digest; containers made from it are not touched"
	}
	return line
}

// build makes the tree and the candidate of it.
func (s *Service) build(ctx context.Context, r *gate.Run) error {
	var a inventory.BuildArgs
	if err := r.Decode(&a); err != nil {
		return err
	}
	rec, archives, err := s.plan(ctx, &a)
	if err != nil {
		return err
	}
	r.Progress(0, "waiting for another build")
	select {
	case s.building <- struct{}{}:
		defer func() { <-s.building }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	started := s.Now()
	b := &recipe.Build{Recipe: rec, Archives: archives, Options: recipe.HostOptions(ctx),
		Exe: s.SelfExe, IDBase: s.IDBase, Line: buildProgress(r)}
	made, err := s.bootstrap(ctx, r, b)
	if err != nil {
		return err
	}
	r.Progress(80, "checking what was built")
	digest, report, err := s.seal(ctx, r, unpack.Job{Dir: b.Root(), Lint: true, Latest: made.Epoch})
	if err != nil {
		return err
	}
	if len(report.Findings) > 0 {
		return fmt.Errorf("build %s: %w", rec.Name, lintError(report.Findings))
	}
	record := BuildRecord{Recipe: rec.Name, RecipeDigest: rec.Digest(), Epoch: made.Epoch, Archives: made.Archives,
		Tools: made.Tools, AptOptions: strings.Split(strings.TrimSpace(b.Options), "\n")}
	return s.finish(ctx, r, finished{record, report, started, digest, a.Alias, "build " + rec.Name, a.Expires})
}

// bootstrap runs the recipe, a second time if the archive moved under the first.
func (s *Service) bootstrap(ctx context.Context, r *gate.Run, b *recipe.Build) (recipe.Made, error) {
	for attempt := 1; ; attempt++ {
		dir, err := s.freshWork(r)
		if err != nil {
			return recipe.Made{}, err
		}
		b.Dir = filepath.Join(dir, "build")
		if err := os.Mkdir(b.Dir, 0o755); err != nil {
			return recipe.Made{}, err
		}
		made, err := b.Run(ctx)
		if !errors.Is(err, recipe.ErrMoved) || attempt == 2 {
			return made, err
		}
		s.Log.Info("the archive changed during a build, building again", "recipe", b.Recipe.Name, "operation", r.Operation.ID)
	}
}

// finished is what a build or an import ends with.
type finished struct {
	record  BuildRecord
	report  unpack.Report
	started time.Time
	digest  string
	alias   string
	source  string
	expires string
}

// finish writes the build record and keeps the candidate.
func (s *Service) finish(ctx context.Context, r *gate.Run, f finished) error {
	now := s.Now()
	f.record.Init, f.record.InitVersion, f.record.Entries = f.report.Init, f.report.InitVersion, f.report.Entries
	f.record.BuiltAt, f.record.Seconds = now.UTC(), now.Sub(f.started).Seconds()
	text, err := json.Marshal(f.record)
	if err != nil {
		return err
	}
	expires, err := s.expiry(f.expires)
	if err != nil {
		return err
	}
	m := inventory.Image{Digest: f.digest, Source: f.source, Build: string(text), ExpiresAt: expires}
	return s.keep(ctx, r, candidate{Image: m, Alias: f.alias}, f.report)
}

func lintError(found []unpack.Finding) error {
	var list []string
	for _, f := range found[:min(len(found), 5)] {
		list = append(list, f.String())
	}
	more := ""
	if n := len(found) - len(list); n > 0 {
		more = "; and more"
	}
	return inventory.Errorf(inventory.ErrInvalid, "the result is not fit to make containers from: %s%s",
		strings.Join(list, "; "), more)
}

// phases are what mmdebstrap says on its way, with how far that is.
var phases = []struct {
	says    string
	percent int
	text    string
}{
	{"reading the archive's state", 2, "reading the archive's state"},
	{"running apt-get update", 5, "reading the archive's indexes"},
	{"downloading packages", 15, "downloading packages"},
	{"extracting archives", 30, "unpacking packages"},
	{"installing essential", 35, "installing the essential packages"},
	{"installing remaining", 50, "installing the other packages"},
	{"running --customize-hook", 70, "making it a container's"},
	{"cleaning package lists", 75, "cleaning up"},
}

func buildProgress(r *gate.Run) func(line string) {
	return func(line string) {
		if r.Log != nil {
			r.Log.Debug("image build", "line", line)
		}
		for _, p := range phases {
			if strings.HasPrefix(line, "I: "+p.says) {
				r.Progress(p.percent, "%s", p.text)
			}
		}
	}
}
