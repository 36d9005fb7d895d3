package wire

import (
	"maps"
	"slices"
	"time"

	"lodge/inventory"
)

// An SSHAuthority is one from outside whose certificates tell who the listed users are.
type SSHAuthority struct {
	ID          inventory.AuthorityID `json:"id"`
	Name        string                `json:"name"`
	Type        string                `json:"type"`
	Fingerprint string                `json:"fingerprint"`
	Key         string                `json:"key" doc:"As in a .pub file, without the comment."`
	For         []string              `json:"for" nullable:"false" doc:"Users and groups."`
	Principals  map[string]string     `json:"principals,omitempty" doc:"Users by what its certificates call them."`
	Reason      string                `json:"reason,omitempty"`
	CreatedBy   string                `json:"created_by"`
	CreatedAt   time.Time             `json:"created_at"`
}

// FromAuthority writes an authority with the names of whom it is trusted for.
func FromAuthority(a inventory.Authority, d *inventory.Directory) SSHAuthority {
	w := SSHAuthority{ID: a.ID, Name: a.Name, Type: a.Key.Type, Fingerprint: a.Key.Fingerprint, Key: a.Key.Line,
		For: []string{}, Reason: a.Reason, CreatedBy: a.CreatedBy, CreatedAt: a.CreatedAt.UTC()}
	for _, m := range a.For {
		w.For = append(w.For, d.Name(m))
	}
	slices.Sort(w.For)
	for _, principal := range slices.Sorted(maps.Keys(a.Principals)) {
		if w.Principals == nil {
			w.Principals = map[string]string{}
		}
		w.Principals[principal] = d.Name(inventory.GroupMember{User: a.Principals[principal]})
	}
	return w
}
