package dir

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"lodge/inventory"
	"lodge/manager/storage"
	"lodge/manager/storage/disk"
	"lodge/manager/storage/tree"
)

// A Pool is a storage.Pool in a folder. Only one process may have a pool open; the agent's lock on its
// folder takes care of that.
type Pool struct {
	config Config
	copier tree.Copier
	bounds bool // loop devices and mkfs.ext4 are there, so sizes can be enforced
	locks  disk.Locks

	mu   sync.Mutex // guards rate
	rate float64    // bytes a second that the last copies made
}

var _ storage.Pool = (*Pool)(nil)

// marker is the file that says that a folder is a pool, and of which layout.
const marker = "pool.json"

type markerContent struct {
	Format int    `json:"format"`
	Driver string `json:"driver"`
	Pool   string `json:"pool"`
}

// Open makes the pool if there is none, repairs what a crash left half done, mounts what has to be
// mounted and returns it. Calling it again, or on a pool that is in use by containers, is fine.
func Open(ctx context.Context, config Config) (*Pool, error) {
	if err := config.complete(); err != nil {
		return nil, err
	}
	p := &Pool{config: config, rate: 200e6}
	_, err := disk.FindProgram("mkfs.ext4", "e2fsprogs")
	_, loopErr := os.Stat("/dev/loop-control")
	p.bounds = err == nil && loopErr == nil
	for _, step := range []func(context.Context) error{p.claim, p.folders, p.probe, p.showReadOnly, p.repair, p.mountAll} {
		if err := step(ctx); err != nil {
			return nil, p.fault().Fail(err, "open pool %s", config.Name)
		}
	}
	return p, nil
}

// claim checks that the folder is this pool's. An empty folder becomes this pool's; anything else
// without the marker is somebody else's data and is left alone.
func (p *Pool) claim(context.Context) error {
	base := p.config.base()
	content, err := os.ReadFile(p.in(marker))
	if disk.IsMissing(err) && p.config.Known {
		return inventory.Errorf(inventory.ErrUnavailable, "%s isn't there; mount what the pool lies on", p.in(marker))
	}
	if disk.IsMissing(err) {
		return p.claimEmpty()
	}
	var m markerContent
	if err == nil {
		err = json.Unmarshal(content, &m)
	}
	if err != nil {
		return err
	}
	if m.Pool != p.config.Name || m.Driver != "dir" || m.Format != 1 {
		return inventory.Errorf(inventory.ErrState, "%s is pool %q of driver %q and format %d", base, m.Pool, m.Driver, m.Format)
	}
	return nil
}

func (p *Pool) claimEmpty() error {
	base := p.config.base()
	if p.config.Dir == "" {
		pools := filepath.Dir(base)
		if err := os.MkdirAll(pools, 0o700); err != nil {
			return err
		}
		if err := os.Chmod(pools, 0o700); err != nil {
			return err
		}
		if err := os.Mkdir(base, 0o700); err != nil && !disk.IsThere(err) {
			return err
		}
	} else if err := checkAncestors(base); err != nil {
		return err
	}
	entries, err := os.ReadDir(base)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.Name() != marker+".new" && e.Name() != "lost+found" {
			return inventory.Errorf(inventory.ErrState,
				"%s isn't empty and isn't a pool (it holds %q); give the pool a folder of its own", base, e.Name())
		}
	}
	// Files with real setuid bits will lie below: nobody else may reach them.
	if err := errors.Join(os.Chown(base, 0, 0), os.Chmod(base, 0o700)); err != nil {
		return err
	}
	content, err := json.Marshal(markerContent{Format: 1, Driver: "dir", Pool: p.config.Name})
	if err != nil {
		return err
	}
	return disk.WriteDurable(p.in(marker), content)
}

func (p *Pool) folders(context.Context) error {
	if err := os.Chmod(p.config.base(), 0o700); err != nil {
		return err
	}
	for _, name := range []string{"containers", "kept", "kept/images", "kept/snapshots", "templates", "view", "frozen"} {
		if err := os.Mkdir(p.in(name), 0o700); err != nil && !disk.IsThere(err) {
			return err
		}
	}
	return nil
}

// probe finds out whether files can share extents here.
func (p *Pool) probe(context.Context) error {
	var open [2]*os.File
	for i := range open {
		name := p.in("templates", unfinished+"probe"+string(rune('a'+i)))
		f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
		if err != nil {
			return err
		}
		defer f.Close()
		defer os.Remove(name)
		open[i] = f
	}
	if _, err := open[0].Write(make([]byte, block)); err != nil && !errors.Is(err, unix.ENOSPC) {
		return err
	}
	p.copier.Plain.Store(unix.IoctlFileClone(int(open[1].Fd()), int(open[0].Fd())) != nil)
	return nil
}

// showReadOnly mounts kept/ on view/, so that nobody writes to images and snapshots by mistake.
func (p *Pool) showReadOnly(context.Context) error {
	view := p.in("view")
	source, err := disk.MountedAt(view)
	if err != nil || source != "" {
		return err
	}
	if err := unix.Mount(p.in("kept"), view, "", unix.MS_BIND, ""); err != nil {
		return err
	}
	if err := unix.Mount("", view, "", unix.MS_PRIVATE, ""); err != nil {
		return err
	}
	return unix.Mount("", view, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY|unix.MS_NOSUID|unix.MS_NODEV, "")
}

