package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"lodge/inventory"
)

// imageName is the image everything is measured with: systemd as init, and sshd.
const imageName = "debian/12"

// addImage gives the agent the image: from the cache when an earlier run has filled it.
func (b *bench) addImage(ctx context.Context) error {
	archive := filepath.Join(b.cache, "debian-12.tar")
	f, err := os.Open(archive)
	if err == nil {
		defer f.Close()
		fmt.Fprintln(os.Stderr, "importing the image of an earlier run")
		return settle(b.agent.client.ImportImage(ctx,
			inventory.ImportArgs{Alias: imageName, Source: archive}, f, wait))
	}
	if !errors.Is(err, os.ErrNotExist) {
		return err
	}
	fmt.Fprintln(os.Stderr, "building the image")
	answer, err := b.agent.client.BuildImage(ctx, inventory.BuildArgs{Recipe: imageName}, wait)
	if err != nil {
		return err
	}
	op, err := b.agent.client.Wait(ctx, answer.Operation.ID)
	if err != nil {
		return err
	}
	if err := op.Err(); err != nil {
		return err
	}
	return b.cacheImage(archive)
}

func (b *bench) cacheImage(archive string) error {
	tree, err := b.imageTree()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(b.cache, 0o755); err != nil {
		return err
	}
	tar := exec.Command("tar", "--numeric-owner", "--xattrs", "--xattrs-include=*", "-C", tree,
		"-cf", archive+".new", ".")
	if out, err := tar.CombinedOutput(); err != nil {
		return fmt.Errorf("tar: %w: %s", err, out)
	}
	return os.Rename(archive+".new", archive)
}

// imageTree is the image's subvolume on the pool.
func (b *bench) imageTree() (string, error) {
	image, err := b.agent.client.Image(context.Background(), imageName)
	if err != nil {
		return "", err
	}
	return filepath.Join(b.agent.pool(), "images", strings.TrimPrefix(image.Digest, "sha256:")), nil
}
