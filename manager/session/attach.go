package session

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"lodge/inventory"
	"lodge/manager/session/stream"
)

// Attach connects to a session's holder: frames of package stream both ways, to be spliced without
// being read. A read-only connection watches. The holder admits one writer; the same principal
// takes a session over from a connection of theirs, another is refused with a frame that says who
// writes.
//
// It may be called for a session that has ended as long as its holder waits for somebody to fetch
// the rest. Whether the caller may attach to another's session is for the door to ask the gate
// (session.attach); only who it is goes to the holder from here.
func (s *Service) Attach(ctx context.Context, id inventory.SessionID, readOnly bool) (net.Conn, error) {
	p, ok := inventory.PrincipalFrom(ctx)
	if !ok {
		return nil, inventory.Errorf(inventory.ErrDenied, "session %s: nobody said who is calling", id)
	}
	h, ok := s.find(id)
	if !ok {
		return nil, s.notLive(ctx, id)
	}
	conn, err := s.dial(id, stream.Attach{Principal: p.Name, ReadOnly: readOnly})
	if err != nil {
		return nil, s.notLive(ctx, id)
	}
	return s.noteEarly(h, conn), nil
}

// End kills the session's processes and returns when its outcome is recorded. Ending one that has
// ended is ErrState.
func (s *Service) End(ctx context.Context, id inventory.SessionID) error {
	p, ok := inventory.PrincipalFrom(ctx)
	if !ok {
		return inventory.Errorf(inventory.ErrDenied, "session %s: nobody said who is calling", id)
	}
	h, ok := s.find(id)
	if !ok {
		return s.notLive(ctx, id)
	}
	return s.end(ctx, h, stream.Kill{By: p.Name})
}

// EndAll ends the live sessions that match, at once, and returns how many: when a principal loses
// their rights, say. by and reason go into the outcome.
func (s *Service) EndAll(ctx context.Context, by, reason string, match func(inventory.Session) bool) (int, error) {
	s.mu.Lock()
	var chosen []*held
	for _, h := range s.live {
		if match(h.row) {
			chosen = append(chosen, h)
		}
	}
	s.mu.Unlock()
	results := make(chan error, len(chosen))
	for _, h := range chosen {
		go func() { results <- s.end(ctx, h, stream.Kill{By: by, Reason: reason}) }()
	}
	var failed error
	for range chosen {
		failed = errors.Join(failed, <-results)
	}
	return len(chosen), failed
}

func (s *Service) end(ctx context.Context, h *held, k stream.Kill) error {
	frame, err := stream.AppendJSON(nil, stream.TypeKill, k)
	if err != nil {
		return err
	}
	for {
		// A holder that is still entering its container has not accepted the control connection.
		// The frame waits in it.
		if h.tell(frame) == nil {
			break
		}
		select {
		case <-h.over:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(10 * time.Millisecond):
		}
	}
	select {
	case <-h.over:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("session %s is being ended: %w", h.row.ID, ctx.Err())
	}
}

// notLive says why a session can't be reached.
func (s *Service) notLive(ctx context.Context, id inventory.SessionID) error {
	rows, err := s.Store.Sessions(ctx, inventory.SessionQuery{ID: id, Limit: 1})
	if err != nil {
		return err
	}
	if len(rows) == 0 {
		return inventory.Errorf(inventory.ErrNotFound, "there is no session %s", id)
	}
	return inventory.Errorf(inventory.ErrState, "session %s has ended", id)
}

// dial connects to a holder and says who is on the connection. Addresses of sockets have 108 bytes
// (unix(7)): the folder's descriptor keeps ours short wherever the root is.
func (s *Service) dial(id inventory.SessionID, a stream.Attach) (net.Conn, error) {
	dir, err := os.OpenFile(s.run, unix.O_PATH|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	conn, err := net.Dial("unix", s.address(dir, id))
	if err != nil {
		return nil, err
	}
	frame, err := stream.AppendJSON(nil, stream.TypeAttach, a)
	if err == nil {
		_, err = conn.Write(frame)
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	return conn, nil
}

// listen returns the socket on which the holder will accept.
func (s *Service) listen(id inventory.SessionID) (*os.File, error) {
	dir, err := os.OpenFile(s.run, unix.O_PATH|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	l, err := net.ListenUnix("unix", &net.UnixAddr{Net: "unix", Name: s.address(dir, id)})
	if err != nil {
		return nil, err
	}
	l.SetUnlinkOnClose(false)
	defer l.Close()
	if err := os.Chmod(s.path(id, ".sock"), 0o600); err != nil {
		return nil, err
	}
	return l.File()
}

func (s *Service) address(dir *os.File, id inventory.SessionID) string {
	return fmt.Sprintf("/proc/self/fd/%d/%s.sock", dir.Fd(), id)
}
