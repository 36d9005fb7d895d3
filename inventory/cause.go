package inventory

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"strings"
)

// ErrCancelled is why an operation that was cancelled ended. It is no kind: nobody was refused.
var ErrCancelled = errors.New("cancelled")

// A Cause is why an operation goes back, as it is kept for the agent that ends it if this one dies
// on the way.
type Cause struct{ Text, Kind string }

// CauseOf keeps an error's text and kind.
func CauseOf(err error) Cause {
	kind, _ := Kind(err)
	if errors.Is(err, ErrCancelled) {
		kind.Name = ErrCancelled.Error()
	}
	return Cause{err.Error(), kind.Name}
}

// Err is the error again, with its kind.
func (c Cause) Err() error {
	if kind, ok := KindNamed(c.Kind); ok {
		return Errorf(kind.Err, "%s", c.Text)
	}
	if c.Kind == ErrCancelled.Error() {
		return ErrCancelled
	}
	return errors.New(c.Text)
}

// perTry are parameters that differ each time the same thing is asked for: the name under which a
// door has spooled an upload.
var perTry = []string{"upload"}

// Fingerprint tells whether two requests with one idempotency key ask for the same. It is taken
// of the parameters as they came, before what was not given is filled in.
func Fingerprint(verb string, on Ref, args json.RawMessage) string {
	var fields map[string]json.RawMessage
	if json.Unmarshal(args, &fields) == nil {
		for _, name := range perTry {
			delete(fields, name)
		}
		args, _ = json.Marshal(fields) // a map of valid values can't fail, and is written sorted
	}
	raw, _ := json.Marshal([]string{verb, on.String(), string(args)})
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:])
}

// JoinStates writes states for a sentence: "running or frozen".
func JoinStates(states []State) string {
	words := make([]string, len(states))
	for i, s := range states {
		words[i] = string(s)
	}
	return strings.Join(words, " or ")
}
