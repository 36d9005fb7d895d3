package stream

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// A Spec is everything a holder has to know. The agent writes it to the holder's standard input:
// it may hold secrets, so it is neither an argument nor a file.
//
// The first part is read by C code before the Go runtime starts, hence its plain form: strings
// "key=value", each ended by NUL. The rest is one such string of JSON.
type Spec struct {
	LXCPath, LXCName string
	Kind             string // exec, shell or console
	Command          []string
	Env              []string // "K=V"
	User, Dir, Term  string
	TTY, Stdin       bool
	Script           bool    // Command is one line for the user's own shell: SHELL -c LINE
	Modes            *string // of the terminal: "NUMBER=VALUE,..." by RFC 4254 8; nil for what suits most
	Columns, Rows    int
	IDBase           uint32 // host id of the container's uid 0
	Init             Init   // whom the container has to have still when it was entered
	Login            *Login // nil: the container's own programs are not told of the session
	Tail             SpecTail
}

// A Login is what the container's own programs (logind, who, last) are told of who comes in.
type Login struct {
	From string        // an address; empty: this host
	Who  string        // who they are to Lodge
	Wait time.Duration // how long the command may wait for it to be told
}

// SpecTail is the part of a Spec for the Go side of the holder.
type SpecTail struct {
	ID        string          `json:"id"`
	Session   json.RawMessage `json:"session"`          // the agent's row, handed back in Facts and Outcome
	Directory string          `json:"directory"`        // where the facts, socket and outcome lie
	Record    *Record         `json:"record,omitempty"` // nil: nothing is recorded
	Boot      string          `json:"boot"`             // the host's boot id
	Grace     int             `json:"grace"`            // seconds to wait for a client once the command ended
	Idle      int             `json:"idle,omitempty"`   // seconds without input or output after which it ends; 0: never
	Total     int             `json:"total,omitempty"`  // seconds after which it ends; 0: never
	Spool     int64           `json:"spool"`            // bytes of output kept while nobody is attached
	Columns   int             `json:"columns,omitempty"`
	Rows      int             `json:"rows,omitempty"`
	LogFile   string          `json:"log_file,omitempty"` // liblxc's log, quoted when entering fails
	Attached  bool            `json:"attached,omitempty"` // see inventory.SessionArgs
}

// Init is the first process of a container that the agent has judged: the number may be used again,
// number and time not for as long as the host is up.
type Init struct {
	PID       int
	StartTime uint64 // field 22 of /proc/PID/stat
}

// A Record says how a session is recorded.
type Record struct {
	Path     string `json:"path"`               // an empty file that is there already
	Max      int64  `json:"max"`                // bytes of output
	Required bool   `json:"required,omitempty"` // the session ends where it can't be recorded
	// Every is the time between two roots of the recording that the agent is told; 0: none.
	Every   time.Duration `json:"every,omitempty"`
	Began   time.Time     `json:"began"`
	Name    string        `json:"name"`              // of the container
	Command string        `json:"command,omitempty"` // the full line
	Term    string        `json:"term,omitempty"`
	Secret  []byte        `json:"secret,omitempty"` // the key of a sealed recording
	Sealed  []byte        `json:"sealed,omitempty"` // the same, for its readers
}

// Encode returns the form the holder reads; an error if a string holds a NUL.
func (s Spec) Encode() ([]byte, error) {
	tail, err := json.Marshal(s.Tail)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	add := func(key, value string) {
		if strings.IndexByte(value, 0) >= 0 && err == nil {
			err = fmt.Errorf("%s holds a NUL byte", key)
		}
		b.WriteString(key + "=" + value + "\x00")
	}
	add("lxcpath", s.LXCPath)
	add("name", s.LXCName)
	add("kind", s.Kind)
	add("user", s.User)
	add("dir", s.Dir)
	add("term", s.Term)
	if s.Modes != nil {
		add("modes", *s.Modes)
	}
	if s.Login != nil {
		add("login", strconv.FormatInt(s.Login.Wait.Milliseconds(), 10))
		add("from", s.Login.From)
		add("who", s.Login.Who)
	}
	add("tty", flag(s.TTY))
	add("stdin", flag(s.Stdin))
	add("script", flag(s.Script))
	add("columns", strconv.Itoa(s.Columns))
	add("rows", strconv.Itoa(s.Rows))
	add("idbase", strconv.FormatUint(uint64(s.IDBase), 10))
	add("init", strconv.Itoa(s.Init.PID))
	add("init_start", strconv.FormatUint(s.Init.StartTime, 10))
	add("id", s.Tail.ID)
	for _, v := range s.Command {
		add("arg", v)
	}
	for _, v := range s.Env {
		add("env", v)
	}
	add("tail", string(tail))
	return b.Bytes(), err
}

func flag(on bool) string {
	if on {
		return "1"
	}
	return "0"
}

// Facts is what ROOT/run/sessions/ID.json says of a live holder. It tells nothing when its process
// is gone or the host has booted since.
type Facts struct {
	ID        string          `json:"id"`
	Session   json.RawMessage `json:"session"`
	PID       int             `json:"pid"`
	StartTime uint64          `json:"start_time"` // field 22 of /proc/PID/stat
	Boot      string          `json:"boot"`
	Cgroup    string          `json:"cgroup,omitempty"` // leaf folder that holds the command's processes
}

// Outcome is what ROOT/run/sessions/ID.exit says: how the session ended, durable before the holder
// leaves.
type Outcome struct {
	ID        string          `json:"id"`
	Session   json.RawMessage `json:"session"`
	EndedAt   time.Time       `json:"ended_at"`
	Exit      Exit            `json:"exit"`
	EndedBy   string          `json:"ended_by,omitempty"` // who ended it, if it did not end by itself
	Reason    string          `json:"reason,omitempty"`
	Stdin     int64           `json:"stdin_bytes"`
	Output    int64           `json:"output_bytes"`
	Lost      int64           `json:"lost_bytes,omitempty"` // output nobody was there to take
	SHA256    string          `json:"recording_sha256,omitempty"`
	Recorded  int64           `json:"recording_bytes,omitempty"` // size of the file
	Truncated bool            `json:"recording_truncated,omitempty"`
}
