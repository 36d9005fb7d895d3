package btrfs

import (
	"context"
	"fmt"
	"path/filepath"

	"golang.org/x/sys/unix"

	"lodge/inventory"
	"lodge/manager/storage"
)

// Usage is what the volume holds beyond what it was made from.
func (p *Pool) Usage(ctx context.Context, id string) (inventory.Bytes, error) {
	if err := storage.CheckVolume(id); err != nil {
		return 0, err
	}
	_, _, used, err := p.measure(ctx, "measure", id)
	return used, err
}

// measure returns the group of a volume, its bound and what is in use.
func (p *Pool) measure(ctx context.Context, action, id string) (group uint64, b bound,
	used inventory.Bytes, err error) {
	if err := ctx.Err(); err != nil {
		return 0, b, 0, err
	}
	there, err := exists(p.Path(id))
	if err == nil && !there {
		return 0, b, 0, p.fault().Missing(action, id, "")
	}
	if err == nil {
		group, err = p.counted(id)
	}
	if err == nil && group == 0 {
		return 0, b, 0, inventory.Errorf(inventory.ErrUnavailable,
			"%s volume %s: pool %s doesn't count it, as quotas are off or were when it was made", action, id, p.config.Name)
	}
	if err == nil {
		b, err = p.bound(group)
	}
	if err == nil {
		used, err = p.referenced(group)
	}
	if err != nil {
		return 0, b, 0, p.fault().Fail(err, "%s volume %s", action, id)
	}
	return group, b, max(used-b.base, 0), nil
}

// Bounded reports whether the pool holds volumes to their sizes.
func (p *Pool) Bounded(string) bool { return p.quota != QuotaOff }

// Free measures the pool's room. df would mislead: it shows room for data while there is none left
// for the trees, and then nothing can be created any more.
func (p *Pool) Free(ctx context.Context) (storage.Room, error) {
	if err := ctx.Err(); err != nil {
		return storage.Room{}, err
	}
	f, err := p.fill()
	if err != nil {
		return storage.Room{}, p.fault().Fail(err, "measure pool %s", p.config.Name)
	}
	room := storage.Room{
		Total:            f.total,
		Free:             f.dataFree + f.unallocated,
		MetadataTotal:    f.metadataTotal,
		MetadataFree:     f.metadataFree,
		Unallocated:      f.unallocated,
		DeviceErrors:     f.deviceErrors,
		Enforced:         p.quota != QuotaOff,
		SnapshotsCounted: p.quota == QuotaSimple,
	}
	var lacking inventory.Bytes
	if p.config.Dir == "" {
		if room.HostFree, lacking, err = p.host(); err != nil {
			return storage.Room{}, p.fault().Fail(err, "measure the host of pool %s", p.config.Name)
		}
	}
	room.Warnings = p.warnings(room, f, lacking)
	return room, nil
}

// filling is how full the chunks of the file system are. Chunks are what btrfs takes from its
// devices for data or for metadata; what no chunk took is unallocated and can become either.
type filling struct {
	total, unallocated          inventory.Bytes
	dataFree                    inventory.Bytes
	metadataTotal, metadataFree inventory.Bytes
	deviceErrors                uint64
}

func (p *Pool) fill() (filling, error) {
	var f filling
	info, err := fileSystem(p.root)
	if err != nil {
		return f, err
	}
	for id := uint64(1); id <= info.maxID; id++ {
		d, err := device(p.root, id)
		if err == unix.ENODEV { // numbers have gaps
			continue
		}
		if err != nil {
			return f, err
		}
		f.total += inventory.Bytes(d.total)
		f.unallocated += inventory.Bytes(d.total - d.used)
		n, _ := deviceErrors(p.root, id)
		f.deviceErrors += n
	}
	chunks, err := spaces(p.root)
	f.add(chunks)
	return f, err
}

func (f *filling) add(chunks []chunkSpace) {
	copies := inventory.Bytes(1)
	for _, c := range chunks {
		free := inventory.Bytes(c.total - c.used)
		switch {
		case c.flags&spaceReserve != 0:
			// The kernel's own reserve is a part of the metadata that nobody else may fill.
			f.metadataFree -= free
		case c.flags&spaceMetadata != 0 && c.flags&spaceData != 0: // mixed, on very small devices
			f.metadataTotal += inventory.Bytes(c.total)
			f.metadataFree += free
			f.dataFree += free
		case c.flags&spaceMetadata != 0:
			f.metadataTotal += inventory.Bytes(c.total)
			f.metadataFree += free
		case c.flags&spaceData != 0:
			f.dataFree += free
			if c.flags&spaceCopies != 0 {
				copies = 2
			}
		}
	}
	f.metadataFree = max(f.metadataFree, 0)
	f.unallocated /= copies
}

// host measures the file system below the pool's file, and how much of the file has no room there.
func (p *Pool) host() (free, lacking inventory.Bytes, err error) {
	var fs unix.Statfs_t
	if err := unix.Statfs(filepath.Dir(p.config.file()), &fs); err != nil {
		return 0, 0, err
	}
	var st unix.Stat_t
	if err := unix.Stat(p.config.file(), &st); err != nil {
		return 0, 0, err
	}
	free = inventory.Bytes(fs.Bavail) * inventory.Bytes(fs.Bsize)
	return free, max(inventory.Bytes(st.Size)-512*inventory.Bytes(st.Blocks), 0), nil
}

// Thresholds of warnings.
const (
	lowHost     = inventory.GiB
	lowMetadata = 128 * inventory.MiB
)

func (p *Pool) warnings(room storage.Room, f filling, lacking inventory.Bytes) []string {
	var w []string
	warn := func(when bool, format string, args ...any) {
		if when {
			w = append(w, fmt.Sprintf("pool "+p.config.Name+" "+format, args...))
		}
	}
	warn(p.isReadOnly(), "is read-only after an error; the kernel's log says why")
	warn(f.deviceErrors > 0,
		"has %d errors on its device; check the disk and 'btrfs device stats %s'", f.deviceErrors, p.config.base())
	warn(lacking > room.HostFree,
		"isn't fully allocated: it may still need %v of the host, which has %v; make room there", lacking, room.HostFree)
	warn(lacking <= room.HostFree && p.config.Dir == "" && room.HostFree < lowHost,
		"lies on a host file system with only %v free", room.HostFree)
	warn(f.unallocated < inventory.GiB && room.MetadataFree < min(lowMetadata, room.MetadataTotal/4),
		"has only %v left for its own bookkeeping; creating and snapshotting fail first: delete snapshots or grow it", room.MetadataFree)
	warn(room.Free < room.Total/10, "has only %v of %v free", room.Free, room.Total)
	warn(p.quota == QuotaGroups && p.recount(),
		"counts usage anew; until it is done, sizes aren't enforced")
	warn(!room.Enforced, "doesn't enforce sizes: quotas are off on its file system")
	warn(p.config.Dir == "" && !p.direct, "is cached twice: the host's file system can't do direct I/O")
	return w
}

// isReadOnly reports whether btrfs stopped writing, which it does on any doubt about its trees.
func (p *Pool) isReadOnly() bool {
	var st unix.Statfs_t
	return unix.Fstatfs(int(p.root.Fd()), &st) == nil && st.Flags&unix.ST_RDONLY != 0
}
