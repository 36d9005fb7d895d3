package dir

import (
	"context"
	"os"

	"golang.org/x/sys/unix"

	"lodge/inventory"
	"lodge/manager/storage"
	"lodge/manager/storage/disk"
	"lodge/manager/storage/tree"
)

// AddImage makes an image of what fill writes.
func (p *Pool) AddImage(ctx context.Context, digest string, fill func(dir string) error) error {
	hex, err := storage.ImageHex(digest)
	if err != nil {
		return err
	}
	defer p.locks.Take("image " + digest)()
	if there, err := p.HasImage(ctx, digest); err != nil {
		return err
	} else if there {
		return inventory.Errorf(inventory.ErrExists, "add image %s: it is in pool %s already",
			digest, p.config.Name)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	temporary := p.in("kept", "images", unfinished+hex)
	err = p.fillImage(ctx, temporary, fill)
	if err == nil {
		err = unix.Renameat2(unix.AT_FDCWD, temporary, unix.AT_FDCWD, p.imagePlace(hex), unix.RENAME_NOREPLACE)
	}
	if err == nil {
		p.config.Crash("image.renamed")
		err = disk.SyncFolder(p.in("kept", "images"))
	}
	if err != nil {
		p.abandon(temporary)
		return p.fault().Fail(err, "add image %s", digest)
	}
	return nil
}

func (p *Pool) fillImage(ctx context.Context, temporary string, fill func(dir string) error) error {
	if err := p.discard(temporary); err != nil {
		return err
	}
	if err := mkdirAs(temporary, 0o755); err != nil {
		return err
	}
	p.config.Crash("image.created")
	if err := fill(temporary); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	// All contents before the name: else a power failure could leave an image whose files are empty.
	if err := syncAll(temporary); err != nil {
		return err
	}
	p.config.Crash("image.filled")
	return nil
}

// abandon removes what a failed call had begun. What can't be removed now, Open removes.
func (p *Pool) abandon(path string) {
	if err := p.discard(path); err != nil {
		p.config.Log.Warn("can't remove what a failed call left", "path", path, "error", err)
	}
}

// HasImage tells whether the image is there.
func (p *Pool) HasImage(_ context.Context, digest string) (bool, error) {
	hex, err := storage.ImageHex(digest)
	if err != nil {
		return false, err
	}
	_, err = os.Lstat(p.imagePlace(hex))
	if disk.IsMissing(err) {
		return false, nil
	}
	if err != nil {
		return false, p.fault().Fail(err, "look for image %s", digest)
	}
	return true, nil
}

// DeleteImage removes an image and the file system made of it. Volumes share extents at most, which
// live as long as anybody has them.
func (p *Pool) DeleteImage(ctx context.Context, digest string) error {
	hex, err := storage.ImageHex(digest)
	if err != nil {
		return err
	}
	defer p.locks.Take("image " + digest)()
	if err := ctx.Err(); err != nil {
		return err
	}
	temporary := p.in("kept", "images", unfinished+hex)
	err = os.Rename(p.imagePlace(hex), temporary)
	if err == nil {
		err = p.discard(temporary)
	}
	if err == nil || disk.IsMissing(err) {
		err = os.RemoveAll(p.templatePlace(hex))
	}
	if err != nil {
		return p.fault().Fail(err, "delete image %s", digest)
	}
	return nil
}

// template makes the image a file system in a file, once. The caller holds the image's lock.
func (p *Pool) template(ctx context.Context, hex string) (string, error) {
	path := p.templatePlace(hex)
	if _, err := os.Lstat(path); !disk.IsMissing(err) {
		return path, err
	}
	file, on := p.in("templates", unfinished+hex+".ext4"), p.in("templates", unfinished+hex+".mount")
	err := p.fillTemplate(ctx, p.imagePlace(hex), file, on)
	if err == nil {
		p.config.Crash("template.built")
		err = publish(file, path)
	}
	if err != nil {
		p.abandon(on)
		p.abandon(file)
		return "", err
	}
	return path, nil
}

func (p *Pool) fillTemplate(ctx context.Context, from, file, on string) error {
	for _, old := range []string{on, file} {
		if err := p.discard(old); err != nil {
			return err
		}
	}
	if err := p.fileSystemOf(ctx, from, file, on); err != nil {
		return err
	}
	if err := unix.Unmount(on, unix.UMOUNT_NOFOLLOW); err != nil {
		return err
	}
	if err := os.Remove(on); err != nil {
		return err
	}
	return syncFile(file)
}

// fileSystemOf makes a file system in a file with the contents of a folder, mounted on another folder,
// which it makes.
func (p *Pool) fileSystemOf(ctx context.Context, from, file, on string) error {
	size, err := tree.Measure(ctx, from)
	if err != nil {
		return err
	}
	if err := p.newFileSystem(ctx, size, inventory.Bytes(size.Bytes), file, on); err != nil {
		return err
	}
	if err := p.copier.Copy(ctx, from, on); err != nil {
		return err
	}
	return syncAll(on)
}

// newFileSystem makes an empty one with room for contents of that size. A sparse file that meets a
// full disk loses what was written to it, so the room that will be taken is looked for first.
func (p *Pool) newFileSystem(ctx context.Context, contents tree.Size, taken inventory.Bytes, file, on string) error {
	if err := p.needRoom(taken + needed); err != nil {
		return err
	}
	if err := format(ctx, file, contents); err != nil {
		return err
	}
	if err := mkdirAs(on, 0o755); err != nil {
		return err
	}
	if err := mountFile(file, on, false); err != nil {
		return err
	}
	return os.Remove(on + "/lost+found") // e2fsck makes it again when it needs it
}

// needRoom is ErrQuota unless the pool has that much room.
func (p *Pool) needRoom(bytes inventory.Bytes) error {
	var st unix.Statfs_t
	if err := unix.Statfs(p.config.base(), &st); err != nil {
		return err
	}
	if free := inventory.Bytes(st.Bavail) * inventory.Bytes(st.Bsize); free < bytes {
		return inventory.Errorf(inventory.ErrQuota, "pool %s has %v free, and this takes %v; delete snapshots or containers, or make room on its file system",
			p.config.Name, free, bytes)
	}
	return nil
}

func syncFile(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}
