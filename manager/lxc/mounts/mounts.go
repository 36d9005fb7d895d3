// Package mounts says what devices show in a container's file system, and which interfaces they give
// it: what the agent writes and lodge-lxc reads, when a container starts and while it runs alike.
package mounts

import "net/netip"

// A Set is all that devices give to one container.
type Set struct {
	// IDBase is the first host id of the container; 0 for one without a user namespace.
	IDBase     uint32      `json:"id_base"`
	Mounts     []Mount     `json:"mounts"`
	Interfaces []Interface `json:"interfaces,omitempty"`
	// Guard is a script of nft that has to run before the interfaces are up; "" for none, and one that is
	// not there is none.
	Guard string `json:"guard,omitempty"`
}

// IsEmpty reports whether there is nothing to give.
func (s Set) IsEmpty() bool { return len(s.Mounts)+len(s.Interfaces) == 0 }

// An Interface is a veth pair between the host and the container.
type Interface struct {
	Device    string         `json:"device,omitempty"` // its name; "" for the container's first one
	Host      string         `json:"host"`             // name of the host's end
	Bridge    string         `json:"bridge,omitempty"` // the host's end is a port of; "" for none
	Name      string         `json:"name"`             // inside the container
	MAC       string         `json:"mac"`
	MTU       int            `json:"mtu,omitempty"`       // 0: the bridge's, or Like's
	Like      string         `json:"like,omitempty"`      // an interface of the host
	Addresses []netip.Prefix `json:"addresses,omitempty"` // inside, with the length of their network
	Routes    []Route        `json:"routes,omitempty"`    // inside, over this interface
	// HostAddresses and HostRoutes are those of the host's end.
	HostAddresses []netip.Prefix `json:"host_addresses,omitempty"`
	HostRoutes    []netip.Prefix `json:"host_routes,omitempty"`
	// Plain is one whose host's end is the operator's, who may have moved it elsewhere.
	Plain bool `json:"plain,omitempty"`
}

// A Route is one of the container's.
type Route struct {
	To  netip.Prefix `json:"to"`  // of length 0: the default route
	Via netip.Addr   `json:"via"` // reached over the interface, whatever the addresses there say
}

// A Mount is one thing a device shows.
type Mount struct {
	Device string `json:"device"` // its name
	Kind   Kind   `json:"kind"`
	Target string `json:"target"` // inside the container; never reached through a link

	// Source is a path of the host; none for a tmpfs.
	Source string `json:"source,omitempty"`
	// Beneath are folders of which the source has to lie in one, and is found from there without
	// following any link. None: the source is the agent's own, and its ids are the container's.
	Beneath []string `json:"beneath,omitempty"`
	// Reserved are folders of which the source may be none, lie in none and hold none.
	Reserved []string `json:"reserved,omitempty"`

	SizeBytes int64  `json:"size_bytes,omitempty"` // of a tmpfs
	Mode      string `json:"mode,omitempty"`       // of a tmpfs, octal
	ReadOnly  bool   `json:"read_only,omitempty"`
}

// Kind says how a mount comes about.
type Kind string

const (
	Folder Kind = "folder" // of the host, with all its files
	Node   Kind = "node"   // one device node or file of the host
	Tmpfs  Kind = "tmpfs"
)

// HasIDs reports whether the files keep the container's ids on disk, to be mapped on the way.
func (m Mount) HasIDs() bool { return m.Kind == Folder && len(m.Beneath) == 0 }

// Label is the source of a tmpfs in a table of mounts.
func (m Mount) Label() string { return "lodge:" + m.Device }
