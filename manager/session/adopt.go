package session

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"lodge/inventory"
	"lodge/manager/session/stream"
)

// Adopt finds what an earlier agent has left: holders that live are followed again, and of sessions
// that ended meanwhile the outcome is recorded. It has to run before the first Open.
func (s *Service) Adopt(ctx context.Context) error {
	rows, err := s.remembered(ctx)
	if err != nil {
		return err
	}
	for _, h := range rows {
		if s.lives(h) {
			s.Log.Info("session adopted", "session", h.row.ID, "container", h.row.Name)
			s.keep(h)
			continue
		}
		s.Log.Info("session ended while no agent ran", "session", h.row.ID, "container", h.row.Name)
		s.conclude(h)
		s.clearFiles(h.row.ID)
	}
	s.sweepSockets()
	return nil
}

// sweepSockets removes the sockets of holders that nobody remembers.
func (s *Service) sweepSockets() {
	paths, _ := filepath.Glob(filepath.Join(s.run, "*.sock"))
	for _, path := range paths {
		id := strings.TrimSuffix(filepath.Base(path), ".sock")
		if _, live := s.find(inventory.SessionID(id)); !live {
			os.Remove(path)
		}
	}
}

// remembered gathers the sessions that have not been concluded: from the holders' files, which hold
// whole rows, and from the store, for a holder that died before it wrote any.
func (s *Service) remembered(ctx context.Context) (map[inventory.SessionID]*held, error) {
	found := map[inventory.SessionID]*held{}
	open, err := s.Store.Sessions(ctx, inventory.SessionQuery{Live: true})
	if err != nil {
		return nil, fmt.Errorf("adopt sessions: %w", err)
	}
	for _, row := range open {
		found[row.ID] = &held{row: row}
	}
	for _, suffix := range []string{".exit", ".json"} {
		paths, err := filepath.Glob(filepath.Join(s.run, "*"+suffix))
		if err != nil {
			return nil, err
		}
		for _, path := range paths {
			s.remember(found, path)
		}
	}
	return found, nil
}

// remember adds the session of one file. Facts and Outcome share the fields that are read here.
func (s *Service) remember(found map[inventory.SessionID]*held, path string) {
	var f stream.Facts
	var row inventory.Session
	if err := readFile(path, &f); err != nil {
		s.Log.Error("session file can't be read", "path", path, "error", err)
		return
	}
	if err := json.Unmarshal(f.Session, &row); err != nil || row.ID == "" {
		s.Log.Error("session file holds no session", "path", path, "error", err)
		return
	}
	if f.PID != 0 {
		row.HolderPID = f.PID
	}
	found[row.ID] = &held{row: row}
}

// lives reports whether the holder is still there: the process its facts name, or, before it wrote
// any, whoever listens on its socket.
func (s *Service) lives(h *held) bool {
	var f stream.Facts
	if err := readFile(s.path(h.row.ID, ".json"), &f); err == nil {
		if f.Boot == s.boot {
			h.cgroup = f.Cgroup
		}
		return f.Boot == s.boot && startTime(f.PID) == f.StartTime
	}
	conn, err := s.dial(h.row.ID, stream.Attach{Principal: h.row.Principal.Name, Control: true})
	if err != nil {
		return false
	}
	conn.Close()
	return true
}

// startTime is field 22 of /proc/PID/stat, 0 when there is no such process. With the pid it names a
// process for as long as the host is up.
func startTime(pid int) uint64 {
	raw, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(raw), ") ")
	fields := strings.Fields(rest)
	if len(fields) < 20 || fields[0] == "Z" {
		return 0
	}
	n, _ := strconv.ParseUint(fields[19], 10, 64)
	return n
}