// repair removes what a crash left: everything whose name says that it is unfinished. See the table
// in the package comment for why removing is always right.
func (p *Pool) repair(ctx context.Context) error {
	for _, pattern := range []string{"containers", "kept/images", "kept/snapshots/*", "templates"} {
		left, err := filepath.Glob(p.in(pattern, unfinished+"*"))
		if err != nil {
			return err
		}
		for _, path := range left {
			if err := ctx.Err(); err != nil {
				return err
			}
			p.config.Log.Info("removing what a crash left", "pool", p.config.Name, "path", path)
			if err := p.discard(path); err != nil {
				p.config.Log.Warn("can't remove what a crash left", "path", path, "error", err)
			}
		}
	}
	empty, _ := filepath.Glob(p.in("kept/snapshots/*"))
	for _, folder := range empty {
		_ = unix.Rmdir(folder)
	}
	return nil
}

// discard removes something unfinished: a folder that may have a file system mounted in it, or on it.
func (p *Pool) discard(path string) error {
	unmountAll(path)
	return remove(path)
}

// mountAll mounts every file system that isn't, and thaws what a copy has left frozen. One that can't
// be mounted is no reason to do without the others: Ready says why.
func (p *Pool) mountAll(ctx context.Context) error {
	list, err := p.list()
	if err != nil {
		return err
	}
	slots := make(chan struct{}, 4)
	var group sync.WaitGroup
	each := func(folder, on string, readOnly bool) {
		slots <- struct{}{}
		group.Go(func() {
			defer func() { <-slots }()
			if err := p.mountOne(folder, on, readOnly); err != nil {
				p.config.Log.Error("a file system can't be mounted", "pool", p.config.Name, "path", folder, "error", err)
			}
		})
	}
	for _, id := range list.Volumes {
		each(p.place(id), p.Path(id), false)
	}
	for _, s := range list.Snapshots {
		each(p.snapshotPlace(s.Volume, s.Name), p.SnapshotPath(s.Volume, s.Name), true)
	}
	group.Wait()
	return ctx.Err()
}

func (p *Pool) mountOne(folder, on string, readOnly bool) error {
	m, err := readMeta(folder)
	if err != nil || !m.Bounded {
		return err
	}
	source, err := disk.MountedAt(on)
	if err != nil {
		return err
	}
	if source != "" {
		if err := thaw(on); err != nil && !errors.Is(err, unix.EINVAL) {
			return err
		}
		return nil
	}
	return mountFile(filepath.Join(folder, imageName), on, readOnly)
}

// ThawLeft lets containers go on that a copy has frozen and that nobody thawed, because the agent died
// in it. It is called once the runtime knows the containers.
func (p *Pool) ThawLeft(ctx context.Context) error {
	left, err := os.ReadDir(p.in("frozen"))
	if err != nil {
		return p.fault().Fail(err, "thaw what pool %s froze", p.config.Name)
	}
	var failed error
	for _, e := range left {
		err := p.config.Freezer.Thaw(ctx, e.Name())
		if err == nil {
			err = os.Remove(p.in("frozen", e.Name()))
		}
		failed = errors.Join(failed, err)
	}
	return failed
}

// Check reports, cheaply, why the pool can't work now.
func (p *Pool) Check(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if _, err := os.Stat(p.in(marker)); disk.IsMissing(err) {
		return inventory.Errorf(inventory.ErrUnavailable,
			"pool %s is not at %s any more; mount what it lies on", p.config.Name, p.config.base())
	} else if err != nil {
		return p.fault().Fail(err, "use pool %s", p.config.Name)
	}
	// A small write says what a read from memory can't: that the disk is there and takes it.
	f, err := os.OpenFile(p.in("frozen", unfinished+"check"), os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		return p.fault().Fail(err, "use pool %s", p.config.Name)
	}
	defer os.Remove(f.Name())
	return f.Close()
}

// Close ends the use of the pool by this process. Its file systems stay mounted, as containers run
// from them.
func (p *Pool) Close() error { return nil }

// Detach unmounts everything of the pool. What is in use stays until its users go: ErrBusy then.
func (p *Pool) Detach() error {
	list, err := p.list()
	if err != nil {
		unmountBelow(p.config.base(), unix.MNT_DETACH) // what it was on is gone
		return nil
	}
	for _, id := range list.Volumes {
		if err := unix.Unmount(p.Path(id), unix.UMOUNT_NOFOLLOW); errors.Is(err, unix.EBUSY) {
			return p.fault().Fail(err, "detach pool %s", p.config.Name)
		}
	}
	unmountBelow(p.config.base(), 0)
	return nil
}

// unmountBelow unmounts everything below a folder, the last mounted first.
func unmountBelow(base string, flags int) {
	table, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return
	}
	var points []string
	for line := range strings.Lines(string(table)) {
		if f := strings.Fields(line); len(f) > 4 && strings.HasPrefix(f[4], base+"/") {
			points = append(points, f[4])
		}
	}
	for i := len(points) - 1; i >= 0; i-- {
		_ = unix.Unmount(points[i], flags|unix.UMOUNT_NOFOLLOW)
	}
}

// Destroy removes everything in the pool for good. ErrBusy while anything runs from it.
func (p *Pool) Destroy(ctx context.Context) error {
	if err := p.Detach(); err != nil {
		return err
	}
	for _, name := range []string{"view", "containers", "kept", "templates", "frozen", marker} {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := os.RemoveAll(p.in(name)); err != nil {
			return p.fault().Fail(err, "remove pool %s", p.config.Name)
		}
	}
	if p.config.Dir == "" {
		return os.Remove(p.config.base())
	}
	return nil
}
