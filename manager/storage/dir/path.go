package dir

import (
	"path/filepath"

	"lodge/manager/storage"
)

// unfinished begins the name of everything that is being made or removed. Open removes all of it.
const unfinished = ".new-"

// impossible is the name for a name that can't be; nothing ever has it.
const impossible = ".impossible"

func (p *Pool) in(parts ...string) string {
	return filepath.Join(append([]string{p.config.base()}, parts...)...)
}

// place is the folder of a volume.
func (p *Pool) place(id string) string {
	if storage.CheckVolume(id) != nil {
		id = impossible
	}
	return p.in("containers", id)
}

// temporary is where the next state of a volume is built.
func (p *Pool) temporary(id string) string { return p.in("containers", unfinished+id) }

// Path returns the root folder of a volume.
func (p *Pool) Path(id string) string { return filepath.Join(p.place(id), "root") }

// snapshotPlace is the folder of a snapshot, where the pool itself can write.
func (p *Pool) snapshotPlace(id, name string) string {
	return p.in("kept", "snapshots", id, name)
}

// SnapshotPath returns the root folder of a snapshot.
func (p *Pool) SnapshotPath(id, name string) string {
	if storage.CheckVolume(id) != nil {
		id = impossible
	}
	if storage.CheckSnapshot(name) != nil {
		name = impossible
	}
	return p.in("view", "snapshots", id, name, "root")
}

func (p *Pool) imagePlace(hex string) string    { return p.in("kept", "images", hex) }
func (p *Pool) templatePlace(hex string) string { return p.in("templates", hex+".ext4") }

// ImagePath returns the root folder of an image.
func (p *Pool) ImagePath(digest string) string {
	hex, err := storage.ImageHex(digest)
	if err != nil {
		hex = impossible
	}
	return p.in("view", "images", hex)
}

// Base is the folder the pool is at.
func (p *Pool) Base() string { return p.config.base() }
