package btrfs

import (
	"log/slog"
	"path/filepath"

	"lodge/inventory"
)

// Quota is how sizes of volumes are enforced.
type Quota string

const (
	// QuotaAuto takes what the file system has, else QuotaSimple, else QuotaGroups.
	QuotaAuto Quota = ""
	// QuotaSimple charges an extent to the subvolume that wrote it: cheap with any number of
	// snapshots. Linux 6.7.
	QuotaSimple Quota = "simple"
	// QuotaGroups counts references. Slower with every snapshot of the same data.
	QuotaGroups Quota = "qgroup"
	// QuotaOff enforces nothing and measures nothing.
	QuotaOff Quota = "off"
)

// Config says where a pool is and how it is made.
type Config struct {
	// Root is the agent's folder. The pool's file is Root/pools/NAME.img and it is mounted at
	// Root/pools/NAME.
	Root string
	// Name of the pool, "default" when empty; a DNS label.
	Name string
	// Dir is a folder on a btrfs that is mounted already. The pool then has no file of its own, and
	// quotas of that file system are used when they are on, but only switched on when Quota asks.
	Dir string
	// Size of the file when it is made; 0 chooses by the room on the host. Later Grow changes it.
	Size inventory.Bytes
	// Known says that the pool was made before: without it there, Open is ErrUnavailable instead of
	// making another.
	Known bool
	// Quota forces one kind of accounting.
	Quota Quota
	Log   *slog.Logger
	// Crash is called at every point where a crash leaves something to repair; tests end the
	// process or panic in it. Nil outside of tests.
	Crash func(point string)
}

// CrashPoints are the names Config.Crash is called with, in the order of the table in the package
// comment.
var CrashPoints = []string{
	"file.allocated", "file.formatted",
	"open.attached", "open.mounted",
	"volume.grouped", "volume.built", "empty.built",
	"restore.built", "restore.swapped",
	"delete.snapshots", "delete.volume",
	"image.created", "image.filled", "image.renamed",
}

func (c *Config) complete() error {
	if c.Name == "" {
		c.Name = "default"
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Crash == nil {
		c.Crash = func(string) {}
	}
	switch c.Quota {
	case QuotaAuto, QuotaSimple, QuotaGroups, QuotaOff:
	default:
		return inventory.Errorf(inventory.ErrInvalid,
			"%q is no kind of quota; it can be simple, qgroup or off", c.Quota)
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

func (c *Config) file() string { return filepath.Join(c.Root, "pools", c.Name+".img") }

// label is how a file system made for this pool is told from others; at most 255 bytes.
func (c *Config) label() string { return "lodge-" + c.Name }

// The bounds of a pool's file. Below minSize, chunks of btrfs are a large part of the pool.
const (
	minSize     = 256 * inventory.MiB
	chosenLeast = 5 * inventory.GiB
	chosenMost  = 100 * inventory.GiB
	// hostReserve stays free on the host whatever is asked for: a full host file system takes the
	// database and the journal down with it.
	hostReserve = 512 * inventory.MiB
)

// chooseSize decides how large a pool's file becomes on a host file system with that much room.
// Nothing asked for: 30 % of it, at least 5 and at most 100 GiB.
func chooseSize(asked, free inventory.Bytes) (inventory.Bytes, error) {
	size := asked
	if size == 0 {
		size = min(max(free/10*3, chosenLeast), chosenMost)
	}
	size -= size % inventory.MiB
	switch {
	case size < minSize:
		return 0, inventory.Errorf(inventory.ErrInvalid,
			"make the pool: %v is too small; it needs at least %v", asked, minSize)
	case size > free-hostReserve:
		return 0, inventory.Errorf(inventory.ErrQuota,
			"make the pool: it would take %v and leave %v free on the host, which has %v; make room or ask for a smaller pool",
			size, hostReserve, free)
	}
	return size, nil
}
