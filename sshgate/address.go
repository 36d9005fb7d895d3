package sshgate

import (
	"strings"

	"lodge/inventory"
)

// An Address is whom and what somebody asks for with the user name of an SSH connection:
// [LOGIN+]CONTAINER[.PROJECT].
type Address struct {
	Login     string // the account inside; "" for the caller's own
	Container string // "" for none: a menu of what the caller may reach
	Project   string
}

// menuName is the user name that asks for no container; what people type who don't know better.
const menuName = "lodge"

// ParseAddress reads the user name of a connection.
func ParseAddress(user string) (Address, error) {
	if user == menuName {
		return Address{}, nil
	}
	a := Address{Project: inventory.DefaultProject}
	login, rest, named := strings.Cut(user, "+")
	if named {
		a.Login = login
	} else {
		rest = user
	}
	name, project, has := strings.Cut(rest, ".")
	if a.Container = name; has {
		a.Project = project
	}
	if named {
		if err := CheckLogin(a.Login); err != nil {
			return Address{}, err
		}
	}
	for what, name := range map[string]string{"a container": a.Container, "a project": a.Project} {
		if err := inventory.CheckName(what, name); err != nil {
			return Address{}, err
		}
	}
	return a, nil
}

// CheckLogin reports whether an account inside may be asked for by this name.
func CheckLogin(name string) error { return inventory.CheckUnixName(name) }
