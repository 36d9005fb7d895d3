package btrfs

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"lodge/inventory"
	"lodge/manager/storage"
)

// AddImage makes an image of what fill writes.
func (p *Pool) AddImage(ctx context.Context, digest string, fill func(dir string) error) error {
	hex, err := storage.ImageHex(digest)
	if err != nil {
		return err
	}
	defer p.locks.Take("image " + digest)()
	if there, err := exists(p.ImagePath(digest)); err != nil {
		return p.fault().Fail(err, "add image %s", digest)
	} else if there {
		return inventory.Errorf(inventory.ErrExists, "add image %s: it is in pool %s already",
			digest, p.config.Name)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	temporary := filepath.Join(p.config.base(), "images", unfinished+hex)
	err = p.fillImage(ctx, temporary, fill)
	if err == nil {
		err = p.publishImage(temporary, p.ImagePath(digest))
	}
	if err != nil {
		p.discard(temporary)
		p.sweepSoon()
		return p.fault().Fail(err, "add image %s", digest)
	}
	return nil
}

func (p *Pool) fillImage(ctx context.Context, temporary string, fill func(dir string) error) error {
	if err := p.destroy(temporary); err != nil {
		return err
	}
	folder, err := os.Open(filepath.Dir(temporary))
	if err != nil {
		return err
	}
	defer folder.Close()
	if err := createSubvolume(folder, filepath.Base(temporary), 0); err != nil {
		return err
	}
	// The agent's umask would make the container's / a folder only root may enter.
	if err := os.Chmod(temporary, 0o755); err != nil {
		return err
	}
	p.config.Crash("image.created")
	if err := fill(temporary); err != nil {
		return err
	}
	return ctx.Err()
}

// publishImage gives the image its name. All contents are on disk before: otherwise a power failure
// could leave an image whose files are empty.
func (p *Pool) publishImage(temporary, path string) error {
	f, err := openSubvolume(temporary)
	if err != nil {
		return err
	}
	defer f.Close()
	children, err := p.childrenOf(f)
	if err != nil {
		return err
	}
	if len(children) > 0 {
		return inventory.Errorf(inventory.ErrInvalid,
			"it holds %d btrfs subvolumes, which containers made from it would lack; use folders", len(children))
	}
	if err := setReadOnly(f); err != nil {
		return err
	}
	if err := unix.Syncfs(int(f.Fd())); err != nil {
		return fmt.Errorf("write it to disk: %w", err)
	}
	p.config.Crash("image.filled")
	if err := unix.Renameat2(unix.AT_FDCWD, temporary, unix.AT_FDCWD, path,
		unix.RENAME_NOREPLACE); err != nil {
		return err
	}
	p.config.Crash("image.renamed")
	return commit(p.root)
}

// HasImage tells whether the image is there.
func (p *Pool) HasImage(_ context.Context, digest string) (bool, error) {
	if _, err := storage.ImageHex(digest); err != nil {
		return false, err
	}
	there, err := exists(p.ImagePath(digest))
	if err != nil {
		return false, p.fault().Fail(err, "look for image %s", digest)
	}
	return there, nil
}

// DeleteImage removes an image.
func (p *Pool) DeleteImage(ctx context.Context, digest string) error {
	if _, err := storage.ImageHex(digest); err != nil {
		return err
	}
	defer p.locks.Take("image " + digest)()
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := p.destroy(p.ImagePath(digest)); err != nil {
		return p.fault().Fail(err, "delete image %s", digest)
	}
	p.sweepSoon()
	return nil
}
