package apitest

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"path"
	"slices"
	"strings"
	"time"

	"lodge/inventory"
	"lodge/manager/gate"
	"lodge/web/api"
	"lodge/web/wire"
)

// A session echoes what it is sent, and ends when its stream does not: by End.
type session struct{ inventory.Session }

type sessions struct{ *World }

func (w sessions) Open(ctx context.Context, r gate.Request) (inventory.Session, error) {
	e, err := w.Enter(ctx, r)
	if err != nil {
		return inventory.Session{}, err
	}
	args, err := decode[inventory.SessionArgs](&r)
	if err != nil {
		return inventory.Session{}, err
	}
	s := inventory.Session{ID: inventory.SessionID(inventory.NewID(time.Now())),
		Container: e.Container.ID, Name: e.Container.Name,
		Kind: inventory.SessionKind(strings.TrimPrefix(r.Verb,
			"container.")), Project: e.Container.Project, Principal: e.Principal,
		TTY: args.TTY, StartedAt: start}
	if len(args.Command) > 0 {
		s.Command = args.Command[0]
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sessions = append(w.sessions, &session{s})
	return s, nil
}

// Attach returns a connection whose other end sends back what it gets, until it gets "bye".
func (w sessions) Attach(ctx context.Context, id inventory.SessionID, readOnly bool) (net.Conn, error) {
	ours, theirs := net.Pipe()
	go func() {
		defer theirs.Close()
		buf := make([]byte, 1<<16)
		for {
			n, err := theirs.Read(buf)
			if err != nil || bytes.HasPrefix(buf[:n], []byte("bye")) {
				return
			}
			if _, err := theirs.Write(buf[:n]); err != nil {
				return
			}
		}
	}()
	return ours, nil
}

func (w sessions) List(ctx context.Context, q inventory.SessionQuery) ([]inventory.Session, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var all []inventory.Session
	for _, s := range slices.Backward(w.sessions) {
		if (q.ID == "" || q.ID == s.ID) && (!q.Live || s.EndedAt.IsZero()) && (q.Container == "" || q.Container == s.Container) {
			all = append(all, s.Session)
		}
	}
	return all, nil
}

// Recording is a word.
func (w sessions) Recording(context.Context, inventory.SessionID) (io.ReadCloser, error) {
	return io.NopCloser(strings.NewReader("recorded")), nil
}

func (w sessions) End(ctx context.Context, id inventory.SessionID) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, s := range w.sessions {
		if s.ID == id {
			s.EndedAt, s.Result, s.ExitCode = start, "signal", 137
		}
	}
	return nil
}

type file struct {
	info    inventory.FileInfo
	content []byte
}

// at returns the key of a file and its parameters.
func (w *World) at(ctx context.Context, r gate.Request) (key string, args inventory.FileArgs, err error) {
	e, err := w.Enter(ctx, r)
	if err != nil {
		return "", args, err
	}
	args, err = decode[inventory.FileArgs](&r)
	return string(e.Container.ID) + path.Clean(args.Path), args, err
}

// ReadFile returns a file.
func (w *World) ReadFile(ctx context.Context, r gate.Request) (inventory.FileInfo, io.ReadCloser, error) {
	key, args, err := w.at(ctx, r)
	if err != nil {
		return inventory.FileInfo{}, nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	f, ok := w.files[key]
	if !ok {
		return inventory.FileInfo{}, nil, inventory.Errorf(inventory.ErrNotFound,
			"there is no file %s", args.Path)
	}
	return f.info, io.NopCloser(bytes.NewReader(f.content)), nil
}

// WriteFile keeps a file, or a folder.
func (w *World) WriteFile(ctx context.Context, r gate.Request, content io.Reader) error {
	key, args, err := w.at(ctx, r)
	if err != nil {
		return err
	}
	raw, err := io.ReadAll(content)
	if err != nil {
		return err
	}
	info := inventory.FileInfo{Name: path.Base(args.Path), Type: "file", Mode: args.Mode,
		Size: int64(len(raw)), ModTime: start}
	if args.Directory {
		info.Type = "directory"
	}
	if args.UID != nil {
		info.UID = *args.UID
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.files[key] = file{info, raw}
	return nil
}

// ListFiles returns what lies directly below a folder.
func (w *World) ListFiles(ctx context.Context, r gate.Request) ([]inventory.FileInfo, error) {
	key, _, err := w.at(ctx, r)
	if err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	var all []inventory.FileInfo
	for name, f := range w.files {
		if path.Dir(name) == strings.TrimSuffix(key, "/") {
			all = append(all, f.info)
		}
	}
	slices.SortFunc(all, func(a, b inventory.FileInfo) int { return strings.Compare(a.Name, b.Name) })
	return all, nil
}

// DeleteFile forgets a file.
func (w *World) DeleteFile(ctx context.Context, r gate.Request) error {
	key, _, err := w.at(ctx, r)
	if err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.files, key)
	return nil
}

// ConsoleLog returns a line, after a question to the terminal and one that sets its clipboard.
func (w *World) ConsoleLog(ctx context.Context, c *inventory.Container) (io.ReadCloser, error) {
	return io.NopCloser(strings.NewReader("\x1b[6n\x1b]52;c;cm0K\a" + c.Name + " login: ")), nil
}

type journal struct{ *World }

func (w journal) Records(ctx context.Context, q api.RecordQuery) ([]wire.AuditRecord, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var all []wire.AuditRecord
	for _, r := range slices.Backward(w.records) {
		if q.Matches(r.Seq, &r.Record) {
			all = append(all, r)
		}
	}
	return first(all, q.Limit), nil
}

func (w journal) RecordsAfter(ctx context.Context, after int64, limit int) ([]wire.AuditRecord, error) {
	if err := w.until(ctx, func() bool { return int64(len(w.records)) > after }); err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return first(slices.Clone(w.records[after:]), limit), nil
}

func (w journal) Verify(ctx context.Context) (wire.AuditReport, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return wire.AuditReport{Verdict: "clean", Entries: int64(len(w.records)), Detail: []string{}}, nil
}

func (w journal) Export(context.Context, time.Time, time.Time) (func(io.Writer) error, error) {
	return func(out io.Writer) error { return tar.NewWriter(out).Close() }, nil
}

func (w journal) Prove(_ context.Context, seq int64) ([]byte, error) {
	return fmt.Appendf(nil, "c2sp.org/tlog-proof@v1\nindex %d\n", seq-1), nil
}

func (w journal) Checkpoint(context.Context) ([]byte, error) {
	return []byte("lodge.audit/test\n"), nil
}

func (w journal) Anchors(context.Context) ([]wire.AuditAnchor, error) {
	return []wire.AuditAnchor{{Sink: "syslog", Target: "tls://logs.example:6514", State: "ok"}}, nil
}

func (w journal) Key() wire.AuditKey {
	return wire.AuditKey{Fingerprint: "SHA256:dGVzdA", PublicKey: "ssh-ed25519 dGVzdA=="}
}
