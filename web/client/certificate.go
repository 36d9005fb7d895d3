package client

import (
	"context"
	"io"
	"net/url"

	"lodge/inventory"
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

// Certificates returns those the host has signed for a user, or for all the caller may see for "": those in
// force, or with all also those that are over or revoked.
func (c *Client) Certificates(ctx context.Context, user string, over bool) ([]wire.CertificateEntry, error) {
	q := url.Values{}
	set(q, "user", user)
	if over {
		q.Set("all", "true")
	}
	return all[wire.CertificateEntry](ctx, c, "/ssh/certificates", q)
}

// RevokeCertificates takes certificates back, or forbids a key for good.
func (c *Client) RevokeCertificates(ctx context.Context, args inventory.CertificateRevokeArgs, o Options) (Answer, error) {
	return c.mutate(ctx, request{method: "POST", path: "/ssh/revocations", body: args}, o)
}

// maxRevocationList is far above any: 2 000 000 certificates.
const maxRevocationList = 16 << 20

// RevocationList returns a key revocation list of OpenSSH's.
func (c *Client) RevocationList(ctx context.Context) ([]byte, error) {
	resp, err := c.send(ctx, request{method: "GET", path: "/ssh/krl"})
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	return io.ReadAll(io.LimitReader(resp.Body, maxRevocationList))
}

// TrustedAuthorities returns those from outside whose certificates are taken.
func (c *Client) TrustedAuthorities(ctx context.Context) ([]wire.SSHAuthority, error) {
	return all[wire.SSHAuthority](ctx, c, "/ssh/trusted", nil)
}

// TrustAuthority takes the certificates of an authority from outside.
func (c *Client) TrustAuthority(ctx context.Context, args inventory.AuthorityArgs, o Options) (Answer, error) {
	return c.mutate(ctx, request{method: "POST", path: "/ssh/trusted", body: args}, o)
}

// DistrustAuthority trusts an authority no more and ends what its certificates opened.
func (c *Client) DistrustAuthority(ctx context.Context, name string, o Options) (Answer, error) {
	return c.mutate(ctx, request{method: "DELETE", path: "/ssh/trusted/" + segment(name)}, o)
}
