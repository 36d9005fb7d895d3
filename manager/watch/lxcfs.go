// Package watch keeps an eye on what containers depend on beside the agent itself.
//
// lxcfs is a FUSE file system that shows a container its own limits in /proc. When it dies, every
// read of /proc/meminfo in every container fails with ENOTCONN until the files are bound anew
// (lxcfs issue 583). So a supervisor restarts it, where systemd doesn't, and binds its files into
// the running containers again.
package watch

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"lodge/inventory"
)

const (
	lxcfsPoll = 2 * time.Second
	// lxcfsStart is how long a fresh lxcfs may take to mount.
	lxcfsStart = 3 * time.Second
)

// Config is what a supervisor of lxcfs needs. All fields are required but the paths.
type Config struct {
	Point    string // where lxcfs is mounted; /var/lib/lxcfs when empty
	LockFile string // held while one of several agents starts lxcfs
	Starter  starter
	// Managed says that something else, like systemd, starts lxcfs.
	Managed bool
	Bind    binder
	// Running returns the containers that run now.
	Running func(ctx context.Context) ([]*inventory.Container, error)
	Log     *slog.Logger
}

// A starter starts a program that outlives the agent.
type starter interface {
	Start(ctx context.Context, name string, argv []string, stdio ...*os.File) (pid int, err error)
}

// A binder puts the files of a fresh lxcfs into a running container.
type binder interface {
	BindLXCFS(ctx context.Context, c *inventory.Container) error
}

// LXCFS supervises lxcfs.
type LXCFS struct {
	Config
	mounted uint64 // device number of the mount the containers have; 0 before the first look
	missing bool   // lxcfs is not installed: said once
}

// New returns a supervisor that has looked at nothing yet.
func New(cfg Config) *LXCFS {
	if cfg.Point == "" {
		cfg.Point = "/var/lib/lxcfs"
	}
	return &LXCFS{Config: cfg}
}

// Run supervises until ctx ends; lxcfs stays.
func (l *LXCFS) Run(ctx context.Context) {
	tick := time.NewTicker(lxcfsPoll)
	defer tick.Stop()
	for {
		if err := l.Check(ctx); err != nil {
			l.Log.Warn("containers may see the host's memory and CPUs", "error", err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// Check looks once: it starts lxcfs if it is not there or does not answer, and binds a new one into
// the running containers.
func (l *LXCFS) Check(ctx context.Context) error {
	device, err := l.device()
	if err != nil && !l.Managed {
		if err := l.start(ctx); err != nil {
			return err
		}
		device, err = l.device()
	}
	if err != nil {
		return err
	}
	if l.mounted != 0 && l.mounted != device {
		l.Log.Info("lxcfs is a new one; binding it into the running containers")
		l.bindAll(ctx)
	}
	l.mounted = device
	return nil
}

// device identifies the mount that answers now. A dead lxcfs fails with ENOTCONN.
func (l *LXCFS) device() (uint64, error) {
	var st, parent unix.Stat_t
	if err := unix.Stat(filepath.Join(l.Point, "proc", "uptime"), &st); err != nil {
		return 0, err
	}
	if err := unix.Stat(filepath.Dir(l.Point), &parent); err != nil {
		return 0, err
	}
	if st.Dev == parent.Dev {
		return 0, inventory.Errorf(inventory.ErrUnavailable, "lxcfs is not mounted on %s", l.Point)
	}
	return st.Dev, nil
}

func (l *LXCFS) start(ctx context.Context) error {
	program, err := exec.LookPath("lxcfs")
	if err != nil {
		if l.missing {
			return nil
		}
		l.missing = true
		return inventory.Errorf(inventory.ErrUnavailable,
			"lxcfs is not installed; install it to make free and uptime true in containers")
	}
	lock, err := os.OpenFile(l.LockFile, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	defer lock.Close()
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX); err != nil {
		return err
	}
	if _, err := l.device(); err == nil { // another agent was first
		return nil
	}
	for unix.Unmount(l.Point, unix.MNT_DETACH) == nil { // what a dead lxcfs left mounted
	}
	if err := os.MkdirAll(l.Point, 0o755); err != nil {
		return err
	}
	if _, err := l.Starter.Start(ctx, "lxcfs", []string{program, l.Point}); err != nil {
		return err
	}
	return l.await(ctx)
}

func (l *LXCFS) await(ctx context.Context) (err error) {
	ctx, cancel := context.WithTimeout(ctx, lxcfsStart)
	defer cancel()
	for {
		if _, err = l.device(); err == nil {
			return nil
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return errors.Join(inventory.Errorf(inventory.ErrUnavailable,
				"lxcfs was started and does not answer"), err)
		}
	}
}

func (l *LXCFS) bindAll(ctx context.Context) {
	running, err := l.Running(ctx)
	if err != nil {
		l.Log.Error("lxcfs can't be bound", "error", err)
		return
	}
	for _, c := range running {
		if err := l.Bind.BindLXCFS(ctx, c); err != nil {
			l.Log.Error("lxcfs can't be bound; free and uptime fail in it until it restarts",
				"name", c.Name, "error", err)
		}
	}
}
