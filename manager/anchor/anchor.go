// Package anchor takes records and checkpoints of the audit journal off the host, to where whoever
// owns the host can't change them: a syslog collector, a folder of another machine, journald.
//
// # What is promised
//
// Each sink gets every record and, at least once per interval in which there was a new one, the
// newest checkpoint: at least once, in order, whatever crashes. A sink's cursor is durable and moves
// only behind what the other side is known to hold as far as its protocol tells: see the sinks. After
// a crash or a lost connection everything behind the cursor goes out again, so what is told twice is
// told in the same bytes. A cursor belongs to a target and to a journal: another collector, and a
// journal that was begun anew, get everything from the first record.
//
// Nobody waits for a sink. It is fed from the journal's files by a goroutine of its own; one that is
// slow or dead falls behind and is shown to.
package anchor

import (
	"context"
	"io"
	"log/slog"
	"time"

	"lodge/inventory"
)

// A Record is one record of the journal with its exact bytes.
type Record struct {
	Seq     int64
	Hash    string // of the leaf of the tree, hexadecimal
	Payload []byte // the data of the leaf: one line of JSON
	inventory.Record
}

// A Checkpoint is a signed note of how far the journal goes.
type Checkpoint struct {
	Size int64     `json:"size"` // the number of the last record it covers
	At   time.Time `json:"at"`
	Note string    `json:"note"`
}

// A Segment is a file of the journal to which nothing will be added.
type Segment struct {
	Name        string
	First, Last int64 // numbers of its records
	Open        func() (io.ReadCloser, error)
}

// Journal is the audit journal.
type Journal interface {
	// Origin names it; no other has the same.
	Origin() string
	// Next waits for a checkpoint that is another than this one; with the zero checkpoint it returns
	// the newest at once.
	Next(ctx context.Context, than Checkpoint) (Checkpoint, error)
	// Records returns records numbered above after, oldest first, at most limit. It doesn't wait.
	Records(ctx context.Context, after int64, limit int) ([]Record, error)
	// Sealed returns the finished segments with records above after, oldest first.
	Sealed(after int64) []Segment
}

// store keeps the cursors.
type store interface {
	Meta(ctx context.Context, key string) (value string, ok bool, err error)
	SetMeta(ctx context.Context, key, value string) error
}

// settings are the host's.
type settings interface {
	HostSettings(ctx context.Context) (map[string]string, error)
}

// Journald is the journal of systemd. Fields are named as systemd.journal-fields(7) asks for.
type Journald interface {
	Send(message string, priority int, fields map[string]string) error
}

// Config of a service.
type Config struct {
	Journal  Journal
	Store    store
	Settings settings
	Journald Journald
	Host     string // its name, for syslog
	Root     string // of the agent: a drop on the same file system is told of
	Log      *slog.Logger
	Now      func() time.Time
	// Settle is how long a connection has to stay whole after the other host acknowledged the bytes
	// before the cursor moves behind them; five seconds when zero.
	Settle time.Duration
	// Stall is how long a target may take nothing before it counts as failing; 30 seconds when zero.
	Stall time.Duration
	// Retry is the first pause after a failure, doubled up to a minute; a second when zero.
	Retry time.Duration
}

const (
	defaultSettle = 5 * time.Second
	defaultRetry  = time.Second
	defaultStall  = 30 * time.Second
	// closing is how long sinks may take to end. A share that hangs holds up no agent.
	closing  = 2 * time.Second
	maxRetry = time.Minute
	// batch is how many records are read and sent at a time.
	batch = 256
)

// A Status is how far a sink is.
type Status struct {
	Sink   string // syslog, drop, journald
	Target string
	Size   int64 // records there are
	// Sent and Arrived are the last record that was handed over and the last that counts as arrived.
	Sent, Arrived int64
	// Checkpoint is the newest that arrived; zero before the first.
	Checkpoint Checkpoint
	Connected  bool
	Error      string    // the last failure, kept until the sink takes something again
	Since      time.Time // of that failure's first occurrence
	// Ahead is what the sink holds where that is more than the journal has: its end was cut off.
	Ahead int64
	Lost  Checkpoint // that says so, if there is one
	// Missed counts records that were archived before the sink had them.
	Missed int64
	Note   string // what else has to be known of it
}

// Behind is how many records have not arrived.
func (s *Status) Behind() int64 { return max(s.Size-s.Arrived, 0) }

// State sums it up.
func (s *Status) State() State {
	switch {
	case s.Ahead > 0:
		return StateAhead
	case s.Error != "":
		return StateFailing
	case s.Sent < s.Size && s.Sink != "drop" || s.Checkpoint.Size == 0 && s.Size > 0:
		return StateBehind
	}
	return StateOK
}

// A State of a sink.
type State string

const (
	StateOK      State = "ok"
	StateBehind  State = "behind"  // it takes what it is given, and hasn't had all
	StateFailing State = "failing" // it takes nothing
	StateAhead   State = "ahead"   // it holds records that are gone here
)

// A cursor is how far one target has one journal.
type cursor struct {
	Origin     string     `json:"origin"`
	Seq        int64      `json:"seq"`
	Checkpoint Checkpoint `json:"checkpoint,omitzero"`
	Ahead      int64      `json:"ahead,omitempty"`
	Lost       Checkpoint `json:"lost,omitzero"` // the newest that arrived and that the journal no longer reaches
	Missed     int64      `json:"missed,omitempty"`
	Apart      bool       `json:"apart,omitempty"` // a drop was on another file system than the journal
}
