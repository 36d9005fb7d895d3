package session

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"lodge/inventory"
	"lodge/manager/session/stream"
)

// asked is what policies and the audit journal see of a request: the program, and a keyed hash by
// which two command lines can be told to be the same without being readable. The full line is in
// the recording.
type asked struct {
	Argv0   string `json:"argv0,omitempty"`
	Hash    string `json:"command_hmac,omitempty"` // HMAC-SHA-256 over the arguments, each ended by NUL
	User    string `json:"user,omitempty"`
	Dir     string `json:"dir,omitempty"`
	TTY     bool   `json:"tty,omitempty"`
	EnvSize int    `json:"env_count,omitempty"`
}

func (s *Service) redact(kind inventory.SessionKind, a inventory.SessionArgs) asked {
	out := asked{User: a.User, Dir: a.Dir, TTY: a.TTY, EnvSize: len(a.Env)}
	if kind != inventory.SessionExec {
		return out
	}
	mac := hmac.New(sha256.New, s.Key)
	for _, arg := range a.Command {
		mac.Write([]byte(arg + "\x00"))
	}
	out.Argv0, out.Hash = a.Command[0], hex.EncodeToString(mac.Sum(nil))
	return out
}

// ending is the detail of an audit outcome.
type ending struct {
	asked
	Exit      *stream.Exit `json:"exit,omitempty"`
	EndedBy   string       `json:"ended_by,omitempty"`
	Why       string       `json:"why,omitempty"`
	Stdin     int64        `json:"stdin_bytes"`
	Output    int64        `json:"output_bytes"`
	Lost      int64        `json:"lost_bytes,omitempty"`
	Truncated bool         `json:"recording_truncated,omitempty"`
}

// record writes the audit outcome: through the gate's entry where this agent let the session in,
// else from what the holder kept of it.
func (s *Service) record(h *held, result string, detail ending, of *inventory.Recording) error {
	detail.asked = h.asked
	if h.entry != nil {
		h.entry.Recording = of
		return h.entry.Leave(result, detail)
	}
	raw, err := json.Marshal(detail)
	if err != nil {
		return err
	}
	_, err = s.Journal.Append(context.Background(), inventory.Record{At: s.Now(), Kind: inventory.RecordOutcome,
		Verb: "container." + string(h.row.Kind), Principal: h.row.Principal, Subject: "container:" + string(h.row.Container),
		Name: h.row.Name, Project: h.row.Project, Session: h.row.ID, Result: result, Recording: of, Detail: raw})
	return err
}

// result says in a few words how a command ended: for the row, and for the journal.
func result(o stream.Outcome) (row, record string) {
	switch o.Exit.Kind {
	case stream.Signalled:
		row, record = "signal", fmt.Sprintf("signal %d", o.Exit.Signal)
	case stream.FailedToRun:
		row, record = "failed to run", "failed to run: "+o.Exit.Message
	default:
		row, record = "exited", fmt.Sprintf("exited %d", o.Exit.Code)
	}
	if o.EndedBy != "" {
		row, record = "ended", "ended by "+o.EndedBy
	}
	return row, record
}
