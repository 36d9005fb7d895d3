package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"lodge/inventory"
)

// cloneHolds is how much data the container has that is cloned, in files of a MiB.
const cloneHolds = 10 * inventory.GiB

// pools measures containers on pools of other kinds than the first: made on dir pools beside cp and tar
// of the same tree, and cloned on btrfs with much data.
func (b *bench) pools(ctx context.Context) error {
	disk, away, err := b.sparseBtrfs(ctx)
	if err != nil {
		return err
	}
	defer away()
	plain := filepath.Join(b.agent.home, "plain")
	for _, p := range []struct {
		figure string
		inventory.PoolArgs
		measure func(ctx context.Context, pool, source string) error
	}{
		{"create-reflink", inventory.PoolArgs{Name: "shares", Driver: "dir", Source: filepath.Join(disk, "dir")}, b.createsReflink},
		{"create-copy", inventory.PoolArgs{Name: "copies", Driver: "dir", Source: plain}, b.createsCopy},
		{"clone-10g", inventory.PoolArgs{Name: "wide", Driver: "btrfs", Source: filepath.Join(disk, "btrfs")}, b.clonesLarge},
	} {
		if !b.wanted(p.figure) {
			continue
		}
		if err := os.Mkdir(p.Source, 0o700); err != nil {
			return err
		}
		if err := settle(b.agent.client.CreatePool(ctx, p.PoolArgs, wait)); err != nil {
			return err
		}
		if err := p.measure(ctx, p.Name, p.Source); err != nil {
			return err
		}
		if err := settle(b.agent.client.DeletePool(ctx, p.Name, wait)); err != nil {
			return err
		}
	}
	return nil
}

// sparseBtrfs mounts a btrfs whose file takes only the room of what is written to it.
func (b *bench) sparseBtrfs(ctx context.Context) (folder string, away func(), err error) {
	folder = filepath.Join(b.agent.home, "disk")
	if err := os.Mkdir(folder, 0o700); err != nil {
		return "", nil, err
	}
	image := folder + ".img"
	for _, argv := range [][]string{{"truncate", "-s", "16G", image}, {"mkfs.btrfs", "-q", image},
		{"mount", "-o", "loop", image, folder}} {
		if err := command(ctx, os.Environ(), argv...); err != nil {
			return "", nil, err
		}
	}
	return folder, func() { _ = unix.Unmount(folder, unix.MNT_DETACH) }, nil
}

func (b *bench) createsReflink(ctx context.Context, pool, source string) error {
	return b.creates(ctx, "create-reflink", pool, source, `cp -a --reflink=always "$1" "$2" && sync -f "$2"`)
}

func (b *bench) createsCopy(ctx context.Context, pool, source string) error {
	return b.creates(ctx, "create-copy", pool, source,
		`mkdir "$2" && tar -C "$1" --xattrs --xattrs-include='*' -cf - . | tar -C "$2" --xattrs --xattrs-include='*' -xpf - && sync -f "$2"`)
}

// creates measures create without a size on a dir pool beside a script that copies the image's tree there.
func (b *bench) creates(ctx context.Context, figure, pool, source, script string) error {
	image, err := b.agent.client.Image(ctx, imageName)
	if err != nil {
		return err
	}
	tree := filepath.Join(source, "kept", "images", strings.TrimPrefix(image.Digest, "sha256:"))
	for round := range b.rounds + 1 {
		for c := range columns {
			name := b.name()
			copied := filepath.Join(source, name)
			do := func() error {
				args := inventory.CreateArgs{Image: imageName, Name: name, Purpose: "a measurement", Pool: pool}
				return settle(b.agent.client.Create(ctx, args, false, wait))
			}
			switch c {
			case inCommand:
				do = func() error {
					return commandWay{b}.lodge(ctx, "create", imageName, name, "--purpose", "a measurement", "--pool", pool)
				}
			case inRaw:
				do = func() error { return command(ctx, os.Environ(), "sh", "-c", script, "sh", tree, copied) }
			}
			if err := command(ctx, os.Environ(), "sync", "-f", source); err != nil {
				return err
			}
			d, err := timed(do)
			if err == nil && c == inRaw {
				err = os.RemoveAll(copied)
			} else if err == nil {
				err = settle(b.agent.client.Purge(ctx, refOf(name), wait))
			}
			if err != nil {
				return err
			}
			b.results.add(figure, c, round, d)
		}
	}
	return nil
}

// clonesLarge measures the clone of a container with much data. Its extents are allocated and not written:
// a clone looks at neither.
func (b *bench) clonesLarge(ctx context.Context, pool, source string) error {
	from := b.name()
	args := inventory.CreateArgs{Image: imageName, Name: from, Purpose: "a measurement", Pool: pool,
		Settings: map[string]string{"disk": "12GiB"}}
	if err := settle(b.agent.client.Create(ctx, args, false, wait)); err != nil {
		return err
	}
	c, err := b.agent.client.Container(ctx, refOf(from))
	if err != nil {
		return err
	}
	if err := allocate(filepath.Join(source, "containers", string(c.ID), "data")); err != nil {
		return err
	}
	for round := range b.rounds + 1 {
		for c, w := range []way{b.viaAgent(), commandWay{b}} {
			to := b.name()
			if err := command(ctx, os.Environ(), "sync", "-f", source); err != nil {
				return err
			}
			d, err := timed(func() error { return w.clone(ctx, from, to) })
			if err == nil {
				err = w.purge(ctx, to)
			}
			if err != nil {
				return err
			}
			b.results.add("clone-10g", column(c), round, d)
		}
	}
	return b.viaAgent().purge(ctx, from)
}

// allocate fills a new folder with cloneHolds.
func allocate(folder string) error {
	if err := os.Mkdir(folder, 0o755); err != nil {
		return err
	}
	for i := range int(cloneHolds / inventory.MiB) {
		f, err := os.Create(filepath.Join(folder, fmt.Sprint(i)))
		if err != nil {
			return err
		}
		err = unix.Fallocate(int(f.Fd()), 0, 0, int64(inventory.MiB))
		f.Close()
		if err != nil {
			return fmt.Errorf("allocate: %w", err)
		}
	}
	return exec.Command("sync", "-f", folder).Run()
}
