package btrfs

import (
	"context"
	"os"
	"path/filepath"

	"lodge/manager/storage"
	"lodge/manager/storage/disk"
)

// List names everything in the pool.
func (p *Pool) List(ctx context.Context) (storage.Listing, error) {
	var list storage.Listing
	if err := ctx.Err(); err != nil {
		return list, err
	}
	err := p.list(&list)
	if err != nil {
		return storage.Listing{}, p.fault().Fail(err, "list pool %s", p.config.Name)
	}
	return list, nil
}

func (p *Pool) list(list *storage.Listing) error {
	images, err := p.folderNames("images")
	if err != nil {
		return err
	}
	for _, hex := range images {
		if digest := "sha256:" + hex; checks(storage.ImageHex(digest)) {
			list.Images = append(list.Images, digest)
		}
	}
	volumes, err := p.folderNames("containers")
	if err != nil {
		return err
	}
	for _, id := range volumes {
		if storage.CheckVolume(id) == nil {
			list.Volumes = append(list.Volumes, id)
		}
	}
	owners, err := p.folderNames("snapshots")
	if err != nil {
		return err
	}
	for _, id := range owners {
		names, err := p.snapshotNames(id)
		if err != nil {
			return err
		}
		for _, name := range names {
			list.Snapshots = append(list.Snapshots, storage.SnapshotName{Volume: id, Name: name})
		}
	}
	return nil
}

func checks(_ string, err error) bool { return err == nil }

// folderNames are the names in one of the pool's folders, sorted.
func (p *Pool) folderNames(folder string) ([]string, error) {
	entries, err := os.ReadDir(filepath.Join(p.config.base(), folder))
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name()
	}
	return names, err
}

// snapshotNames are the names of a volume's snapshots, sorted; none for names that can't be.
func (p *Pool) snapshotNames(id string) ([]string, error) {
	if storage.CheckVolume(id) != nil {
		return nil, nil
	}
	all, err := p.folderNames(filepath.Join("snapshots", id))
	if disk.IsMissing(err) {
		return nil, nil
	}
	var names []string
	for _, name := range all {
		if storage.CheckSnapshot(name) == nil {
			names = append(names, name)
		}
	}
	return names, err
}
