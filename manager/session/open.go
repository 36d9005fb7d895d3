package session

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"lodge/inventory"
	"lodge/manager/gate"
	"lodge/manager/session/stream"
)

const (
	graceSeconds    = 300     // a client may take so long to come back for the rest
	detachedSpool   = 1 << 30 // bytes a command may write while nobody is attached
	terminalRecord  = 64 << 20
	maxTerminalSide = 4096 // columns or rows
)

// Open passes the gate and starts the session; the verb of the request decides of which kind. It
// returns once the holder runs, while that is still entering the container: what comes of it, a
// command that can't be found for one, arrives as the session's exit. A console that is open
// already is returned as it is: a container has one, and everybody shares it.
func (s *Service) Open(ctx context.Context, r gate.Request) (inventory.Session, error) {
	kind := inventory.SessionKind(strings.TrimPrefix(r.Verb, "container."))
	var args inventory.SessionArgs
	if err := r.Decode(&args); err != nil {
		return inventory.Session{}, err
	}
	if err := check(kind, &args); err != nil {
		return inventory.Session{}, err
	}
	if p, ok := inventory.PrincipalFrom(ctx); ok && args.Own {
		args.User = p.Name
	}
	asked := s.redact(kind, args)
	r.Args, _ = json.Marshal(asked)
	entry, err := s.Gate.Enter(ctx, r)
	if err != nil {
		return inventory.Session{}, err
	}
	if kind == inventory.SessionConsole {
		if open, ok := s.console(entry.Container.ID); ok {
			return open, entry.Leave("joined", map[string]inventory.SessionID{"joined": open.ID})
		}
	}
	row := inventory.Session{ID: entry.Session(), Kind: kind,
		Container: entry.Container.ID, Name: entry.Container.Name, Project: entry.Container.Project,
		Principal: entry.Principal, Command: asked.Argv0, TTY: args.TTY, StartedAt: s.Now().UTC()}
	h := &held{row: row, entry: entry, asked: asked, container: entry.Container}
	init, err := s.bind(entry.Container)
	if err != nil {
		return row, s.neverBegan(h, err)
	}
	if err := s.ensureAccount(ctx, entry, args); err != nil {
		return row, s.neverBegan(h, err)
	}
	spec := s.spec(row, entry.Container, args)
	spec.Init = init
	if err := s.govern(ctx, h, args, &spec); err != nil {
		return row, s.neverBegan(h, err)
	}
	if err := s.begin(ctx, h, spec); err != nil {
		return row, s.neverBegan(h, err)
	}
	return h.row, nil
}

// ensureAccount gives who comes in as themselves their own account. Who names an account means the one
// that is there, though it be called like them.
func (s *Service) ensureAccount(ctx context.Context, e *gate.Entry, a inventory.SessionArgs) error {
	if s.Accounts == nil || a.User != e.Principal.Name {
		return nil
	}
	err := s.Accounts.Ensure(ctx, e.Principal, e.Container, e.Session())
	if !a.Own && errors.Is(err, inventory.ErrExists) {
		return nil
	}
	return err
}

func check(kind inventory.SessionKind, a *inventory.SessionArgs) error {
	if a.Own && a.User != "" {
		return inventory.Errorf(inventory.ErrInvalid, "a session is as one's own account, or as user %s, not both", a.User)
	}
	switch kind {
	case inventory.SessionExec:
		if len(a.Command) == 0 || a.Command[0] == "" {
			return inventory.Errorf(inventory.ErrInvalid, "exec needs a command: lodge exec NAME -- COMMAND")
		}
		if a.Script && len(a.Command) > 1 {
			return inventory.Errorf(inventory.ErrInvalid, "a script is one line, and here are %d", len(a.Command))
		}
	case inventory.SessionShell, inventory.SessionConsole:
		if len(a.Command) > 0 || a.Script {
			return inventory.Errorf(inventory.ErrInvalid, "%s takes no command; use exec", kind)
		}
	case inventory.SessionSFTP:
		if len(a.Command) > 0 || a.TTY {
			return inventory.Errorf(inventory.ErrInvalid, "sftp takes no command and no terminal")
		}
		a.Command = slices.Clone(sftpServer)
	default:
		return inventory.Errorf(inventory.ErrInvalid, "there is no session of the kind %q", kind)
	}
	a.TTY = a.TTY || kind == inventory.SessionConsole
	if a.Columns < 0 || a.Rows < 0 || a.Columns > maxTerminalSide || a.Rows > maxTerminalSide {
		return inventory.Errorf(inventory.ErrInvalid, "a terminal of %d by %d is not possible", a.Columns, a.Rows)
	}
	if a.Modes != nil && strings.Trim(*a.Modes, "0123456789=,") != "" {
		return inventory.Errorf(inventory.ErrInvalid, "the modes of a terminal are NUMBER=VALUE,... of RFC 4254")
	}
	for name := range a.Env {
		if name == "" || strings.ContainsAny(name, "=\x00") {
			return inventory.Errorf(inventory.ErrInvalid, "%q can't name an environment variable", name)
		}
	}
	return nil
}

