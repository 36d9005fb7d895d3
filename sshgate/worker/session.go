package worker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"

	"golang.org/x/crypto/ssh"

	"lodge/inventory"
	"lodge/manager/session/stream"
)

const (
	// sessionsMost is MaxSessions of sshd_config(5): more are refused, and the connection stays.
	sessionsMost = 10
	linesMost    = 256 << 10 // of a command
	envMost      = 64
	termMost     = 128
)

// A session is one session channel (RFC 4254 6): first it is told how, then it runs one thing.
type session struct {
	server  *server
	channel ssh.Channel
	args    inventory.SessionArgs
	resize  chan stream.Size
	stay    context.Context // ends with the channel

	mu     sync.Mutex // guards what follows
	client *stream.Client
	begun  bool
}

func (s *server) session(c ssh.NewChannel) {
	if !s.channels.take() {
		c.Reject(ssh.ResourceShortage, "too many sessions on this connection")
		return
	}
	defer s.channels.free()
	channel, requests, err := c.Accept()
	if err != nil {
		return
	}
	w := &session{server: s, channel: channel, resize: make(chan stream.Size, 1)}
	w.args.Env = map[string]string{}
	w.args.Stdin, w.args.Attached = true, true
	done := make(chan struct{})
	var leave context.CancelFunc
	w.stay, leave = context.WithCancel(context.Background())
	for r := range requests {
		w.handle(r, done)
	}
	leave() // the channel is closed: by us when it ended, else by a client that has gone
	w.mu.Lock()
	begun := w.begun
	w.mu.Unlock()
	if begun {
		<-done
	}
	channel.Close()
}

// handle answers one request. It never waits for the command: what waits here stops the connection.
func (w *session) handle(r *ssh.Request, done chan struct{}) {
	ok := false
	switch r.Type {
	case "env":
		ok = w.setEnv(r.Payload)
	case "pty-req":
		ok = w.setTerminal(r.Payload)
	case "window-change":
		ok = w.setSize(r.Payload)
	case "shell":
		ok = w.begin(inventory.SessionShell, done)
	case "exec":
		var m struct{ Line string }
		if ok = ssh.Unmarshal(r.Payload, &m) == nil && len(m.Line) <= linesMost && w.mayBegin(); ok {
			w.args.Command, w.args.Script = []string{m.Line}, true
			ok = w.begin(inventory.SessionExec, done)
		}
	case "subsystem":
		var m struct{ Name string }
		ok = ssh.Unmarshal(r.Payload, &m) == nil && m.Name == "sftp" && w.begin(inventory.SessionSFTP, done)
	case "auth-agent-req@openssh.com":
		ok = w.mayBegin() && w.server.forwardAgent()
	case "signal":
		ok = w.signal(r.Payload)
	}
	if r.WantReply {
		r.Reply(ok, nil)
	}
}

func (w *session) mayBegin() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return !w.begun
}

// setEnv takes what says how text looks, and nothing that tells programs what to load.
func (w *session) setEnv(payload []byte) bool {
	var m struct{ Name, Value string }
	if ssh.Unmarshal(payload, &m) != nil || len(w.args.Env) >= envMost || !w.mayBegin() {
		return false
	}
	name := m.Name
	if name != "LANG" && name != "LANGUAGE" && name != "COLORTERM" && !strings.HasPrefix(name, "LC_") {
		return false
	}
	if len(m.Value) > 4096 || strings.ContainsAny(m.Name+m.Value, "\x00\n=") {
		return false
	}
	w.args.Env[name] = m.Value
	return true
}

func (w *session) setTerminal(payload []byte) bool {
	var m struct {
		Term                         string
		Columns, Rows, Width, Height uint32
		Modes                        string
	}
	if ssh.Unmarshal(payload, &m) != nil || len(m.Term) > termMost || !w.mayBegin() {
		return false
	}
	modes, ok := terminalModes([]byte(m.Modes))
	if !ok {
		return false
	}
	w.args.TTY, w.args.Term, w.args.Modes = true, printable(m.Term), &modes
	w.args.Columns, w.args.Rows = side(m.Columns), side(m.Rows)
	return true
}

// side bounds one side of a terminal: a silly number is one nobody looks at.
func side(n uint32) int { return int(min(n, 4096)) }

