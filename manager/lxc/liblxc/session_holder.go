package liblxc

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"lodge/manager/session/recording"
	"lodge/manager/session/stream"
)

// A holder is one session while its process lives. One mutex guards everything that moves, and
// cond is signalled whenever any of it does: there are never more than a handful of waiters.
type holder struct {
	entered
	listener net.Listener
	facts    stream.Facts

	mu       sync.Mutex
	cond     *sync.Cond
	spool    spool
	input    input
	clients  map[*client]bool
	writer   *client // nil: nobody who may write is attached
	acked    int64   // cursor up to which writers have written out
	dead     bool    // the command has been waited for: its pid means nothing now
	exit     *stream.Exit
	settled  bool // the outcome is durable
	fetched  bool // a writer has everything, Exit too
	ended    *stream.Kill
	record   *record        // nil: nothing is recorded
	root     recording.Root // of it, while it goes on
	bytes    int64          // of output
	active   time.Time      // when something was typed or shown
	lost     int64          // of it, when nobody was there to take it
	terminal *os.File
	ends     []*os.File // what the command's input and output is held by here
	readers  sync.WaitGroup
}

func newHolder(e entered) (*holder, error) {
	h := &holder{entered: e, clients: map[*client]bool{}, active: time.Now()}
	h.cond = sync.NewCond(&h.mu)
	h.input.cond = h.cond
	file := os.NewFile(1, "listener")
	l, err := net.FileListener(file)
	if err != nil {
		return nil, fmt.Errorf("the listening socket: %w", err)
	}
	// Descriptor 1 stays open as /dev/null: a stray print must not reach a socket.
	if null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0); err == nil {
		unix.Dup3(int(null.Fd()), 1, 0)
		null.Close()
	}
	h.listener = l
	h.facts = stream.Facts{ID: e.ID, Session: e.Session, PID: os.Getpid(), StartTime: startTime(),
		Boot:   e.Boot,
		Cgroup: e.cgroup}
	return h, nil
}

// serve runs the session to its end.
func (h *holder) serve() {
	h.spool.dir = h.Directory
	if err := writeJSON(h.path(".json"), h.facts, false); err != nil {
		fmt.Fprintf(os.Stderr, "facts: %v\n", err)
	}
	h.record = h.newRecord()
	h.letGo()
	go h.accept()
	if h.Attached {
		time.AfterFunc(helloTimeout, h.abandonUnclaimed)
	}
	go h.keepLimits()
	h.start()
	exit := h.wait()
	h.mu.Lock()
	h.exit = &exit
	h.cond.Broadcast()
	h.mu.Unlock()
	h.settle(exit)
	h.linger()
	h.leave()
}

// letGo lets the command begin, which waits inside the container for it: not before what it shows is
// recorded. Where that failed and must not, turnAway was here first.
func (h *holder) letGo() {
	if h.release < 0 {
		return // a console's other end runs already
	}
	if _, err := unix.Write(h.release, []byte{0}); err != nil && h.failed == "" {
		h.turnAway(fmt.Sprintf("start the command: %v", err))
	}
	unix.Close(h.release)
	h.release = -1
}

// turnAway ends what waits inside, which has done nothing yet, and says why no command began.
func (h *holder) turnAway(why string) {
	h.failed, h.LogFile = why, ""
	for _, fd := range []int{h.release, h.entered.terminal, h.in, h.out, h.err} {
		if fd >= 0 {
			unix.Close(fd)
		}
	}
	h.release, h.entered.terminal = -1, -1
	if h.pid != 0 {
		unix.Kill(h.pid, unix.SIGKILL)
		unix.Wait4(h.pid, nil, 0, nil)
		h.pid = 0
	}
	h.logOut()
}

// start connects the command's descriptors. Readers end by themselves when the command has ended.
func (h *holder) start() {
	switch {
	case h.failed != "":
	case h.entered.terminal >= 0:
		f := openFD(h.entered.terminal, "terminal")
		h.mu.Lock()
		h.terminal = f
		h.ends = append(h.ends, f)
		if h.ended != nil { // somebody was quicker
			h.hangUp()
		}
		h.mu.Unlock()
		h.read(f, h.entered.terminal, stream.TypeStdout)
		go h.feed(f)
	default:
		out, err, in := openFD(h.out, "stdout"), openFD(h.err, "stderr"), openFD(h.in, "stdin")
		h.hold(out, err, in)
		h.read(out, h.out, stream.TypeStdout)
		h.read(err, h.err, stream.TypeStderr)
		if !h.stdinWanted {
			h.mu.Lock()
			h.input.eof, h.input.closed = true, true
			h.mu.Unlock()
		}
		go h.feed(in)
	}
}

// hold keeps what closes when an attached session's client leaves.
func (h *holder) hold(ends ...*os.File) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ends = append(h.ends, ends...)
}

// openFD makes a file whose reads and writes the runtime's poller can wait for.
func openFD(fd int, name string) *os.File {
	unix.SetNonblock(fd, true)
	return os.NewFile(uintptr(fd), name)
}

// linger waits until a client has fetched the rest, or for the grace period; then a moment for the
// watchers to have the end too. A session that somebody ended is not worth waiting for long.
func (h *holder) linger() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.waitFor(time.Duration(h.Grace)*time.Second, func() bool { return h.fetched || h.ended != nil })
	h.waitFor(2*time.Second, func() bool { return h.allTold() && (h.fetched || h.writer == nil) })
}

// waitFor waits until done, at most for limit. The mutex is held on entry and exit.
func (h *holder) waitFor(limit time.Duration, done func() bool) {
	over := false
	timer := time.AfterFunc(limit, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		over = true
		h.cond.Broadcast()
	})
	defer timer.Stop()
	for !done() && !over {
		h.cond.Wait()
	}
}

// allTold reports whether every client has been sent Exit.
func (h *holder) allTold() bool {
	for c := range h.clients {
		if !c.Control && !c.sentExit && c.refusal == nil {
			return false
		}
	}
	return true
}

// leave removes what says that the holder lives; the outcome stays for the agent. Background
// processes of the command live on, as after a logout, and keep their cgroup until they end.
func (h *holder) leave() {
	os.Remove(h.path(".sock"))
	os.Remove(h.path(".json"))
	if h.cgroup != "" {
		unix.Rmdir(h.cgroup)
	}
	// What the last writes put into the connections arrives although we close them: a Unix socket
	// keeps it for its reader.
	h.mu.Lock()
	defer h.mu.Unlock()
	for c := range h.clients {
		c.conn.Close()
	}
}

func (h *holder) path(suffix string) string { return filepath.Join(h.Directory, h.ID+suffix) }

func (h *holder) accept() {
	for seq := 0; ; seq++ {
		conn, err := h.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			time.Sleep(50 * time.Millisecond) // out of descriptors: they come back
			continue
		}
		go h.serveConn(conn, seq)
	}
}
