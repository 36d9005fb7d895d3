package lxc

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"lodge/inventory"
)

// A Starter runs a program outside the agent's session, unit and limits until it ends or ctx does.
type Starter interface {
	Run(ctx context.Context, name string, argv []string, stdout, stderr *os.File) error
}

// Config is what a Runtime needs.
type Config struct {
	Root    string // of the agent; the runtime writes below Root/run
	LXCPath string // Root/containers when empty
	Helper  string // absolute path of lodge-lxc; lodge-hook lies beside it
	// Reserved returns the folders of the host no device may show anything of now, beside the root and
	// the system's; nil: none.
	Reserved func() []string
	Starter  Starter
	Log      *slog.Logger
	Now      func() time.Time // time.Now when nil
}

// A Runtime acts on the containers of this host. It is safe for concurrent use; operations on one
// container are the gate's to order.
type Runtime struct {
	lxcpath string
	runDir  string
	helper  string
	hook    string
	starter Starter
	// reserved returns the folders of which no device may show anything.
	reserved func() []string
	log      *slog.Logger
	now      func() time.Time
	boot     string

	closing sync.Once
	watcher *watcher
	hooks   *hookListener
	exits   *exitQueue
	lxcfs   lxcfsFiles

	spoolMu sync.Mutex // one reader of the spool at a time, so that events are handled in order
	adopted bool       // guarded by spoolMu: Adopt was called, the spool may be emptied

	// mu guards all below and the fields of every run. It is never held over a system call that
	// may wait.
	mu     sync.Mutex
	runs   map[inventory.ContainerID]*run
	cpus   map[inventory.ContainerID][]int // CPUs given to containers that run or are to be started
	reason map[inventory.ContainerID]string
	// proxies are those that are tended, by container and device.
	proxies map[inventory.ContainerID]map[string]*tended
	over    chan struct{} // closed by Close
}

// New returns a runtime that watches nothing yet; call Adopt to find the containers that run. What
// it can't set up is logged, and Close releases what it could.
func New(config Config) *Runtime {
	r := &Runtime{
		hook:    filepath.Join(filepath.Dir(config.Helper), "lodge-hook"),
		lxcpath: config.LXCPath, runDir: filepath.Join(config.Root, "run"), helper: config.Helper,
		starter: config.Starter, log: config.Log, now: config.Now, boot: bootID(),
		exits:   newExitQueue(),
		runs:    map[inventory.ContainerID]*run{},
		cpus:    map[inventory.ContainerID][]int{},
		reason:  map[inventory.ContainerID]string{},
		proxies: map[inventory.ContainerID]map[string]*tended{}, over: make(chan struct{}),
	}
	r.reserved = func() []string {
		own := []string{config.Root, "/proc", "/sys", "/dev", "/run"}
		if config.Reserved != nil {
			own = append(own, config.Reserved()...)
		}
		return own
	}
	if r.lxcpath == "" {
		r.lxcpath = filepath.Join(config.Root, "containers")
	}
	if r.now == nil {
		r.now = time.Now
	}
	if r.log == nil {
		r.log = slog.New(slog.DiscardHandler)
	}
	r.setUp()
	return r
}

func (r *Runtime) setUp() {
	var err error
	for _, dir := range []string{r.lxcpath, filepath.Join(r.runDir, "containers"), r.hookDir()} {
		err = errors.Join(err, os.MkdirAll(dir, 0o700))
	}
	if err != nil {
		r.log.Error("the folders of the runtime can't be made", "err", err)
	}
	if r.watcher, err = newWatcher(); err != nil {
		r.log.Error("the deaths of containers can't be watched", "err", err)
	}
	if r.hooks, err = listenHooks(r.runDir, r.readHooks); err != nil {
		r.log.Error("the hooks of containers can't be heard", "err", err)
	}
}

// letPass lets others enter the root and the lxcpath, and list or read nothing there: liblxc gives
// up a start when the container's root, who is nobody on the host, can't enter the lxcpath
// (do_start in start.c). So all that lies in the two has to be closed by itself.
func (r *Runtime) letPass() {
	for _, dir := range []string{filepath.Dir(r.runDir), r.lxcpath} {
		info, err := os.Stat(dir)
		if err == nil && info.Mode().Perm()&0o001 == 0 {
			err = os.Chmod(dir, info.Mode().Perm()|0o001)
		}
		if err != nil {
			r.log.Error("the container's root can't be let in", "path", dir, "err", err)
		}
	}
}

// Close stops watching. Containers run on.
func (r *Runtime) Close() { r.closing.Do(r.close) }

func (r *Runtime) close() {
	close(r.over)
	if r.hooks != nil {
		r.hooks.close()
	}
	if r.watcher != nil {
		r.watcher.close()
	}
	r.exits.close()
}

// Exits tells of every init that died or rebooted, asked for or not, in order. A slow reader loses
// nothing. It is closed by Close.
func (r *Runtime) Exits() <-chan Exit { return r.exits.out }

// ConsoleLog is the file with what the container wrote to its console.
func (r *Runtime) ConsoleLog(c *inventory.Container) string {
	return filepath.Join(r.dir(c), "console.log")
}

func (r *Runtime) dir(c *inventory.Container) string     { return filepath.Join(r.lxcpath, c.LXCName()) }
func (r *Runtime) logFile(c *inventory.Container) string { return filepath.Join(r.dir(c), "lxc.log") }
func (r *Runtime) hookDir() string                       { return filepath.Join(r.runDir, "hooks") }
func (r *Runtime) seccompFile() string                   { return filepath.Join(r.runDir, "seccomp") }

// hookCommand is what liblxc hands to a shell, so nothing in it may mean anything to one.
func (r *Runtime) hookCommand(id inventory.ContainerID) (string, error) {
	command := strings.Join([]string{r.hook, r.runDir, string(id)}, " ")
	plain := "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._+@- "
	if strings.Trim(command, plain) != "" || strings.Count(command, " ") != 2 {
		return "", inventory.Errorf(inventory.ErrInvalid,
			"the paths %s and %s can't be used for hooks; they may hold only letters, digits and /._+@-", r.hook, r.runDir)
	}
	return command, nil
}
