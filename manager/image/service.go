package image

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"lodge/inventory"
	"lodge/manager/gate"
)

// Config is what a Service needs.
type Config struct {
	Root  string // the agent's folder; images/ and run/uploads/ below it are used
	Pool  Pool
	Store Store
	// Snapshots and Remotes are the store's too.
	Snapshots snapshots
	Remotes   remotes

	// SelfExe is the agent's binary, executed again as "scan"; "" is the running one.
	SelfExe string
	// IDBase is the first of 65536 host ids no container has; 0 is confine.DefaultIDBase.
	IDBase uint32
	// Stall is how long an image server may be silent; 0 is 30 seconds.
	Stall time.Duration
	// Mirror returns the setting image.mirror; nil or "" is the host's own archive.
	Mirror func(ctx context.Context) string
	// MadeFrom names the containers made from the image of a digest; nil: none is known of.
	MadeFrom func(ctx context.Context, digest string) ([]string, error)
	// AptDir is where the host's apt sources are; "" is /etc/apt.
	AptDir string

	Log *slog.Logger
	Now func() time.Time
}

// A Service builds, imports, names and removes images.
type Service struct {
	Config
	// building holds one token: builds wait for each other, as they would for the disk.
	building chan struct{}
	// adding keeps the pool and the store in step: held while an image enters or leaves both.
	adding sync.Mutex
}

// New returns a service. It makes its folder below Root.
func New(c Config) (*Service, error) {
	if c.Mirror == nil {
		c.Mirror = func(context.Context) string { return "" }
	}
	if c.MadeFrom == nil {
		c.MadeFrom = func(context.Context, string) ([]string, error) { return nil, nil }
	}
	if c.AptDir == "" {
		c.AptDir = "/etc/apt"
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	s := &Service{Config: c, building: make(chan struct{}, 1)}
	if err := os.MkdirAll(s.workDir(""), 0o700); err != nil {
		return nil, fmt.Errorf("make the folder for images: %w", err)
	}
	return s, nil
}

// Settings returns the settings this package reads.
func Settings() []inventory.Setting {
	return []inventory.Setting{{
		Name: "image.mirror", Scopes: []inventory.Scope{inventory.ScopeHost}, Type: inventory.TypeText,
		Effect: inventory.EffectLive, Risk: inventory.RiskMedium,
		Doc: "The archive images are built from, and after a space that of its security updates; the host's own when empty.",
	}}
}

// Verbs returns the verb rows of images. Reading them is image.view, which the API has.
func (s *Service) Verbs() []gate.Verb {
	add := gate.Step{Name: "add to the pool", Do: s.add, Undo: s.remove}
	tidy := gate.Step{Name: "tidy up", Do: s.tidy}
	row := func(name, command string) gate.Verb {
		return gate.Verb{Name: name, Right: inventory.RightImage, Mode: gate.ModeOperation,
			Risk: inventory.RiskLow, Command: command, Subject: subject}
	}
	build, load := row("image.build", "image build"), row("image.import", "image import")
	build.Prepare, load.Prepare = s.prepareBuild, s.prepareImport
	// Nothing anybody relies on is half done meanwhile, so the next agent goes on.
	build.Recovery, load.Recovery = gate.RecoverFinish, gate.RecoverFinish
	build.Steps = []gate.Step{{Name: "build", Do: s.build, Undo: s.tidy}, add, tidy}
	load.Steps = []gate.Step{{Name: "unpack", Do: s.load, Undo: s.tidy}, add, tidy}

	name, drop := row("image.alias", "image alias"), row("image.delete", "image delete")
	name.Prepare, drop.Prepare = s.prepareAlias, s.prepareDelete
	name.Steps = []gate.Step{{Name: "look", Do: s.lookAlias}, {Name: "name", Do: s.setAlias, Undo: s.setAliasBack}}
	drop.Risk, drop.Recovery = inventory.RiskMedium, gate.RecoverFinish
	drop.Steps = []gate.Step{{Name: "delete", Do: s.delete}}

	publish := row("image.publish", "image publish")
	publish.Subject, publish.Prepare, publish.Recovery = nil, s.preparePublish, gate.RecoverFinish
	publish.Steps = []gate.Step{{Name: "clean", Do: s.publish, Undo: s.tidy}, add, tidy}
	export := gate.Verb{Name: "image.export", Right: inventory.RightImage, Mode: gate.ModeRead,
		Risk: inventory.RiskLow, Command: "image export"}

	// It makes the host ask a server, so it takes the right to pull from there.
	browse := gate.Verb{Name: "image.remote.browse", Right: inventory.RightImage, Mode: gate.ModeRead,
		Risk: inventory.RiskLow, Command: "image list"}

	pull := row("image.pull", "image pull")
	pull.Prepare, pull.Recovery = s.preparePull, gate.RecoverFinish
	pull.Steps = []gate.Step{{Name: "download", Do: s.pull, Undo: s.tidy}, add, tidy}
	return append([]gate.Verb{build, load, name, drop, publish, export, browse, pull}, s.remoteVerbs()...)
}

// subject is the alias a build or import will move, or the image as named.
func subject(r *gate.Request) (subject, name string, err error) {
	var a struct{ Alias, Recipe, Image string }
	if err := json.Unmarshal(r.Args, &a); err != nil {
		return "", "", inventory.Errorf(inventory.ErrInvalid, "the parameters can't be read: %v", err)
	}
	for _, name := range []string{a.Alias, a.Recipe, a.Image} {
		if name != "" {
			return "image:" + name, name, nil
		}
	}
	return "", "", inventory.Errorf(inventory.ErrInvalid, "say which image is meant")
}

// Expired returns the images whose time is over. The agent deletes them, as a principal, by
// image.delete.
func (s *Service) Expired(ctx context.Context) ([]inventory.Image, error) {
	all, err := s.Store.Images(ctx)
	if err != nil {
		return nil, err
	}
	var out []inventory.Image
	for _, m := range all {
		if !m.ExpiresAt.IsZero() && !m.ExpiresAt.After(s.Now()) {
			out = append(out, m)
		}
	}
	return out, nil
}

// expiry turns a duration from the caller into a time; "" is never.
func (s *Service) expiry(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	d, err := inventory.ParseDuration(text)
	if err != nil {
		return time.Time{}, err
	}
	return s.Now().Add(d).UTC(), nil
}

// workDir is where one operation works: it holds a tree with real setuid bits, below Root, which
// only root can enter.
func (s *Service) workDir(id inventory.OperationID) string {
	return filepath.Join(s.Root, "images", "work", string(id))
}

// recordPath is where an image's build record lies beside the database.
func (s *Service) recordPath(digest string) string {
	return filepath.Join(s.Root, "images", strings.TrimPrefix(digest, "sha256:")+".json")
}
