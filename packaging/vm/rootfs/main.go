// Command rootfs builds a recipe's root file system on this host, exactly as `lodge image build` does, and packs
// it into a tar that `lodge image import` takes. test-vm uses it, because building under emulation is slow.
//
//	rootfs LODGED RECIPE TAR
package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"

	"lodge/manager/image/recipe"
)

// idBase is a range of user ids nobody else has while this runs: one above those Lodge gives away.
const idBase = 0x70000000

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if len(os.Args) != 4 {
		fmt.Fprintln(os.Stderr, "usage: rootfs LODGED RECIPE TAR")
		os.Exit(2)
	}
	if err := build(ctx, os.Args[1], os.Args[2], os.Args[3]); err != nil {
		fmt.Fprintln(os.Stderr, "rootfs:", err)
		os.Exit(1)
	}
}

// build leaves the tar only when it is whole.
func build(ctx context.Context, lodged, name, to string) error {
	rec, err := recipe.Find(name)
	if err != nil {
		return err
	}
	archives, err := rec.Archives("", recipe.HostSources("/etc/apt"))
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp(filepath.Dir(to), "rootfs.")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	b := recipe.Build{Recipe: rec, Archives: archives, Options: recipe.HostOptions(ctx), Dir: dir,
		Exe:    lodged,
		IDBase: idBase, Line: func(string) {}}
	if _, err := b.Run(ctx); err != nil {
		return err
	}
	tar := exec.CommandContext(ctx, "tar", "-C", b.Root(), "--numeric-owner", "--xattrs",
		"--xattrs-include=*",
		"--sort=name", "-cf", to+".new", ".")
	tar.Stderr = os.Stderr
	if err := tar.Run(); err != nil {
		return fmt.Errorf("tar: %w", err)
	}
	return os.Rename(to+".new", to)
}
