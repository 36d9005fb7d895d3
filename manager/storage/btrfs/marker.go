package btrfs

import (
	"encoding/json"
	"os"
	"path/filepath"

	"lodge/inventory"
	"lodge/manager/storage/disk"
)

// marker is the file that says that a folder is a pool, and of which layout.
const marker = "pool.json"

type markerContent struct {
	Format int    `json:"format"`
	Pool   string `json:"pool"`
}

// claim checks that the folder is this pool's. An empty folder becomes this pool's; anything else
// without the marker is somebody else's data and is left alone.
func (p *Pool) claim() error {
	base := p.config.base()
	content, err := os.ReadFile(filepath.Join(base, marker))
	if disk.IsMissing(err) {
		return p.claimEmpty()
	}
	if err != nil {
		return p.fault().Fail(err, "open pool %s", p.config.Name)
	}
	var m markerContent
	if err := json.Unmarshal(content, &m); err != nil {
		return inventory.Errorf(inventory.ErrState, "open pool %s: %s can't be read: %w",
			p.config.Name, filepath.Join(base, marker), err)
	}
	if m.Pool != p.config.Name || m.Format != 1 {
		return inventory.Errorf(inventory.ErrState, "open pool %s: %s is pool %q of format %d",
			p.config.Name, base, m.Pool, m.Format)
	}
	return nil
}

func (p *Pool) claimEmpty() error {
	base := p.config.base()
	entries, err := os.ReadDir(base)
	if err != nil {
		return p.fault().Fail(err, "open pool %s", p.config.Name)
	}
	for _, e := range entries {
		if e.Name() != marker+".new" { // of a crash in this function
			return inventory.Errorf(inventory.ErrState,
				"open pool %s: %s isn't empty and isn't a pool (it holds %q); give the pool a folder of its own",
				p.config.Name, base, e.Name())
		}
	}
	if err := os.Chmod(base, 0o700); err != nil {
		return p.fault().Fail(err, "open pool %s", p.config.Name)
	}
	content, err := json.Marshal(markerContent{Format: 1, Pool: p.config.Name})
	if err == nil {
		err = disk.WriteDurable(filepath.Join(base, marker), content)
	}
	if err != nil {
		return p.fault().Fail(err, "open pool %s", p.config.Name)
	}
	return nil
}
