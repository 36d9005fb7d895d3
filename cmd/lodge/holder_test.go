package main

import (
	"context"
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"lodge/inventory"
	"lodge/manager/gate"
	"lodge/manager/session/stream"
	"lodge/web/api"
)

// holders are sessions that live on when the agent goes, as those of the real holder do: they
// speak its protocol, and their commands are the few a test needs.
type holders struct {
	api.Sessions
	mu  sync.Mutex
	all map[inventory.SessionID]*holder
	cut chan struct{} // closed when the agent was cut off
}

func (h *holders) Open(ctx context.Context, r gate.Request) (inventory.Session, error) {
	var args inventory.SessionArgs
	if err := r.Decode(&args); err != nil {
		return inventory.Session{}, err
	}
	s, err := h.Sessions.Open(ctx, r)
	if err != nil {
		return s, err
	}
	one := &holder{args: args, signals: make(chan int, 8), cut: h.cut}
	one.cond = sync.NewCond(&one.mu)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.all[s.ID] = one
	go one.run()
	return s, nil
}

func (h *holders) Attach(_ context.Context, id inventory.SessionID, readOnly bool) (net.Conn, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	one, ok := h.all[id]
	if !ok {
		return nil, inventory.Errorf(inventory.ErrNotFound, "there is no session %s", id)
	}
	ours, theirs := net.Pipe()
	go one.serve(theirs)
	return ours, nil
}

// written waits until there is a session that runs, and its client has written out all there is.
func (h *holders) written() {
	for ; ; time.Sleep(time.Millisecond) {
		h.mu.Lock()
		all := slices.Collect(maps.Values(h.all))
		h.mu.Unlock()
		for _, one := range all {
			if one.isWritten() {
				return
			}
		}
	}
}

// A holder is one session.
type holder struct {
	args    inventory.SessionArgs
	signals chan int
	cut     chan struct{}

	mu     sync.Mutex // guards what follows
	cond   *sync.Cond
	frames []output
	cursor int64
	acked  int64
	input  []byte
	eof    bool
	exit   *stream.Exit
}

type output struct {
	kind stream.Type
	data []byte
	end  int64
}

func (h *holder) isWritten() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.exit == nil && h.cursor > 0 && h.acked == h.cursor
}

func (h *holder) write(kind stream.Type, text string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.cursor += int64(len(text))
	h.frames = append(h.frames, output{kind, []byte(text), h.cursor})
	h.cond.Broadcast()
}

func (h *holder) end(e stream.Exit) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.exit = &e
	h.cond.Broadcast()
}

// run is the command.
func (h *holder) run() {
	name, args := "-sh", h.args.Command
	if len(args) > 0 {
		name, args = args[0], args[1:]
	}
	switch name {
	case "echo":
		h.write(stream.TypeStdout, strings.Join(args, " ")+"\n")
		h.end(stream.Exit{Kind: stream.Exited})
	case "fail":
		h.write(stream.TypeStderr, "it failed\n")
		code, _ := strconv.Atoi(args[0])
		h.end(stream.Exit{Kind: stream.Exited, Code: code})
	case "killed":
		h.end(stream.Exit{Kind: stream.Signalled, Code: 137, Signal: 9})
	case "env":
		for _, k := range slices.Sorted(maps.Keys(h.args.Env)) {
			h.write(stream.TypeStdout, k+"="+h.args.Env[k]+"\n")
		}
		h.write(stream.TypeStdout, fmt.Sprintf("user=%s dir=%s tty=%t\n", h.args.User, h.args.Dir, h.args.TTY))
		h.end(stream.Exit{Kind: stream.Exited})
	case "cat":
		h.write(stream.TypeStdout, h.allInput())
		h.end(stream.Exit{Kind: stream.Exited})
	case "trap":
		h.write(stream.TypeStdout, "ready\n")
		n := <-h.signals
		h.write(stream.TypeStdout, fmt.Sprintf("got signal %d\n", n))
		h.end(stream.Exit{Kind: stream.Exited, Code: 5})
	case "count":
		h.count(args[0])
	case "/bin/sh", "-sh":
		if h.args.TTY { // somebody sits there
			h.write(stream.TypeStdout, "web1 login: ")
			return
		}
		h.end(stream.Exit{Kind: stream.Exited})
	default:
		h.end(stream.Exit{Kind: stream.FailedToRun, Code: 127, Message: name + ": there is no such command in web1"})
	}
}

// count writes the first half of its lines, waits until the agent is gone, and writes the others
// while nobody is there.
func (h *holder) count(upTo string) {
	n, _ := strconv.Atoi(upTo)
	for i := 1; i <= n; i++ {
		if i == n/2+1 {
			<-h.cut
		}
		h.write(stream.TypeStdout, fmt.Sprintf("line %d\n", i))
	}
	h.end(stream.Exit{Kind: stream.Exited, Code: 3})
}

func (h *holder) allInput() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	for !h.eof {
		h.cond.Wait()
	}
	return string(h.input)
}

// serve is one attachment.
func (h *holder) serve(conn net.Conn) {
	defer conn.Close()
	r := stream.NewReader(conn)
	f, err := r.Read()
	var hello stream.Hello
	if err != nil || f.Decode(&hello) != nil {
		return
	}
	h.mu.Lock()
	received := int64(len(h.input))
	h.mu.Unlock()
	welcome, _ := stream.AppendJSON(nil, stream.TypeWelcome, stream.Welcome{Stdin: received, Received: received, TTY: h.args.TTY})
	if _, err := conn.Write(welcome); err != nil {
		return
	}
	go h.send(conn, hello.Have)
	for {
		f, err := r.Read()
		if err != nil || f.Type == stream.TypeBye {
			return
		}
		h.receive(conn, f)
	}
}

func (h *holder) receive(conn net.Conn, f stream.Frame) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch f.Type {
	case stream.TypeStdin:
		at, data, _ := f.Offset()
		h.input = append(h.input[:min(at, int64(len(h.input)))], data...)
		ack := stream.AppendOffset(nil, stream.TypeStdinAck, int64(len(h.input)), nil)
		go conn.Write(ack)
	case stream.TypeStdinEOF:
		h.eof = true
	case stream.TypeAck:
		h.acked, _, _ = f.Offset()
	case stream.TypeSignal:
		if n, err := f.Signal(); err == nil {
			h.signals <- n
		}
	}
	h.cond.Broadcast()
}

// send writes what the client has not got, and the end.
func (h *holder) send(conn net.Conn, have int64) {
	for i := 0; ; i++ {
		frame, last := h.frame(i, have)
		if len(frame) > 0 {
			if _, err := conn.Write(frame); err != nil {
				return
			}
		}
		if last {
			return
		}
	}
}

// frame returns the i-th frame once it is there; empty if the client has it.
func (h *holder) frame(i int, have int64) (frame []byte, last bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i >= len(h.frames) && h.exit == nil {
		h.cond.Wait()
	}
	if i >= len(h.frames) {
		frame, _ = stream.AppendJSON(nil, stream.TypeExit, h.exit)
		return frame, true
	}
	if o := h.frames[i]; o.end > have {
		return stream.AppendOffset(nil, o.kind, o.end, o.data), false
	}
	return nil, false
}
