package role

import "encoding/json"

// Requests of the agent. Every one is answered by exactly one response, in order.
const (
	opHello    = "hello"    // who are you
	opZone     = "zone"     // answer from this zone and these leases from now on
	opSockets  = "sockets"  // serve the attached sockets and those in Keep, drop the others
	opHandover = "handover" // send me your sockets, and go on serving
	opQuit     = "quit"     // stop answering and exit
)

type request struct {
	Op      string          `json:"op"`
	Zone    json.RawMessage `json:"zone,omitempty"`    // a State
	Sockets []string        `json:"sockets,omitempty"` // names of the attached files, in order
	Keep    []string        `json:"keep,omitempty"`
}

type response struct {
	Error   string   `json:"error,omitempty"`
	Info    *Info    `json:"info,omitempty"`
	Sockets []string `json:"sockets,omitempty"` // names of the attached files, in order
}

// Info is what a role says of itself.
type Info struct {
	Version string   `json:"version"`
	PID     int      `json:"pid"`
	UID     int      `json:"uid"`
	Seccomp bool     `json:"seccomp"`
	Serial  uint32   `json:"serial"`
	Sockets []string `json:"sockets"`
}
