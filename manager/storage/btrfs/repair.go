package btrfs

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"lodge/manager/storage"
)

// repair removes what a crash left: everything whose name says that it is unfinished, snapshot
// folders without a snapshot and groups without a volume. See the table in the package comment for
// why removing is always right.
func (p *Pool) repair(ctx context.Context) error {
	for _, kind := range []string{"images", "containers"} {
		entries, err := os.ReadDir(filepath.Join(p.config.base(), kind))
		if err != nil {
			return p.fault().Fail(err, "repair pool %s", p.config.Name)
		}
		for _, e := range entries {
			if err := ctx.Err(); err != nil {
				return err
			}
			if strings.HasPrefix(e.Name(), unfinished) {
				p.config.Log.Info("removing what a crash left", "pool", p.config.Name, "kind", kind,
					"name", e.Name())
				p.discard(filepath.Join(p.config.base(), kind, e.Name()))
			}
		}
	}
	p.removeEmptyFolders()
	p.sweep()
	return nil
}

func (p *Pool) removeEmptyFolders() {
	entries, _ := os.ReadDir(filepath.Join(p.config.base(), "snapshots"))
	for _, e := range entries {
		p.removeEmpty(filepath.Join(p.config.base(), "snapshots", e.Name()))
	}
}

// sweepAfter is how long the flush that frees room waits: what is done right after a deletion or a
// restore, a start most likely, would have to wait for its writes, and more deletions may follow.
const sweepAfter = time.Second

// sweepSoon has the room of what was deleted freed and the groups removed, in the background. Until
// it is freed it counts: after a restore, the old tree still takes a part of the volume's size.
func (p *Pool) sweepSoon() {
	select {
	case p.sweeps <- struct{}{}:
	default: // one is due
	}
}

func (p *Pool) startSweeper() {
	ctx, cancel := context.WithCancel(context.Background())
	p.stopSweep = cancel
	p.done.Go(func() {
		for {
			select {
			case <-ctx.Done():
				return
			case <-p.sweeps:
			}
			select {
			case <-ctx.Done():
				return
			case <-time.After(sweepAfter):
				p.sweepUntilClean(ctx)
			}
		}
	})
}

// sweepUntilClean tries for about two minutes: the kernel takes its time for large trees, and groups
// whose data a clone holds stay until that goes, to be removed by a later sweep.
func (p *Pool) sweepUntilClean(ctx context.Context) {
	if err := flushAndClean(p.root); err != nil {
		p.config.Log.Warn("can't flush the pool", "pool", p.config.Name, "error", err)
	}
	for pause := time.Second; pause <= time.Minute; pause *= 2 {
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
		// What the cleaner dropped is uncharged by the commit after that.
		_ = commit(p.root)
		if p.quota == QuotaGroups {
			p.recount()
		}
		if p.sweep() == 0 {
			return
		}
	}
}

// sweep removes the groups of subvolumes that are gone, which kernels before 6.11 keep for ever, and
// those of volumes that are gone. It returns how many have to wait for the kernel's cleaner. On a
// file system that isn't the pool's own, groups of others look the same: it does nothing there.
func (p *Pool) sweep() (waiting int) {
	if p.quota == QuotaOff || p.config.Dir != "" {
		return 0
	}
	p.building.Lock()
	defer p.building.Unlock()
	groups, err := p.groups()
	if err != nil {
		p.config.Log.Warn("can't read the pool's quota groups", "pool", p.config.Name, "error", err)
		return 0
	}
	keep, err := p.groupsInUse()
	if err != nil {
		p.config.Log.Warn("can't list the pool's subvolumes", "pool", p.config.Name, "error", err)
		return 0
	}
	// In the order of their numbers: subvolumes first, so that the groups above them get empty.
	for _, group := range groups {
		if keep[group] || !p.isSpent(group) {
			continue
		}
		if err := changeGroup(p.root, group, false); errors.Is(err, unix.EBUSY) {
			waiting++
		}
	}
	return waiting
}

// isSpent reports whether nothing is charged to a group. Under simple quotas a deleted subvolume's
// extents stay charged to it while a snapshot or clone holds them.
func (p *Pool) isSpent(group uint64) bool {
	used, err := p.referenced(group)
	return err == nil && (used == 0 || group>>levelShift > 0)
}

func (p *Pool) groups() ([]uint64, error) {
	items, err := search(p.root, keyRange{tree: quotaTree, kind: keyGroupInfo, maxOffset: ^uint64(0)})
	groups := make([]uint64, len(items))
	for i, item := range items {
		groups[i] = item.offset
	}
	return groups, err
}

// groupsInUse are those of all subvolumes and volumes. A subvolume the cleaner still works on counts.
func (p *Pool) groupsInUse() (map[uint64]bool, error) {
	keep := map[uint64]bool{}
	roots, err := search(p.root, keyRange{
		tree: rootTree, kind: keyRootItem, maxObject: ^uint64(0), maxOffset: ^uint64(0),
	})
	if err != nil {
		return nil, err
	}
	for _, root := range roots {
		keep[root.object] = true
	}
	volumes, err := p.folderNames("containers")
	for _, id := range volumes {
		if id = strings.TrimPrefix(id, unfinished); storage.CheckVolume(id) == nil {
			keep[volumeGroup(id)] = true
		}
	}
	return keep, err
}
