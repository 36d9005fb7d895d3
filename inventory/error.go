package inventory

import (
	"errors"
	"fmt"
)

// The error kinds. A caller acts on the kind and shows the text; an error without a kind is
// internal and its text never leaves the agent. Kinds are append-only: they travel on the wire.
var (
	ErrNotFound    = errors.New("not found")
	ErrExists      = errors.New("already exists")
	ErrInvalid     = errors.New("invalid")
	ErrState       = errors.New("not possible in this state")
	ErrStale       = errors.New("changed meanwhile")
	ErrDenied      = errors.New("denied")
	ErrBusy        = errors.New("busy")
	ErrQuota       = errors.New("quota exceeded")
	ErrUnavailable = errors.New("unavailable")
)

// Exit codes of the command line that do not belong to one error kind.
const (
	ExitOK          = 0
	ExitFailure     = 1
	ExitUsage       = 2
	ExitHeld        = 5 // waiting for approval: no error, a change row was made
	ExitInterrupted = 130
	// The three codes a shell uses for a command that did not run (POSIX 2.8.2, and docker's 125).
	ExitNotRun        = 125
	ExitNotExecutable = 126
	ExitNoCommand     = 127
)

// ErrorKind says how one kind appears at every edge of the system.
type ErrorKind struct {
	Err    error
	Name   string // the last segment of the problem type, "urn:lodge:problem:NAME"
	Status int    // HTTP status
	Exit   int    // exit code of the command line
}

// ErrorKinds lists every kind, most specific first. It is read in both directions: to write an
// error to the wire and to read it back.
var ErrorKinds = []ErrorKind{
	{ErrNotFound, "not-found", 404, 3},
	{ErrExists, "exists", 409, ExitFailure},
	{ErrInvalid, "invalid", 422, ExitUsage},
	{ErrState, "state", 409, ExitFailure},
	{ErrStale, "stale", 412, 6},
	{ErrDenied, "denied", 403, 4},
	{ErrBusy, "busy", 423, 6},
	{ErrQuota, "quota", 507, 4},
	{ErrUnavailable, "unavailable", 503, ExitFailure},
}

// Kind returns the kind err carries; ok is false for an internal error.
func Kind(err error) (kind ErrorKind, ok bool) {
	for _, k := range ErrorKinds {
		if errors.Is(err, k.Err) {
			return k, true
		}
	}
	return ErrorKind{}, false
}

// IsRefusal reports whether err turns down what could be done by somebody else, at another time or in
// another way: it is kept in the journal. What is mistyped, or only has to be asked again, is none.
func IsRefusal(err error) bool {
	return errors.Is(err, ErrDenied) || errors.Is(err, ErrQuota) || errors.Is(err, ErrState) || errors.Is(err, ErrExists)
}

// KindNamed returns the kind with that problem name.
func KindNamed(name string) (kind ErrorKind, ok bool) {
	for _, k := range ErrorKinds {
		if k.Name == name {
			return k, true
		}
	}
	return ErrorKind{}, false
}

// Errorf makes an error of the given kind whose text is only the formatted sentence: the kind is
// matched by errors.Is and is not repeated to the reader.
func Errorf(kind error, format string, args ...any) error {
	return &kinded{kind: kind, cause: fmt.Errorf(format, args...)}
}

type kinded struct{ kind, cause error }

func (e *kinded) Error() string   { return e.cause.Error() }
func (e *kinded) Unwrap() []error { return []error{e.kind, e.cause} }