func (s *Service) spec(row inventory.Session, c *inventory.Container, a inventory.SessionArgs) stream.Spec {
	raw, _ := json.Marshal(row) // strings and times can't fail
	spec := stream.Spec{LXCPath: s.LXCPath, LXCName: c.LXCName(), Kind: string(row.Kind), Command: a.Command,
		User: a.User, Dir: a.Dir, Term: a.Term, TTY: a.TTY, Stdin: a.Stdin, Script: a.Script, Modes: a.Modes,
		Columns: a.Columns, Rows: a.Rows, IDBase: c.IDBase, Tail: stream.SpecTail{ID: string(row.ID), Session: raw,
			Directory: s.run, Boot: s.boot, Grace: graceSeconds, Spool: detachedSpool, Columns: a.Columns, Rows: a.Rows,
			Attached: a.Attached, LogFile: filepath.Join(s.LXCPath, c.LXCName(), "lxc.log")}}
	for _, name := range slices.Sorted(maps.Keys(a.Env)) {
		spec.Env = append(spec.Env, name+"="+a.Env[name])
	}
	if spec.Term == "" && spec.Modes == nil {
		spec.Term = "xterm-256color" // what nobody said can do what all of today's can
	}
	return spec
}

// sftpServer runs the container's own server, as the user: the files are theirs to name.
var sftpServer = []string{"/bin/sh", "-c", `for s in /usr/lib/openssh /usr/lib/ssh /usr/libexec/openssh /usr/libexec; do
	[ -x "$s/sftp-server" ] && exec "$s/sftp-server"
done
echo "the container has no sftp-server; install openssh-sftp-server, or use scp -O" >&2
exit 127`}

// begin starts the holder. The socket listens before it runs, so a client can attach at once.
func (s *Service) begin(ctx context.Context, h *held, spec stream.Spec) error {
	raw, err := spec.Encode()
	if err != nil {
		return inventory.Errorf(inventory.ErrInvalid, "%v", err)
	}
	request, err := memory(raw)
	if err != nil {
		return err
	}
	defer request.Close()
	listener, err := s.listen(h.row.ID)
	if err != nil {
		return err
	}
	defer listener.Close()
	errors, err := os.OpenFile(filepath.Join(s.run, "holders.log"), os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	defer errors.Close()
	name := "session-" + string(h.row.ID)
	h.row.HolderPID, err = s.Starter.Start(ctx, name, []string{s.Helper, "session", string(h.row.ID)}, request, listener, errors)
	if err != nil {
		return err
	}
	// Before follow can save its end. The holder is entering the container meanwhile.
	if err := s.Store.SaveSession(context.WithoutCancel(ctx), h.row); err != nil {
		s.Log.Error("session not listed", "session", h.row.ID, "error", err)
	}
	s.keep(h)
	return nil
}

// neverBegan records that nothing ran.
func (s *Service) neverBegan(h *held, cause error) error {
	os.Remove(s.path(h.row.ID, ".sock"))
	os.Remove(s.recordingPath(h.row.ID))
	if err := h.entry.Leave("failed: "+cause.Error(), nil); err != nil {
		s.Log.Error("outcome not recorded", "session", h.row.ID, "error", err)
	}
	return fmt.Errorf("%s %s: %w", h.row.Kind, h.row.Name, cause)
}

// memory returns an open file that lies in memory alone: what the holder reads may be secret.
func memory(content []byte) (*os.File, error) {
	fd, err := unix.MemfdCreate("lodge-session", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), "request")
	if _, err := f.WriteAt(content, 0); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}
