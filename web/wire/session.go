package wire

import (
	"time"

	"lodge/inventory"
)

// StreamProtocol is the value of the Upgrade header (RFC 9110, 7.8) that turns the connection of
// GET /v1/sessions/{id}/stream into a stream of manager/session/stream frames.
const StreamProtocol = "lodge-stream"

// RecordingType is the media type of recordings (manager/session/recording).
const RecordingType = "application/vnd.lodge.recording"

// A SessionRequest asks for a way into a container.
type SessionRequest struct {
	Kind inventory.SessionKind `json:"kind" enum:"exec,shell,console,sftp"`
	inventory.SessionArgs
}

// A Session is one recorded exec, shell or console.
type Session struct {
	ID        inventory.SessionID   `json:"id"`
	Kind      inventory.SessionKind `json:"kind"`
	Container inventory.ContainerID `json:"container"`
	Name      string                `json:"name"`
	Project   string                `json:"project"`
	Principal inventory.Principal   `json:"principal"`
	Command   string                `json:"command,omitempty" doc:"argv[0] only; the rest is in the recording."`
	TTY       bool                  `json:"tty"`
	StartedAt time.Time             `json:"started_at"`
	EndedAt   time.Time             `json:"ended_at,omitzero"`
	ExitCode  int                   `json:"exit_code" doc:"Of the command, once ended; 128+n for signal n."`
	Result    string                `json:"result,omitempty" doc:"exited, signal, holder lost; empty while it runs."`
}

// FileInfo describes one file inside a container.
type FileInfo = inventory.FileInfo

// FromSession writes a session. The holder's pid is of no use to a caller and stays inside.
func FromSession(s inventory.Session) Session {
	return Session{ID: s.ID, Kind: s.Kind, Container: s.Container, Name: s.Name, Project: s.Project,
		Principal: s.Principal, Command: s.Command, TTY: s.TTY, StartedAt: s.StartedAt.UTC(),
		EndedAt: utc(s.EndedAt), ExitCode: s.ExitCode, Result: s.Result}
}

// FileHeader carries a FileInfo as JSON beside the bytes of a file.
const FileHeader = "X-Lodge-File"
