package btrfs

import (
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"lodge/inventory"
	"lodge/manager/storage"
	"lodge/manager/storage/disk"
)

// unfinished begins the name of everything that is being made or removed. Open removes all of it.
const unfinished = ".new-"

// impossible is the name for a name that can't be; nothing ever has it.
const impossible = ".impossible"

// Path returns the root folder of a volume.
func (p *Pool) Path(id string) string {
	if storage.CheckVolume(id) != nil {
		id = impossible
	}
	return filepath.Join(p.config.base(), "containers", id)
}

// SnapshotPath returns the root folder of a snapshot.
func (p *Pool) SnapshotPath(id, name string) string {
	if storage.CheckSnapshot(name) != nil {
		name = impossible
	}
	return filepath.Join(p.snapshotsOf(id), name)
}

func (p *Pool) snapshotsOf(id string) string {
	if storage.CheckVolume(id) != nil {
		id = impossible
	}
	return filepath.Join(p.config.base(), "snapshots", id)
}

// ImagePath returns the root folder of an image.
func (p *Pool) ImagePath(digest string) string {
	hex, err := storage.ImageHex(digest)
	if err != nil {
		hex = impossible
	}
	return filepath.Join(p.config.base(), "images", hex)
}

// openSubvolume opens the root folder of a subvolume; fs.ErrNotExist when it isn't there.
func openSubvolume(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	var st unix.Stat_t
	if err = unix.Fstat(int(f.Fd()), &st); err == nil && st.Ino == firstFreeObjectID {
		return f, nil
	}
	f.Close()
	if err == nil {
		err = inventory.Errorf(inventory.ErrState, "%s is no subvolume; move it away", path)
	}
	return nil, err
}

func exists(path string) (bool, error) {
	_, err := os.Lstat(path)
	if disk.IsMissing(err) {
		return false, nil
	}
	return err == nil, err
}

// snapshotTo makes dst, a path in the pool, a snapshot of src.
func snapshotTo(src *os.File, dst string, readOnly bool, group uint64) error {
	folder, err := os.Open(filepath.Dir(dst))
	if err != nil {
		return err
	}
	defer folder.Close()
	return createSnapshot(src, folder, filepath.Base(dst), readOnly, group)
}

// destroy removes a subvolume and all subvolumes below it, deepest first. One that isn't there is
// no error.
func (p *Pool) destroy(path string) error {
	f, err := openSubvolume(path)
	if disk.IsMissing(err) {
		return nil
	}
	if err != nil {
		return err
	}
	id, err := subvolumeID(f)
	f.Close()
	if err != nil {
		return err
	}
	return p.destroyID(id)
}

func (p *Pool) destroyID(id uint64) error {
	children, err := p.children(id)
	if err != nil {
		return err
	}
	for _, child := range children {
		if err := p.destroyID(child); err != nil {
			return err
		}
	}
	err = destroySubvolume(p.root, id)
	if disk.IsMissing(err) {
		return nil
	}
	return err
}

// children returns the subvolumes right below one. The runtime refuses to make them from inside a
// container; whoever is root on the host can.
func (p *Pool) children(id uint64) ([]uint64, error) {
	refs, err := search(p.root, keyRange{
		tree: rootTree, kind: keyRootRef, minObject: id, maxObject: id, maxOffset: ^uint64(0),
	})
	ids := make([]uint64, len(refs))
	for i, ref := range refs {
		ids[i] = ref.offset
	}
	return ids, err
}

// childrenOf is children of the subvolume f is the root of.
func (p *Pool) childrenOf(f *os.File) ([]uint64, error) {
	id, err := subvolumeID(f)
	if err != nil {
		return nil, err
	}
	return p.children(id)
}
