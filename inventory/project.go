package inventory

import (
	"maps"
	"slices"
	"strings"
	"time"
)

// A Project is a tenant: who works in it, what its containers get unless they say otherwise, and
// the name their own names live under. The project default always exists.
type Project struct {
	Name    string // a DNS label, unique on the host
	Purpose string // what it is for, in a sentence
	Owner   string // the principal who answers for it
	Members []Member
	// Settings holds only what was set on this project; its containers inherit it.
	Settings map[string]string
	Network  string // what its containers are on that name none; "" for the host's default
	Image    string // what its containers are made from that name none; "" for none

	// Revision grows by one with every change and is what If-Match compares.
	Revision  int64
	CreatedAt time.Time
	UpdatedAt time.Time
}

// A Member is a note of who has to do with a project, for people to read. It gives no right: a [Binding]
// on the project does.
type Member struct {
	Principal string `json:"principal"`
	Role      string `json:"role"`
}

// Layer is what the project adds to the settings of its containers.
func (p *Project) Layer() Layer {
	return Layer{Origin: "project " + p.Name, Values: p.Settings}
}

// Clone returns a copy that shares no map or slice with p.
func (p *Project) Clone() *Project {
	q := *p
	q.Settings, q.Members = maps.Clone(p.Settings), slices.Clone(p.Members)
	return &q
}

// Check reports whether people may call a project so and say that about it.
func (p *Project) Check() error {
	if err := CheckName("the project", p.Name); err != nil {
		return err
	}
	if len(p.Purpose) > 1000 || len(p.Owner) > 255 {
		return Errorf(ErrInvalid, "the purpose may have 1000 characters, the owner 255")
	}
	if p.Purpose == "" {
		return Errorf(ErrInvalid,
			"project %s needs a purpose: say in a sentence what it is for with --purpose", p.Name)
	}
	for what, text := range map[string]string{"purpose": p.Purpose, "owner": p.Owner} {
		if err := CheckLine("the "+what, text); err != nil {
			return err
		}
	}
	return checkMembers(p.Members)
}

func checkMembers(members []Member) error {
	seen := map[string]bool{}
	for _, m := range members {
		for _, word := range []string{m.Principal, m.Role} {
			if word == "" || len(word) > 255 || strings.ContainsAny(word, " ,=\t") || CheckLine("", word) != nil {
				return Errorf(ErrInvalid, "%q is no member; write it like dev1=operator", m.Principal+"="+m.Role)
			}
		}
		if seen[m.Principal] {
			return Errorf(ErrInvalid, "%s is a member twice; give it one role", m.Principal)
		}
		seen[m.Principal] = true
	}
	return nil
}

// MergeMembers returns members with set put over them by principal and those in unset taken out,
// sorted by principal.
func MergeMembers(members, set []Member, unset []string) []Member {
	roles := map[string]string{}
	for _, m := range slices.Concat(members, set) {
		roles[m.Principal] = m.Role
	}
	for _, name := range unset {
		delete(roles, name)
	}
	var out []Member
	for _, name := range slices.Sorted(maps.Keys(roles)) {
		out = append(out, Member{name, roles[name]})
	}
	return out
}

// DiffProjects lists what differs between two desired states of a project: facts first, then the
// settings by name with the effect and risk of each. Either may be nil.
func DiffProjects(before, after *Project, table Settings) []EffectLine {
	if before == nil {
		before = &Project{}
	}
	if after == nil {
		after = &Project{}
	}
	var lines []EffectLine
	for _, f := range [][3]string{
		{"name", before.Name, after.Name}, {"purpose", before.Purpose, after.Purpose},
		{"owner", before.Owner, after.Owner},
		{"members", memberText(before.Members), memberText(after.Members)},
		{"network", before.Network, after.Network}, {"image", before.Image, after.Image},
	} {
		if f[1] != f[2] {
			lines = append(lines, EffectLine{Field: f[0], Before: f[1], After: f[2], Effect: EffectLive})
		}
	}
	return append(lines, diffMaps("", before.Settings, after.Settings, table)...)
}

func memberText(members []Member) string {
	var out []string
	for _, m := range members {
		out = append(out, m.Principal+"="+m.Role)
	}
	return strings.Join(out, " ")
}
