package session

import (
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"lodge/inventory"
	"lodge/manager/session/stream"
)

// liblxc enters a container with the help of its monitor, and waits for that without an end: for one
// that stands still, or a container that is being frozen. So who enters is watched.

const (
	// enterTimeout is how long a holder may take to enter its container.
	enterTimeout = 30 * time.Second
	// enterLook is how often a monitor is looked at while a holder enters.
	enterLook = 250 * time.Millisecond
)

const (
	tooLate = "the container could not be entered in time; is it frozen?"
	stands  = "it can't be entered: its monitor, process %d, is stopped; 'kill -CONT %d' lets it go on"
)

// bind names the init of the container as it is now. The holder goes by the container's name, so what
// it enters has to have this init still: another container may have come by the name, or this one have
// been restarted, since the gate let the session in.
func (s *Service) bind(c *inventory.Container) (stream.Init, error) {
	if err := s.checkMonitor(c); err != nil {
		return stream.Init{}, err
	}
	init := stream.Init{PID: s.Observer.Observe(c).InitPID}
	init.StartTime = startTime(init.PID)
	// It is still the container's: so the time was this one's, and not that of who has its number since.
	if init.StartTime == 0 || s.Observer.Observe(c).InitPID != init.PID {
		return init, inventory.Errorf(inventory.ErrState, "it was stopped or restarted meanwhile; try again")
	}
	return init, nil
}

// checkMonitor refuses to enter a container whose monitor stands still: the attempt would hang.
func (s *Service) checkMonitor(c *inventory.Container) error {
	if pid, stopped := monitorOf(s.Observer.Observe(c).InitPID); stopped {
		return inventory.Errorf(inventory.ErrState, stands, pid, pid)
	}
	return nil
}

// monitorOf finds the monitor of a container, which is the parent of its init, and whether somebody
// has stopped it.
func monitorOf(init int) (pid int, stopped bool) {
	if init == 0 {
		return 0, false
	}
	fields := processStat(init)
	if len(fields) < 2 {
		return 0, false
	}
	pid, _ = strconv.Atoi(fields[1])
	title, _ := os.ReadFile(filepath.Join("/proc", fields[1], "cmdline"))
	if fields = processStat(pid); len(fields) < 1 || !strings.HasPrefix(string(title), "[lxc monitor]") {
		return pid, false
	}
	return pid, fields[0] == "T"
}

// processStat is /proc/PID/stat from field 3 on: state, parent (proc_pid_stat(5)).
func processStat(pid int) []string {
	raw, _ := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	return strings.Fields(string(raw)[strings.LastIndexByte(string(raw), ')')+1:])
}

// watchEntering gives a holder up that has not entered its container in time, or can't.
func (s *Service) watchEntering(h *held) {
	late := time.NewTimer(s.enterLimit)
	defer late.Stop()
	look := time.NewTicker(enterLook)
	defer look.Stop()
	for !s.hasEntered(h) {
		select {
		case <-h.over:
			return
		case <-late.C:
			s.giveUp(h, tooLate)
			return
		case <-look.C:
		}
		if h.container == nil {
			continue
		}
		if err := s.checkMonitor(h.container); err != nil && !s.hasEntered(h) {
			s.giveUp(h, err.Error())
			return
		}
	}
}

// giveUp kills a holder that has not come as far as writing its facts. The process it had made to
// enter the container may be stuck there with a copy of the socket, so whoever waits on it is told
// from here.
func (s *Service) giveUp(h *held, why string) {
	if s.hasEntered(h) {
		return
	}
	s.Log.Warn("session hangs while entering; killed", "session", h.row.ID, "container", h.row.Name,
		"reason", why)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.hung = why
	if h.row.HolderPID > 1 {
		unix.Kill(h.row.HolderPID, unix.SIGKILL)
	}
	os.Remove(s.path(h.row.ID, ".sock"))
	for _, conn := range append(h.early, h.control) {
		if conn != nil {
			conn.Close()
		}
	}
}

func (s *Service) hasEntered(h *held) bool {
	for _, suffix := range []string{".json", ".exit"} {
		if _, err := os.Stat(s.path(h.row.ID, suffix)); !errors.Is(err, fs.ErrNotExist) {
			return true
		}
	}
	_, err := os.Stat(s.path(h.row.ID, ".sock"))
	return err != nil // the holder is gone altogether
}

// noteEarly keeps a connection in mind that the holder can't have accepted yet. What it returns in
// its place ends with a word on why, should the holder never get there.
func (s *Service) noteEarly(h *held, conn net.Conn) net.Conn {
	if s.hasEntered(h) {
		return conn
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.early = append(h.early, conn)
	if h.hung != "" {
		conn.Close()
	}
	return &earlyConn{Conn: conn, held: h}
}

// An earlyConn is a connection to a holder that was still entering.
type earlyConn struct {
	net.Conn
	held *held
	last io.Reader // the word that is left to be read, once the holder was given up
}

// NetConn is the connection itself, for who passes it on as a descriptor.
func (c *earlyConn) NetConn() net.Conn { return c.Conn }

// Read gives the holder's bytes, or where it was given up the exit it did not live to send.
func (c *earlyConn) Read(b []byte) (int, error) {
	if c.last == nil {
		n, err := c.Conn.Read(b)
		if n > 0 || err == nil {
			return n, err
		}
		why := c.held.whyHung()
		if why == "" {
			return n, err
		}
		frame, _ := stream.AppendJSON(nil, stream.TypeExit, stream.Exit{Kind: stream.FailedToRun,
			Code: inventory.ExitNotRun, Message: c.held.row.Name + ": " + why})
		c.last = strings.NewReader(string(frame))
	}
	return c.last.Read(b)
}

func (h *held) setControl(conn net.Conn) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.control = conn
	if h.hung != "" {
		conn.Close()
	}
}

func (h *held) whyHung() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.hung
}
