package btrfs

import (
	"context"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"sync"

	"golang.org/x/sys/unix"

	"lodge/inventory"
	"lodge/manager/storage"
	"lodge/manager/storage/disk"
)

// A Pool is a storage.Pool on a btrfs. Only one process may have a pool open; the agent's lock on
// its folder takes care of that.
type Pool struct {
	config Config
	root   *os.File // the pool's top folder; every ioctl on the file system as a whole goes through it
	uuid   string   // of the file system, as in /sys/fs/btrfs
	quota  Quota    // what is in force; never QuotaAuto
	direct bool     // the loop device bypasses the host's page cache

	locks disk.Locks
	// building is held shared while a volume is made and exclusively while groups without a volume
	// are removed: a group exists before its volume does. Taken after locks.
	building sync.RWMutex

	stopSweep context.CancelFunc
	sweeps    chan struct{} // a deletion happened: there may be groups to remove
	done      sync.WaitGroup
}

var _ storage.Pool = (*Pool)(nil)

// Open makes the pool if there is none, attaches and mounts it if it isn't, repairs what a crash
// left half done and returns it. Calling it again, or on a pool that is in use by containers, is
// fine.
func Open(ctx context.Context, config Config) (*Pool, error) {
	if err := config.complete(); err != nil {
		return nil, err
	}
	p := &Pool{config: config, sweeps: make(chan struct{}, 1)}
	if config.Known {
		if err := p.known(); err != nil {
			return nil, err
		}
	}
	if config.Dir == "" {
		if err := p.openFile(ctx); err != nil {
			return nil, err
		}
	}
	if err := p.openFolder(ctx); err != nil {
		if p.root != nil {
			p.root.Close()
		}
		return nil, err
	}
	p.startSweeper()
	return p, nil
}

// Close ends the use of the pool by this process. It stays attached and mounted, as containers run
// from it. Closing it again does nothing.
func (p *Pool) Close() error {
	p.stopSweep()
	p.done.Wait()
	if err := p.root.Close(); !errors.Is(err, os.ErrClosed) {
		return err
	}
	return nil
}

// Detach closes the pool, unmounts it and lets go of its loop device. ErrBusy while anything runs
// from it; the pool is closed even then. A pool in Config.Dir is only closed.
func (p *Pool) Detach() error {
	if err := p.Close(); err != nil || p.config.Dir != "" {
		return err
	}
	err := unix.Unmount(p.config.base(), 0)
	if errors.Is(err, unix.EINVAL) { // not mounted any more
		return nil
	}
	if err != nil {
		return p.fault().Fail(err, "detach pool %s", p.config.Name)
	}
	return nil
}

func (p *Pool) openFile(ctx context.Context) error {
	pools := filepath.Join(p.config.Root, "pools")
	if err := os.MkdirAll(pools, 0o700); err != nil {
		return err
	}
	// Files with real setuid bits lie below: nobody else may reach them, whoever made the folder.
	if err := os.Chmod(pools, 0o700); err != nil {
		return err
	}
	if err := p.ensureFile(ctx); err != nil {
		return err
	}
	return p.mountPool()
}

// openFolder takes the folder in: checks that it is the pool's, makes what is missing, repairs.
func (p *Pool) openFolder(ctx context.Context) error {
	if err := p.openRoot(); err != nil {
		return err
	}
	if err := p.claim(); err != nil {
		return err
	}
	for _, kind := range []string{"images", "containers", "snapshots"} {
		if err := os.Mkdir(filepath.Join(p.config.base(), kind), 0o700); err != nil && !disk.IsThere(err) {
			return p.fault().Fail(err, "open pool %s", p.config.Name)
		}
	}
	if err := p.openQuota(); err != nil {
		return err
	}
	return p.repair(ctx)
}

func (p *Pool) openRoot() error {
	base := p.config.base()
	var st unix.Statfs_t
	if err := unix.Statfs(base, &st); err != nil {
		return p.fault().Fail(err, "open pool %s at %s", p.config.Name, base)
	}
	if st.Type != unix.BTRFS_SUPER_MAGIC {
		return inventory.Errorf(inventory.ErrState, "open pool %s: %s is on no btrfs", p.config.Name, base)
	}
	root, err := os.OpenFile(base, os.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return p.fault().Fail(err, "open pool %s", p.config.Name)
	}
	p.root = root
	info, err := fileSystem(root)
	if err != nil {
		return p.fault().Fail(err, "open pool %s", p.config.Name)
	}
	h := hex.EncodeToString(info.fsid[:])
	p.uuid = h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
	return nil
}
