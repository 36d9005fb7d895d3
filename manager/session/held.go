package session

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"lodge/inventory"
	"lodge/manager/gate"
	"lodge/manager/session/stream"
)

// held is a session whose holder lives, or whose outcome is being taken over.
type held struct {
	row    inventory.Session // fixed once kept
	entry  *gate.Entry       // nil for a session an earlier agent opened
	asked  asked
	cgroup string

	container *inventory.Container // nil for a session an earlier agent opened

	once sync.Once
	over chan struct{} // closed when the outcome is recorded; the holder may still serve the rest

	mu      sync.Mutex // guards what follows
	control net.Conn
	early   []net.Conn // attached while the holder was entering
	hung    string     // why it did not come out of that, "" if it did
}

// keep makes the session known and follows its holder.
func (s *Service) keep(h *held) {
	h.over = make(chan struct{})
	s.mu.Lock()
	s.live[h.row.ID] = h
	s.mu.Unlock()
	go s.follow(h)
}

func (s *Service) forget(id inventory.SessionID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.live, id)
}

func (s *Service) find(id inventory.SessionID) (*held, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	h, ok := s.live[id]
	return h, ok
}

// console returns the open console of a container.
func (s *Service) console(id inventory.ContainerID) (inventory.Session, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, h := range s.live {
		if h.row.Kind == inventory.SessionConsole && h.row.Container == id {
			return h.row, true
		}
	}
	return inventory.Session{}, false
}

// follow stays connected to the holder until that is gone, and takes over the outcome.
func (s *Service) follow(h *held) {
	defer s.forget(h.row.ID)
	defer h.finish()
	go s.watchEntering(h)
	for {
		conn, err := s.dial(h.row.ID, stream.Attach{Principal: h.row.Principal.Name, Control: true})
		if err != nil {
			break // nobody listens: the holder is gone
		}
		h.setControl(conn)
		if s.awaitExit(h, conn) && s.conclude(h) {
			h.finish()
			io.Copy(io.Discard, conn) // the holder still serves who comes for the rest
			conn.Close()
			s.clearFiles(h.row.ID) // one that was killed meanwhile could not
			return
		}
		conn.Close()
		time.Sleep(redialPause)
	}
	s.conclude(h)
	s.clearFiles(h.row.ID)
}

// redialPause keeps a holder that hangs up on us from costing more than it is worth.
const redialPause = 50 * time.Millisecond

// awaitExit reports whether the holder has said that the outcome is there, and puts on record what
// it tells before.
func (s *Service) awaitExit(h *held, conn net.Conn) bool {
	r := stream.NewReader(conn)
	for {
		f, err := r.Read()
		if err != nil {
			return false
		}
		switch f.Type {
		case stream.TypeExit:
			return true
		case stream.TypeRoot:
			s.recordRoot(h, f)
		}
	}
}

// finish lets those go on who wait for the outcome.
func (h *held) finish() { h.once.Do(func() { close(h.over) }) }

// tell sends a frame over the control connection.
func (h *held) tell(frame []byte) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.control == nil {
		return net.ErrClosed
	}
	h.control.SetWriteDeadline(time.Now().Add(5 * time.Second))
	_, err := h.control.Write(frame)
	return err
}

// conclude records how the session ended and reports whether it could. The outcome's file goes
// last: an agent that dies before begins again here, and at worst records the same outcome twice.
func (s *Service) conclude(h *held) bool {
	var o stream.Outcome
	row, words, detail := h.row, "holder lost", ending{}
	row.Result, row.EndedAt = "holder lost", s.Now().UTC()
	if err := readFile(s.path(h.row.ID, ".exit"), &o); err == nil {
		row.EndedAt, row.ExitCode = o.EndedAt, o.Exit.Code
		row.Result, words = result(o)
		detail = ending{Exit: &o.Exit, EndedBy: o.EndedBy, Why: o.Reason, Stdin: o.Stdin, Output: o.Output,
			Lost: o.Lost, Truncated: o.Truncated}
	} else {
		if why := h.whyHung(); why != "" {
			row.Result, row.ExitCode = "failed to run", inventory.ExitNotRun
			words = "failed to run: " + why
		}
		s.clearLost(h)
	}
	if err := s.record(h, words, detail, s.recorded(h.row.ID, o)); err != nil {
		s.Log.Error("outcome not recorded", "session", h.row.ID, "error", err)
		return false // the file stays for the next agent
	}
	if err := s.Store.SaveSession(context.Background(), row); err != nil {
		s.Log.Error("session's end not listed", "session", h.row.ID, "error", err)
		return false
	}
	os.Remove(s.path(h.row.ID, ".exit"))
	return true
}

// clearLost ends what a holder that was killed has left behind.
func (s *Service) clearLost(h *held) {
	var f stream.Facts
	if h.cgroup == "" && readFile(s.path(h.row.ID, ".json"), &f) == nil && f.Boot == s.boot {
		h.cgroup = f.Cgroup
	}
	if h.cgroup != "" {
		// Named after the session, so it can be no other's.
		os.WriteFile(filepath.Join(h.cgroup, "cgroup.kill"), []byte("1"), 0)
		unix.Rmdir(h.cgroup)
	}
	s.clearFiles(h.row.ID)
}

// clearFiles removes what says that a holder lives.
func (s *Service) clearFiles(id inventory.SessionID) {
	os.Remove(s.path(id, ".json"))
	os.Remove(s.path(id, ".sock"))
}

func (s *Service) path(id inventory.SessionID, suffix string) string {
	return filepath.Join(s.run, string(id)+suffix)
}

func readFile(path string, v any) error {
	raw, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return json.Unmarshal(raw, v)
}
