package api

import (
	"context"

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

func (a *API) enterSSH(ctx context.Context, verb string) error {
	if a.SSH == nil {
		return missing("SSH gateway")
	}
	return a.enter(ctx, verb)
}
