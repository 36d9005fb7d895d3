package inventory

import (
	"cmp"
	"maps"
)

// An Imported is what an exported container's configuration comes to here: what a container made of
// it is to be set to, and by name what is not taken over, with the reason.
type Imported struct {
	Name        string            `json:"name,omitempty"`
	Description string            `json:"description,omitempty"`
	Settings    map[string]string `json:"settings,omitempty"`
	Labels      map[string]string `json:"labels,omitempty"`
	Left        []LeftOut         `json:"left_out,omitempty"`
}

// A LeftOut is one thing of an export that is not taken over.
type LeftOut struct {
	What string `json:"what"`
	Why  string `json:"why"`
}

// Complete fills in what the caller has not said. What is completed stays as it is when that is
// done again.
func (i *Imported) Complete(a *ImportContainerArgs) {
	a.Name = cmp.Or(a.Name, i.Name)
	a.Purpose = cmp.Or(a.Purpose, i.Description, "imported from "+cmp.Or(a.Source, "an archive"))
	a.Settings, a.Labels = over(i.Settings, a.Settings), over(i.Labels, a.Labels)
}

// over returns base with own over it.
func over(base, own map[string]string) map[string]string {
	out := maps.Clone(base)
	if out == nil {
		return own
	}
	maps.Copy(out, own)
	return out
}
