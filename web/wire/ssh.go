package wire

import (
	"time"

	"lodge/inventory"
)

// SSHKey is a public key to be certified.
type SSHKey struct {
	Key string `json:"key" maxLength:"8192" doc:"The line of a .pub file."`
}

// An SSHCertificate says that a key is a user's.
type SSHCertificate struct {
	Certificate string    `json:"certificate" doc:"As in a -cert.pub file."`
	Serial      string    `json:"serial"`
	User        string    `json:"user" doc:"Its principal."`
	Until       time.Time `json:"until"`
}

// SSHAuthorities are the public keys that sign certificates, and where they are of use: all that
// somebody needs to know of the host who may enter a container and see nothing else.
type SSHAuthorities struct {
	HostID   inventory.HostID `json:"host_id"`
	HostName string           `json:"host_name"`
	Door     *SSHDoor         `json:"door,omitempty" doc:"Absent while nobody is let in."`

	Hosts string   `json:"hosts" doc:"Signs host keys: for @cert-authority in known_hosts."`
	Users string   `json:"users" doc:"Signs users' keys: for TrustedUserCAKeys in sshd_config."`
	Names []string `json:"names" nullable:"false" doc:"Of the gateway, in its own certificate; a container's is NAME[.PROJECT].lodge.internal."`
}
