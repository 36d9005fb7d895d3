package main

import (
	"bufio"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"lodge/inventory"
	"lodge/manager/recovery"
)

// strays compares the inventory with what lies on the host.
func (a *Agent) strays(ctx context.Context) ([]inventory.Stray, error) {
	// Operations first: one that ends while the rest is looked at is still left out.
	unfinished, err := a.store.Unfinished(ctx, a.host.ID)
	if err != nil {
		return nil, err
	}
	var scene recovery.Scene
	for _, op := range unfinished {
		scene.Busy = append(scene.Busy, string(op.Container))
	}
	if err := a.listPools(ctx, &scene); err != nil {
		return nil, err
	}
	if scene.Folders, err = folderNames(filepath.Join(a.Root, "containers")); err != nil {
		return nil, err
	}
	if scene.Mounts, err = mountedRoots(filepath.Join(a.Root, "roots")); err != nil {
		return nil, err
	}
	if scene.Containers, err = a.store.ContainersOnHost(ctx, a.host.ID); err != nil {
		return nil, err
	}
	for _, c := range scene.Containers {
		snapshots, err := a.store.Snapshots(ctx, c.ID)
		if err != nil {
			return nil, err
		}
		for _, s := range snapshots {
			scene.Recorded = append(scene.Recorded, string(c.ID)+"/"+s.Name)
		}
	}
	answers, err := a.conflictStrays(ctx)
	if err != nil { // it is no reason to keep the rest back
		a.log.Warn("who answers for addresses is not known", "error", err)
	}
	return append(recovery.Strays(scene), answers...), nil
}

// listPools notes what lies on the pools that work.
func (a *Agent) listPools(ctx context.Context, scene *recovery.Scene) error {
	all, err := a.store.Pools(ctx)
	if err != nil {
		return err
	}
	volumes, err := a.store.Volumes(ctx, "")
	if err != nil {
		return err
	}
	isVolume := func(id string) bool {
		return slices.ContainsFunc(volumes, func(v inventory.Volume) bool { return string(v.ID) == id })
	}
	scene.Roots = map[string][]string{}
	for _, row := range all {
		listing, err := a.pools.Pool(row.Name).List(ctx)
		if err != nil && a.pools.Lost(row.Name) != nil {
			continue
		}
		if err != nil {
			return err
		}
		scene.Roots[row.Name] = slices.DeleteFunc(listing.Volumes, isVolume)
		for _, s := range listing.Snapshots {
			scene.Snapshots = append(scene.Snapshots, s.Volume+"/"+s.Name)
		}
	}
	return nil
}

func folderNames(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var names []string
	for _, e := range entries {
		if e.IsDir() {
			names = append(names, e.Name())
		}
	}
	return names, err
}

// mountedRoots are the folders below dir that have something mounted on them (proc_pid_mountinfo(5)).
func mountedRoots(dir string) ([]string, error) {
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var ids []string
	for lines := bufio.NewScanner(f); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) < 5 {
			continue
		}
		if rest, ok := strings.CutPrefix(fields[4], dir+"/"); ok {
			id, _, _ := strings.Cut(rest, "/")
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids), nil
}
