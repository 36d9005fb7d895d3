package api

import (
	"context"
	"net/http"
	"time"

	"lodge/inventory"
	"lodge/web/wire"
)

type keyToCertify struct {
	Body wire.SSHKey
}

func (a *API) sshRoutes() {
	at := func(id, verb, method, path, summary string) route {
		return route{id: id, verb: verb, method: method, path: path, summary: summary, tag: "identity"}
	}
	read(a, at("certificate.sign", "certificate.sign", "POST", "/v1/ssh/certificates", "Certify that a key is the caller's, for eight hours"),
		func(ctx context.Context, in *keyToCertify) (*body[wire.SSHCertificate], error) {
			if err := a.enterSSH(ctx, "certificate.sign"); err != nil {
				return nil, err
			}
			c, err := a.SSH.Certify(ctx, in.Body.Key)
			return &body[wire.SSHCertificate]{Body: c}, err
		})
	read(a, at("certificate.authorities", "certificate.view", "GET", "/v1/ssh/authorities", "Show the keys that sign certificates, and the SSH gateway"),
		func(ctx context.Context, _ *struct{}) (*body[wire.SSHAuthorities], error) {
			if err := a.enterSSH(ctx, "certificate.view"); err != nil {
				return nil, err
			}
			all, err := a.SSH.Authorities(ctx)
			return &body[wire.SSHAuthorities]{Body: all}, err
		})
}

type certificatesAsked struct {
	User string `query:"user" maxLength:"64" doc:"Only this user's; everybody's the caller may see when absent."`
	All  bool   `query:"all" doc:"Those that are over or revoked, too."`
}

// revocationRoutes list what the gateway has signed, and take it back.
func (a *API) revocationRoutes() {
	at := routesBelow("/v1/ssh", "identity")
	read(a, at("certificate.list", "certificate.view", "GET", "/certificates", "List users' certificates"), a.listCertificates)
	mutate[onHost[inventory.CertificateRevokeArgs]](a, at("certificate.revoke", "", "POST", "/revocations",
		"Take certificates back, or forbid a key for good; what they opened ends"), true, nil)
	a.raw(raw{route: at("certificate.revocations", "certificate.view", "GET", "/krl", "Write a key revocation list of OpenSSH's, for RevokedKeys of other sshds"),
		status: http.StatusOK, answers: "application/octet-stream", handle: a.getRevocationList})
}

type authorityRemoval struct {
	Name string `path:"name" maxLength:"64" doc:"Name of the authority."`
	Options
}

func (in *authorityRemoval) asked() asked {
	return asked{args: inventory.AuthorityArgs{Name: in.Name}, options: in.Options}
}

func (a *API) authorityRoutes() {
	at := routesBelow("/v1/ssh", "identity")
	read(a, at("authority.list", "authority.view", "GET", "/trusted", "List authorities from outside whose certificates are taken"), a.listAuthorities)
	mutate[onHost[inventory.AuthorityArgs]](a, at("authority.add", "", "POST", "/trusted",
		"Take the certificates of an authority from outside for some users"), true, nil)
	mutate[authorityRemoval](a, at("authority.remove", "", "DELETE", "/trusted/{name}",
		"Trust an authority no more; what its certificates opened ends"), false, nil)
}

// listAuthorities shows who is no admin those that may speak of them.
func (a *API) listAuthorities(ctx context.Context, _ *struct{}) (*body[wire.Page[wire.SSHAuthority]], error) {
	d, everybody, err := a.directory(ctx, "authority.view")
	if err != nil {
		return nil, err
	}
	p, _ := inventory.PrincipalFrom(ctx)
	seen := only(d.Authorities(), func(x inventory.Authority) bool {
		return everybody || d.Vouches(x.Key.Fingerprint, p.User)
	})
	return page(seen, func(x inventory.Authority) wire.SSHAuthority { return wire.FromAuthority(x, d) }), nil
}

func (a *API) getRevocationList(w http.ResponseWriter, r *http.Request) error {
	if err := a.enterSSH(r.Context(), "certificate.view"); err != nil {
		return err
	}
	list, err := a.SSH.RevocationList(r.Context())
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Write(list)
	return nil
}

func (a *API) listCertificates(ctx context.Context, in *certificatesAsked) (*body[wire.Page[wire.CertificateEntry]], error) {
	d, everybody, err := a.directory(ctx, "certificate.view")
	if err != nil {
		return nil, err
	}
	if a.SSH == nil {
		return nil, missing("SSH gateway")
	}
	p, _ := inventory.PrincipalFrom(ctx)
	now := a.now()
	q := inventory.CertificateQuery{Since: now}
	if in.All {
		q.Since = time.Time{}
	}
	all, err := a.SSH.Signed(ctx, q)
	seen := only(all, func(c inventory.Certificate) bool {
		return (everybody || p.User != "" && c.User == p.User) && (in.All || c.IsGood(now)) &&
			(in.User == "" || in.User == d.Name(inventory.GroupMember{User: c.User}))
	})
	return page(seen, func(c inventory.Certificate) wire.CertificateEntry { return wire.FromCertificate(c, d, now) }), err
}

func (a *API) enterSSH(ctx context.Context, verb string) error {
	if a.SSH == nil {
		return missing("SSH gateway")
	}
	return a.enter(ctx, verb)
}
