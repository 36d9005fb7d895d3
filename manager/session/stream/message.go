package stream

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
)

// Attach is what the agent tells the holder about a connection before it lets the client speak.
// The holder trusts it: only the agent can reach the socket.
type Attach struct {
	Principal string `json:"principal"`
	ReadOnly  bool   `json:"read_only,omitempty"` // a watcher: its input, signals and sizes are ignored
	Control   bool   `json:"control,omitempty"`   // the agent itself: wants only Exit, may Kill
}

// Hello opens a client's side.
type Hello struct {
	// Have is the cursor of the last output the client has; 0 for a client that has none.
	Have    int64 `json:"have,omitempty"`
	Columns int   `json:"columns,omitempty"`
	Rows    int   `json:"rows,omitempty"`
}

// Welcome answers Hello.
type Welcome struct {
	Session  string `json:"session"`
	Stdin    int64  `json:"stdin"`    // offset up to which the command has been given input
	Received int64  `json:"received"` // offset up to which the holder has input; >= Stdin
	TTY      bool   `json:"tty,omitempty"`
	ReadOnly bool   `json:"read_only,omitempty"`
}

// Kill ends a session.
type Kill struct {
	By     string `json:"by"`
	Reason string `json:"reason,omitempty"`
}

// Kind says how a command ended.
type Kind string

const (
	Exited      Kind = "exited"
	Signalled   Kind = "signalled"
	FailedToRun Kind = "failed-to-run" // Code is 125, 126 or 127; Message says why
)

// Exit is how a session's command ended.
type Exit struct {
	Kind    Kind   `json:"kind"`
	Code    int    `json:"code"` // what a shell would show: 128+n for signal n
	Signal  int    `json:"signal,omitempty"`
	Message string `json:"message,omitempty"`
}

// Error ends one attachment. Kind is the name of an inventory error kind, such as "busy".
type Error struct {
	Kind    string `json:"kind"`
	Message string `json:"message"`
}

// Error is the message alone.
func (e *Error) Error() string { return e.Message }

// AppendJSON appends a control frame.
func AppendJSON(b []byte, t Type, v any) ([]byte, error) {
	raw, err := json.Marshal(v)
	if err != nil {
		return b, err
	}
	if len(raw) > MaxPayload {
		return b, fmt.Errorf("a control frame of %d bytes; at most %d fit", len(raw), MaxPayload)
	}
	return Append(b, t, raw), nil
}

// Decode reads the JSON of a control frame. Unknown fields are left aside: they come from a newer
// version.
func (f Frame) Decode(v any) error {
	if err := json.Unmarshal(f.Payload, v); err != nil {
		return errors.Join(ErrFrame, err)
	}
	return nil
}

// A Size is that of a terminal, in characters.
type Size struct{ Columns, Rows uint16 }

// AppendResize appends a Resize frame.
func AppendResize(b []byte, s Size) []byte {
	var p [4]byte
	binary.BigEndian.PutUint16(p[:], s.Columns)
	binary.BigEndian.PutUint16(p[2:], s.Rows)
	return Append(b, TypeResize, p[:])
}

// Size reads a Resize frame.
func (f Frame) Size() (Size, error) {
	if len(f.Payload) != 4 {
		return Size{}, fmt.Errorf("%w: a resize of %d bytes", ErrFrame, len(f.Payload))
	}
	return Size{binary.BigEndian.Uint16(f.Payload), binary.BigEndian.Uint16(f.Payload[2:])}, nil
}

// Signal reads a Signal frame: a Linux signal number, 1 to 64.
func (f Frame) Signal() (int, error) {
	if len(f.Payload) != 1 || f.Payload[0] == 0 || f.Payload[0] > 64 {
		return 0, fmt.Errorf("%w: no signal number", ErrFrame)
	}
	return int(f.Payload[0]), nil
}
