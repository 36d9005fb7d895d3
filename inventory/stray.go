package inventory

// A Stray is something on the host that does not fit the inventory: left over, missing, or made
// past the gate. Nothing is done about one but to tell.
type Stray struct {
	Kind   StrayKind `json:"kind"`
	Name   string    `json:"name" doc:"What it is: an id, a name or a path."`
	Detail string    `json:"detail" doc:"What it means, in a sentence."`
	Advice string    `json:"advice" doc:"What would help."`
}

// StrayKind says what is wrong with a stray.
type StrayKind string

const (
	StrayRoot     StrayKind = "root without container"
	StrayLost     StrayKind = "container without root"
	StraySnapshot StrayKind = "snapshot without record"
	StrayRogue    StrayKind = "container past the gate"
	StrayMount    StrayKind = "mount without container"
	StrayAnswer   StrayKind = "address somebody else answers for"
)
