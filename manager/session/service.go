package session

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"lodge/inventory"
	"lodge/manager/gate"
)

// Config is what a service is made of. All fields are required but Gate, which Use sets where the
// gate is built from the service's verbs.
type Config struct {
	Root    string // the agent's root
	LXCPath string // where liblxc finds containers
	Helper  string // path of lodge-lxc
	Starter starter
	Gate    gatekeeper
	Journal journal
	Store   Store
	// Observer tells a running container from a stopped one, whose files are reached in another way.
	Observer observer
	// Key makes the hash of command lines in the audit journal one that can't be guessed at.
	Key []byte
	// Rootfs returns where a container's root file system lies on the host.
	Rootfs func(c *inventory.Container) string
	// Settings are those of projects and the host; nil has the defaults hold.
	Settings layers
	// Accounts are people's own; nil: who comes in as themselves enters what account there is.
	Accounts accounts
	Log      *slog.Logger
	Now      func() time.Time
}

// A starter starts a program outside the agent; stdio are its standard input, output and error.
type starter interface {
	Start(ctx context.Context, name string, argv []string, stdio ...*os.File) (pid int, err error)
}

// A gatekeeper lets a session in and writes its audit intent before it does.
type gatekeeper interface {
	Enter(ctx context.Context, r gate.Request) (*gate.Entry, error)
}

// An observer measures a container; it never blocks.
type observer interface {
	Observe(c *inventory.Container) inventory.Observed
}

// accounts give people their own account in a container.
type accounts interface {
	// Ensure is ErrExists where there is one of that name that Lodge did not make.
	Ensure(ctx context.Context, p inventory.Principal, c *inventory.Container, by inventory.SessionID) error
}

// A journal makes a record durable before Append returns.
type journal interface {
	Append(ctx context.Context, r inventory.Record) (seq int64, err error)
}

// A Service opens, keeps and ends sessions. Safe for concurrent use.
type Service struct {
	Config
	run  string // ROOT/run/sessions
	cast string // ROOT/sessions, where recordings are
	boot string

	room roomMeter

	enterLimit time.Duration
	rootEvery  time.Duration

	mu   sync.Mutex // guards live; never held while calling out
	live map[inventory.SessionID]*held
}

// New returns a service and makes its folders. It touches no session: see Adopt.
func New(cfg Config) (*Service, error) {
	s := &Service{Config: cfg, run: filepath.Join(cfg.Root, "run", "sessions"),
		cast: filepath.Join(cfg.Root, "sessions"), enterLimit: enterTimeout,
		rootEvery: rootEvery, live: map[inventory.SessionID]*held{}}
	for _, dir := range []string{s.run, s.cast} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, err
		}
	}
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	s.boot = strings.TrimSpace(string(boot))
	return s, err
}

// Use sets the gate. It has to be called before the first Open.
func (s *Service) Use(g gatekeeper) { s.Gate = g }

// Verbs returns the service's rows of the verb table. A frozen container lets nobody in: its
// processes could not run, and entering it hangs until it is thawed.
func (s *Service) Verbs() []gate.Verb {
	running := []inventory.State{inventory.StateRunning}
	settled := []inventory.State{inventory.StateRunning, inventory.StateFrozen, inventory.StateStopped}
	enter := func(name, command string, right inventory.Right) gate.Verb {
		return gate.Verb{Name: name, Right: right, Mode: gate.ModeSession, From: running,
			Risk: inventory.RiskMedium, Command: command}
	}
	file := func(name, command string, risk inventory.Risk) gate.Verb {
		return gate.Verb{Name: name, Right: inventory.RightFile, Mode: gate.ModeSession, From: settled,
			Risk: risk, Command: command}
	}
	return []gate.Verb{
		enter("container.exec", "exec", inventory.RightSession),
		enter("container.shell", "shell", inventory.RightSession),
		enter("container.console", "console", inventory.RightConsole),
		{Name: "container.sftp", Right: inventory.RightFile, Mode: gate.ModeSession, From: running,
			Risk: inventory.RiskMedium, Command: "ssh"},
		enter("container.forward", "ssh", inventory.RightForward),
		enter("container.socket", "ssh", inventory.RightSocket),
		enter("container.agent", "ssh", inventory.RightAgent),
		{Name: "container.console-log", Right: inventory.RightBootLog, Mode: gate.ModeRead,
			Risk: inventory.RiskLow, Command: "console --log"},
		{Name: "session.attach", Right: inventory.RightSession, Mode: gate.ModeSession,
			Risk: inventory.RiskMedium, Command: "session attach"},
		{Name: "session.end", Right: inventory.RightManage, Mode: gate.ModeSession,
			Risk: inventory.RiskMedium, Command: "session end", Interrupts: "the session's processes are killed"},
		// An auditor may look at what was done where nobody may go any more.
		{Name: "session.watch", Right: inventory.RightRecording, Mode: gate.ModeSession,
			Risk: inventory.RiskLow, Command: "session watch"},
		{Name: "session.recording", Right: inventory.RightRecording, Mode: gate.ModeSession,
			Risk: inventory.RiskLow, Command: "session replay", Subject: recordingSubject},
		file("container.file.read", "file pull", inventory.RiskLow),
		file("container.file.list", "file list", inventory.RiskLow),
		file("container.file.write", "file push", inventory.RiskMedium),
		file("container.file.delete", "file delete", inventory.RiskMedium),
	}
}

// recordingSubject is the container, or where that is gone, the recordings.
func recordingSubject(r *gate.Request) (subject, name string, err error) {
	if r.Container == nil {
		return "recordings", "", nil
	}
	return "container:" + string(r.Container.ID), r.Container.Name, nil
}

// List returns the sessions q chooses, the latest begun first. What a caller may see of them is
// for the door to ask the gate.
func (s *Service) List(ctx context.Context, q inventory.SessionQuery) ([]inventory.Session, error) {
	return s.Store.Sessions(ctx, q)
}

// ConsoleLog returns what the container wrote to its console, from the oldest byte that is kept: the
// monitor moves a full console.log to console.log.1 (lxc.console.rotate).
func (s *Service) ConsoleLog(_ context.Context, c *inventory.Container) (io.ReadCloser, error) {
	path := filepath.Join(s.LXCPath, c.LXCName(), "console.log")
	f, err := os.Open(path)
	if os.IsNotExist(err) {
		return nil, inventory.Errorf(inventory.ErrNotFound, "%s has written nothing to its console yet", c.Ref())
	}
	if err != nil {
		return nil, err
	}
	old, err := os.Open(path + ".1")
	if os.IsNotExist(err) {
		return f, nil
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return logFiles{io.MultiReader(old, f), old, f}, nil
}

// logFiles are a log and what was moved away from it before.
type logFiles struct {
	io.Reader
	old, now *os.File
}

// Close closes both.
func (l logFiles) Close() error { return errors.Join(l.old.Close(), l.now.Close()) }

// isRunning reports whether the container has an init now.
func (s *Service) isRunning(c *inventory.Container) bool {
	return s.Observer.Observe(c).InitPID > 0
}
