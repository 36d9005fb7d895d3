package dir

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"lodge/inventory"
)

// Config says where a pool is.
type Config struct {
	// Root is the agent's folder. The pool is Root/pools/NAME.
	Root string
	// Name of the pool, "default" when empty; a DNS label.
	Name string
	// Dir is the pool's folder if it isn't below Root.
	Dir string
	// Known says that the pool was made before: without it there, Open is ErrUnavailable instead of
	// making another.
	Known bool
	// Freezer stops containers while their root is copied; nil: none ever runs.
	Freezer Freezer
	Log     *slog.Logger
	// Crash is called at every point where a crash leaves something to repair; tests end the
	// process or panic in it. Nil outside of tests.
	Crash func(point string)
}

// A Freezer knows the containers that run from the pool's volumes.
type Freezer interface {
	// Runs reports whether the volume's container runs and isn't frozen.
	Runs(id string) bool
	Freeze(ctx context.Context, id string) error
	// Thaw is no error for a container that isn't frozen, or is gone.
	Thaw(ctx context.Context, id string) error
}

// CrashPoints are the names Config.Crash is called with, in the order of the table in the package
// comment.
var CrashPoints = []string{
	"template.built", "volume.built", "snapshot.built",
	"restore.built", "restore.swapped",
	"delete.snapshots", "delete.volume",
	"image.created", "image.filled", "image.renamed",
}

type nobody struct{}

func (nobody) Runs(string) bool                     { return false }
func (nobody) Freeze(context.Context, string) error { return nil }
func (nobody) Thaw(context.Context, string) error   { return nil }

func (c *Config) complete() error {
	if c.Name == "" {
		c.Name = inventory.DefaultPool
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Crash == nil {
		c.Crash = func(string) {}
	}
	if c.Freezer == nil {
		c.Freezer = nobody{}
	}
	if !filepath.IsAbs(c.Root) && !filepath.IsAbs(c.Dir) {
		return inventory.Errorf(inventory.ErrInvalid, "a pool needs an absolute path, not %q", c.Root)
	}
	return inventory.CheckName("a pool", c.Name)
}

// base is where the pool's folders are.
func (c *Config) base() string {
	if c.Dir != "" {
		return filepath.Clean(c.Dir)
	}
	return filepath.Join(c.Root, "pools", c.Name)
}

// checkAncestors refuses a folder that somebody other than root could put another in the place of.
func checkAncestors(folder string) error {
	for {
		folder = filepath.Dir(folder)
		var st unix.Stat_t
		if err := unix.Lstat(folder, &st); err != nil {
			return &os.PathError{Op: "look at", Path: folder, Err: err}
		}
		open := st.Mode&0o022 != 0 && st.Mode&unix.S_ISVTX == 0
		if st.Mode&unix.S_IFMT != unix.S_IFDIR || st.Uid != 0 || open {
			return inventory.Errorf(inventory.ErrInvalid,
				"%s can be changed by others than root, or is a link; a pool below it would not be safe", folder)
		}
		if folder == "/" {
			return nil
		}
	}
}
