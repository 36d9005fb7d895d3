package apitest

import (
	"context"

	"lodge/inventory"
	"lodge/web/wire"
)

// gateway is one that another machine says it has: nothing of that is to be trusted.
type gateway struct{}

func (gateway) Certify(context.Context, string) (wire.SSHCertificate, error) {
	return wire.SSHCertificate{}, nil
}

func (gateway) Authorities(context.Context) (wire.SSHAuthorities, error) {
	door := wire.SSHDoor{Address: "-oProxyCommand=touch was-run:22"}
	return wire.SSHAuthorities{HostID: "h1", HostName: "test", Door: &door}, nil
}

func (gateway) Signed(context.Context, inventory.CertificateQuery) ([]inventory.Certificate, error) {
	return nil, nil
}

func (gateway) RevocationList(context.Context) ([]byte, error) { return nil, nil }
