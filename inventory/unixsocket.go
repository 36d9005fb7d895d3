package inventory

import "strings"

// A UnixSocket is a file inside a container, on which somebody listens.
type UnixSocket struct {
	Account string `json:"account"` // who opens it, by the container's names
	Path    string `json:"path"`
	Inode   uint64 `json:"inode,omitempty"` // of one that was made
	Agent   bool   `json:"agent,omitempty"` // for ssh-agent(1): in a folder of its own
}

// unixPathMost is what fits into an address (unix(7)), with a slash before and a NUL behind.
const unixPathMost = 106

// Check reports whether there can be such a socket.
func (s UnixSocket) Check() error {
	switch {
	case s.Account == "":
		return Errorf(ErrInvalid, "a socket needs an account that opens it")
	case s.Path == "" || strings.Contains(s.Path, "\x00"):
		return Errorf(ErrInvalid, "%.40q is no path of a socket", s.Path)
	case len(s.Path) > unixPathMost:
		return Errorf(ErrInvalid, "a socket's path has at most %d bytes, and here are %d", unixPathMost, len(s.Path))
	}
	return nil
}
