package inventory

import (
	"strconv"
	"strings"
)

// A Dependency is what a container comes after: another of its project, and what has to hold of that
// one before the start. "db1" wants it to run, "db1:port=5432" a TCP port of it to answer as well.
type Dependency struct {
	Name string
	Port uint16 // 0: none
}

// ParseDependency reads one as people write it.
func ParseDependency(text string) (d Dependency, err error) {
	name, condition, conditional := strings.Cut(text, ":")
	if err := CheckName("the container", name); err != nil {
		return d, err
	}
	if !conditional {
		return Dependency{Name: name}, nil
	}
	number, ok := strings.CutPrefix(condition, "port=")
	port, err := strconv.ParseUint(number, 10, 16)
	if !ok || err != nil || port == 0 {
		return d, Errorf(ErrInvalid,
			"%q says nothing to wait for; write the name of a container, or NAME:port=5432", text)
	}
	return Dependency{Name: name, Port: uint16(port)}, nil
}

// String writes d as ParseDependency reads it.
func (d Dependency) String() string {
	if d.Port == 0 {
		return d.Name
	}
	return d.Name + ":port=" + strconv.Itoa(int(d.Port))
}

// Dependencies returns what c comes after. What can't be read is left out: Check refuses it.
func (c *Container) Dependencies() []Dependency {
	var out []Dependency
	for _, text := range c.After {
		if d, err := ParseDependency(text); err == nil {
			out = append(out, d)
		}
	}
	return out
}

// ComesAfter reports whether c comes after the container of that name in its project.
func (c *Container) ComesAfter(name string) bool {
	for _, d := range c.Dependencies() {
		if d.Name == name {
			return true
		}
	}
	return false
}
