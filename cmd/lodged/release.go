package main

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"lodge/manager/systemd"
	"lodge/network"
)

// releaseMain gives back what the agent holds of the host while it does not run: the name server,
// the mounted pools. With --forget the bridge, the rules and the claims go too: nothing of the root
// is used on this host any more.
func releaseMain(args []string) int {
	forget := slices.Contains(args, "--forget")
	args = slices.DeleteFunc(args, func(a string) bool { return a == "--forget" })
	return withConfig(args, func(ctx context.Context, cfg Config, log *slog.Logger) error {
		if _, err := os.Stat(cfg.Root); errors.Is(err, fs.ErrNotExist) {
			return nil // no agent has ever run there
		}
		lock, err := lockRoot(cfg.Root)
		if err != nil {
			return err
		}
		defer lock.Close()
		claims, err := network.LoadClaims(cfg.Root)
		if err == nil && claims.Bridge != "" {
			if err := releaseNetwork(ctx, cfg, claims, forget, log); err != nil {
				return err
			}
		}
		releaseRoots(cfg.Root)
		return releasePools(ctx, cfg, log)
	})
}

// releaseRoots takes away the roots of containers that ended after the agent did: they keep the
// pool in use, and what removes the root would go through them.
func releaseRoots(root string) {
	mounts, _ := filepath.Glob(filepath.Join(root, "roots", "*", "root"))
	for _, m := range mounts {
		for unix.Unmount(m, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW) == nil {
		}
		os.Remove(m)
		os.Remove(filepath.Dir(m))
	}
}

func releaseNetwork(ctx context.Context, cfg Config, claims network.Claims, forget bool,
	log *slog.Logger) error {
	s := network.New(network.Config{Root: cfg.Root, RoleID: claims.RoleID, Resolver: &systemd.Resolver{},
		Log: log, Now: time.Now})
	if err := s.Stop(ctx); err != nil {
		return err
	}
	if !forget {
		return nil
	}
	for _, n := range claims.Networks() {
		if err := s.Remove(ctx, n); err != nil {
			return err
		}
	}
	return network.Release(ctx, network.ClaimConfig{Root: cfg.Root, Dir: cfg.Claims})
}
