package wire

import (
	"strconv"
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

// A CertificateEntry is one that the host has signed.
type CertificateEntry struct {
	Serial      string    `json:"serial"`
	KeyID       string    `json:"key_id"`
	User        string    `json:"user"`
	Fingerprint string    `json:"fingerprint" doc:"Of the key it is for."`
	Principals  []string  `json:"principals" nullable:"false"`
	State       string    `json:"state" enum:"good,over,revoked"`
	From        time.Time `json:"from"`
	Until       time.Time `json:"until"`
	RevokedAt   time.Time `json:"revoked_at,omitzero"`
	RevokedBy   string    `json:"revoked_by,omitempty"`
	Reason      string    `json:"reason,omitempty"`
}

// FromCertificate writes a certificate as it is at that time.
func FromCertificate(c inventory.Certificate, d *inventory.Directory, now time.Time) CertificateEntry {
	state := "good"
	switch {
	case c.IsRevoked():
		state = "revoked"
	case !c.IsGood(now):
		state = "over"
	}
	return CertificateEntry{Serial: strconv.FormatUint(c.Serial, 10), KeyID: c.KeyID,
		User: d.Name(inventory.GroupMember{User: c.User}), Fingerprint: c.Fingerprint, Principals: list(c.Principals),
		State: state, From: c.From.UTC(), Until: c.Until.UTC(), RevokedAt: utc(c.Revoked), RevokedBy: c.RevokedBy, Reason: c.Reason}
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
