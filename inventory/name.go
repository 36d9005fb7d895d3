package inventory

import "strings"

// DefaultProject is the project of a container that names none.
const DefaultProject = "default"

// MaxNameLength is that of a DNS label (RFC 1035, 2.3.4).
const MaxNameLength = 63

// CheckName reports whether name is a DNS label in lower case (RFC 1123, 2.1): letters, digits
// and inner dashes. What is the thing being named, for the sentence the reader sees.
func CheckName(what, name string) error {
	switch {
	case name == "":
		return Errorf(ErrInvalid, "%s needs a name", what)
	case len(name) > MaxNameLength:
		return Errorf(ErrInvalid, "%s name %.20q... has %d characters, at most %d fit a DNS label",
			what, name, len(name), MaxNameLength)
	case name[0] == '-' || name[len(name)-1] == '-':
		return Errorf(ErrInvalid,
			"%s name %q begins or ends with a dash; begin and end with a letter or digit", what, name)
	case IsID(name):
		return Errorf(ErrInvalid, "%s name %q looks like an id; choose a name of words", what, name)
	}
	for _, c := range []byte(name) {
		if !(c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-') {
			return Errorf(ErrInvalid, "%s name %q may hold only a-z, 0-9 and dashes", what, name)
		}
	}
	return nil
}

// LXCName is the name under which liblxc knows the container: NAME in project default, else
// PROJECT_NAME. The underscore can't occur in either part, so two containers never share one.
func LXCName(project, name string) string {
	if project == "" || project == DefaultProject {
		return name
	}
	return project + "_" + name
}

// A Ref names a container as a caller wrote it: by name within a project, or by id.
type Ref struct {
	Project string // "" is the default project
	Name    string // a name or a ContainerID
}

// String writes the reference as a person would: without the default project.
func (r Ref) String() string {
	if r.Project == "" || r.Project == DefaultProject {
		return r.Name
	}
	return r.Project + "/" + r.Name
}

// ParseRef reads "NAME", "PROJECT/NAME" or an id.
func ParseRef(s string) Ref {
	if project, name, ok := strings.Cut(s, "/"); ok {
		return Ref{Project: project, Name: name}
	}
	return Ref{Project: DefaultProject, Name: s}
}
