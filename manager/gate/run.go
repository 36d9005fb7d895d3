package gate

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"sync"

	"lodge/inventory"
)

// A Run is an operation while its steps work on it. What one step leaves with Save is there for
// later steps, and for the next agent if this one dies.
type Run struct {
	// Operation is the row as admitted; State, Step and Progress of it are not kept current here.
	Operation inventory.Operation
	// Before and After are the desired states around the operation; see inventory.Operation.
	Before, After *inventory.Container
	// Resumed is set when an earlier agent died in this operation.
	Resumed bool
	Log     *slog.Logger

	mu      sync.Mutex
	data    map[string]json.RawMessage
	result  json.RawMessage
	percent int
	text    string
}

// Container returns the state the steps work towards: After, or Before where nothing is desired
// to change.
func (r *Run) Container() *inventory.Container {
	if r.After != nil {
		return r.After
	}
	return r.Before
}

// Decode reads the operation's parameters.
func (r *Run) Decode(args any) error { return inventory.DecodeArgs(r.Operation.Args, args) }

// Save keeps v for later steps. It becomes durable when the next step's number does: a step that
// runs again after a crash may find what it saved missing, never half of it.
func (r *Run) Save(key string, v any) error {
	raw, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("save %s: %w", key, err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.data == nil {
		r.data = map[string]json.RawMessage{}
	}
	r.data[key] = raw
	return nil
}

// Load reads into v what an earlier step saved; ok is false when there is nothing.
func (r *Run) Load(key string, v any) (ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	raw, ok := r.data[key]
	return ok && json.Unmarshal(raw, v) == nil
}

// Progress tells people how far it is: percent 0..100, or -1 when that can't be known. Cheap
// enough to call in a loop.
func (r *Run) Progress(percent int, format string, args ...any) {
	r.mu.Lock()
	r.percent, r.text = percent, fmt.Sprintf(format, args...)
	r.mu.Unlock()
}

// Result sets what the operation returns to its caller.
func (r *Run) Result(v any) error {
	raw, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("result of %s: %w", r.Operation.Verb, err)
	}
	r.mu.Lock()
	r.result = raw
	r.mu.Unlock()
	return nil
}

func (r *Run) saved() json.RawMessage {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.data) == 0 {
		return nil
	}
	raw, _ := json.Marshal(r.data) // a map of valid RawMessages can't fail
	return raw
}
