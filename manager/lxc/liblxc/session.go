package liblxc

// #cgo pkg-config: lxc
// #cgo CFLAGS: -std=gnu11 -Wall -Wextra -Wno-unused-result
// #include "attach.h"
import "C"

import (
	"encoding/json"
	"fmt"
	"os"

	"lodge/manager/session/stream"
)

// entered is what the C constructor has done before main: a process of ours waits inside the
// container for release to become the command, or failed says why it does not.
type entered struct {
	failed           string
	pid              int // 0 for a console
	terminal         int // -1 without one
	in, out, err     int // -1 with a terminal
	report           int
	release          int // a byte lets the command begin
	keep             int // -1, or the way to keeper: closing it logs the session out
	keeper           int // 0: nobody
	tty, stdinWanted bool
	cgroup           string
	stream.SpecTail
}

// Session is the holder of one session. Its standard input is a stream.Spec, its standard output
// the listening socket; both come from the agent. It returns when the session is over and its
// outcome is durable.
func Session(_ []string) int {
	e, err := takeEntered()
	if err != nil {
		fmt.Fprintf(os.Stderr, "lodge-lxc session: %v\n", err)
		return 125
	}
	h, err := newHolder(e)
	if err != nil {
		fmt.Fprintf(os.Stderr, "lodge-lxc session: %v\n", err)
		return 125
	}
	h.serve()
	return 0
}

func takeEntered() (entered, error) {
	c := &C.lodge_session
	if c.ready == 0 {
		return entered{}, fmt.Errorf("not started as a session")
	}
	e := entered{pid: int(c.pid), terminal: int(c.terminal), in: int(c.in), out: int(c.out),
		err:    int(c.err),
		report: int(c.report), release: int(c.release), keep: int(c.keep), keeper: int(c.keeper), tty: c.tty != 0,
		stdinWanted: c.stdin_wanted != 0, cgroup: C.GoString(&c.cgroup[0])}
	if c.failed != 0 {
		e.failed = C.GoString(&c.error[0])
	}
	if err := json.Unmarshal([]byte(C.GoString(c.tail)), &e.SpecTail); err != nil {
		return e, fmt.Errorf("the request can't be read (%s): %w", e.failed, err)
	}
	return e, nil
}
