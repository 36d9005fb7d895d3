package role

import (
	"encoding/json"
	"os"
	"slices"

	"lodge/network/lease"
	"lodge/network/names"
)

// A State is everything the role answers from: the names, and who gets which address by asking. It is
// always replaced whole. As JSON it is a zone with one field more.
type State struct {
	names.Zone
	Links []lease.Link `json:"links"`
}

// Same reports whether two states answer alike; serials don't count.
func (s State) Same(o State) bool {
	return s.Zone.Same(o.Zone) && slices.EqualFunc(s.Links, o.Links, lease.Link.Same)
}

// ReadState reads the file of the last state. The role only ever reads it while it is root.
func ReadState(path string) (State, error) {
	var s State
	data, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(data, &s)
	}
	return s, err
}
