package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"lodge/inventory"
)

// recoverPools makes pools known again that lie below the root and have no row, opens all, and says
// how they are. A pool elsewhere that has no row is named by the containers on it.
func (a *Agent) recoverPools(ctx context.Context, out io.Writer) error {
	rows, err := a.store.Pools(ctx)
	if err != nil {
		return err
	}
	for _, p := range a.poolsBelow() {
		if slices.ContainsFunc(rows, func(r inventory.Pool) bool { return r.Name == p.Name }) {
			continue
		}
		if err := a.store.AddPool(ctx, p); err != nil {
			return err
		}
		fmt.Fprintf(out, "pool %s: no copy tells of it, but it is there\n", p.Name)
	}
	if err := a.openPools(ctx); err != nil {
		return err
	}
	return a.tellPools(ctx, out)
}

// tellPools says which pools work, and which containers and volumes lie on none that is known.
func (a *Agent) tellPools(ctx context.Context, out io.Writer) error {
	rows, err := a.store.Pools(ctx)
	if err != nil {
		return err
	}
	known := map[string]bool{}
	for _, p := range rows {
		known[p.Name] = true
		state := "ready"
		if why := a.pools.Lost(p.Name); why != nil {
			state = "NOT BACK: " + why.Error()
		}
		fmt.Fprintf(out, "pool %s (%s): %s\n", p.Name, p.Driver, state)
	}
	on := map[string][]string{}
	containers, err := a.store.ContainersOnHost(ctx, a.host.ID)
	if err != nil {
		return err
	}
	for _, c := range containers {
		on[c.Pool] = append(on[c.Pool], c.Ref().String())
	}
	volumes, err := a.store.Volumes(ctx, "")
	for _, v := range volumes {
		on[v.Pool] = append(on[v.Pool], "volume "+v.Ref().String())
	}
	for name, users := range on {
		if !known[name] {
			fmt.Fprintf(out, "pool %s: NOT BACK: nothing tells where it is; 'lodge pool create %s --source FOLDER' takes it in: %s\n",
				name, name, strings.Join(users, ", "))
		}
	}
	return err
}

// poolsBelow are the pools in the root's own folder, the one named default first: the first of all
// becomes the default one.
func (a *Agent) poolsBelow() (found []inventory.Pool) {
	add := func(name, driver string) {
		if inventory.CheckName("the pool", name) == nil {
			found = append(found, inventory.Pool{Name: name, HostID: a.host.ID, Driver: driver, CreatedAt: a.now().UTC()})
		}
	}
	folder := filepath.Join(a.Root, "pools")
	images, _ := filepath.Glob(filepath.Join(folder, "*.img")) // the pattern is well formed
	for _, path := range images {
		add(strings.TrimSuffix(filepath.Base(path), ".img"), "btrfs")
	}
	markers, _ := filepath.Glob(filepath.Join(folder, "*", "pool.json"))
	for _, path := range markers {
		var m struct{ Driver string }
		raw, err := os.ReadFile(path)
		if err == nil && json.Unmarshal(raw, &m) == nil && m.Driver == "dir" {
			add(filepath.Base(filepath.Dir(path)), m.Driver)
		}
	}
	slices.SortStableFunc(found, func(a, b inventory.Pool) int {
		if a.Name == inventory.DefaultPool {
			return -1
		}
		if b.Name == inventory.DefaultPool {
			return 1
		}
		return 0
	})
	return found
}