func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r > ' ' && r < 0x7f {
			return r
		}
		return -1
	}, s)
}

// setSize keeps the newest size only, and never waits for whoever takes it.
func (w *session) setSize(payload []byte) bool {
	var m struct{ Columns, Rows, Width, Height uint32 }
	if ssh.Unmarshal(payload, &m) != nil {
		return false
	}
	size := stream.Size{Columns: uint16(side(m.Columns)), Rows: uint16(side(m.Rows))}
	for {
		select {
		case w.resize <- size:
			return true
		default:
		}
		select {
		case <-w.resize:
		default:
		}
	}
}

// begin asks for the session and runs it beside. A second one on a channel is refused (RFC 4254 6.5).
func (w *session) begin(kind inventory.SessionKind, done chan struct{}) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.begun {
		return false
	}
	w.begun = true
	go func() {
		defer close(done)
		w.run(kind)
	}()
	return true
}

func (w *session) run(kind inventory.SessionKind) {
	conn, err := w.open(kind)
	if err != nil {
		w.say(err)
		w.end(stream.Exit{Kind: stream.Exited, Code: exitRefused})
		return
	}
	client := stream.Dial(conn)
	client.Size = stream.Size{Columns: uint16(w.args.Columns), Rows: uint16(w.args.Rows)}
	client.OnWelcome = func(stream.Welcome) {
		w.mu.Lock()
		w.client = client
		w.mu.Unlock()
	}
	exit, err := client.Run(w.stay, w.channel, w.channel, w.channel.Stderr(), w.resize)
	if err != nil {
		conn.Close()
		w.channel.Close() // the client is gone, or the holder
		return
	}
	w.end(exit)
}

// exitRefused is what OpenSSH's client ends with when it was not served.
const exitRefused = 255

func (w *session) open(kind inventory.SessionKind) (net.Conn, error) {
	args, choice := w.args, ""
	var f *os.File
	for f == nil {
		a, err := w.server.control.ask(Request{Op: OpOpen, Kind: kind, Session: &args, Host: choice})
		switch {
		case err != nil && choice == "":
			return nil, err
		case err != nil:
			w.say(err)
		case len(a.files) == 1:
			f = a.files[0]
			continue
		default:
			w.write(a.Text)
		}
		if choice, err = w.choose(); err != nil {
			return nil, err
		}
	}
	defer f.Close()
	return net.FileConn(f)
}

// say tells the person on standard error, in one line.
func (w *session) say(err error) {
	end := "\n"
	if w.args.TTY {
		end = "\r\n"
	}
	io.WriteString(w.channel.Stderr(), "lodge: "+err.Error()+end)
}

// end tells how it ended, in the order clients rely on: all output, its end, the status, the close.
func (w *session) end(e stream.Exit) {
	if e.Message != "" {
		w.say(errors.New(e.Message))
	}
	w.channel.CloseWrite()
	if e.Kind == stream.Signalled {
		m := struct {
			Name         string
			Core         bool
			Message, Tag string
		}{Name: signalName(e.Signal)}
		w.channel.SendRequest("exit-signal", false, ssh.Marshal(m))
	} else {
		w.channel.SendRequest("exit-status", false, ssh.Marshal(struct{ Code uint32 }{uint32(e.Code)}))
	}
	w.channel.Close()
}

func (w *session) signal(payload []byte) bool {
	var m struct{ Name string }
	if ssh.Unmarshal(payload, &m) != nil {
		return false
	}
	number, ok := signals[m.Name]
	w.mu.Lock()
	client := w.client
	w.mu.Unlock()
	return ok && client != nil && client.Signal(number) == nil
}

// signals are those that have names on the wire (RFC 4254 6.10), by Linux's numbers.
var signals = map[string]int{"ABRT": 6, "ALRM": 14, "FPE": 8, "HUP": 1, "ILL": 4, "INT": 2, "KILL": 9,
	"PIPE": 13, "QUIT": 3, "SEGV": 11, "TERM": 15, "USR1": 10, "USR2": 12}

// signalName is the name of a signal on the wire; others have names of ours (RFC 4254 6.10).
func signalName(number int) string {
	for name, n := range signals {
		if n == number {
			return name
		}
	}
	return fmt.Sprintf("SIG%d@lodge", number)
}
