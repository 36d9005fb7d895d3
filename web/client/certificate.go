package client

import (
	"context"

	"lodge/web/wire"
)

// CertifySSHKey has a public key, the line of a .pub file, certified as the caller's.
func (c *Client) CertifySSHKey(ctx context.Context, line string) (wire.SSHCertificate, error) {
	return call[wire.SSHCertificate](ctx, c, request{method: "POST", path: "/ssh/certificates", body: wire.SSHKey{Key: line}})
}

// SSHAuthorities returns the public keys that sign certificates.
func (c *Client) SSHAuthorities(ctx context.Context) (wire.SSHAuthorities, error) {
	return call[wire.SSHAuthorities](ctx, c, request{method: "GET", path: "/ssh/authorities"})
}
