package inventory

// State is what the kernel shows of a container: LXC's own words in lower case, plus "error" for
// one that can't be measured or can't run (its rootfs is missing, say). It is observed, never
// stored as truth. What an operation is doing is the operation's state, never the container's.
type State string

const (
	StateStopped  State = "stopped"
	StateStarting State = "starting"
	StateRunning  State = "running"
	StateStopping State = "stopping"
	StateAborting State = "aborting"
	StateFreezing State = "freezing"
	StateFrozen   State = "frozen"
	StateThawed   State = "thawed"
	StateError    State = "error"
)

// IsLive reports whether the container has an init process.
func (s State) IsLive() bool {
	switch s {
	case StateRunning, StateFrozen, StateFreezing, StateThawed, StateStopping:
		return true
	}
	return false
}

// Intent is what was asked for last: it decides what happens when the host boots or the
// container's init dies.
type Intent string

const (
	IntentRun  Intent = "run"
	IntentStop Intent = "stop"
)

// Environment says how careful everybody has to be.
type Environment string

// Environments in order of care, the most careful first.
var Environments = []Environment{"prod", "dr", "staging", "test", "dev"}

// DataClasses are the sensitivities of the data a container may hold.
var DataClasses = []string{"public", "internal", "confidential", "restricted"}
