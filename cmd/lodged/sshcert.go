package main

import (
	"context"
	"strconv"
	"strings"

	"golang.org/x/crypto/ssh"

	"lodge/inventory"
	"lodge/web/wire"
)

// sshAuthorities are the gateway's keys that sign certificates, for the door.
type sshAuthorities struct{ *Agent }

func (s sshAuthorities) Certify(ctx context.Context, key string) (wire.SSHCertificate, error) {
	c, err := s.ssh.Certify(ctx, key)
	return wire.SSHCertificate{Certificate: c.Line, Serial: strconv.FormatUint(c.Serial, 10), User: c.User.Name, Until: c.Until}, err
}

func (s sshAuthorities) Signed(ctx context.Context, q inventory.CertificateQuery) ([]inventory.Certificate, error) {
	return s.store.Certificates(ctx, q)
}

func (s sshAuthorities) RevocationList(ctx context.Context) ([]byte, error) {
	return s.ssh.RevocationList(ctx)
}

func (s sshAuthorities) Authorities(ctx context.Context) (out wire.SSHAuthorities, err error) {
	hosts, err := s.ssh.HostAuthority(ctx)
	if err != nil {
		return out, err
	}
	users, err := s.ssh.UserAuthority(ctx)
	if err != nil {
		return out, err
	}
	return wire.SSHAuthorities{HostID: s.host.ID, HostName: s.host.Name, Door: s.sshDoor(),
		Hosts: keyLine(hosts), Users: keyLine(users), Names: s.ssh.Names}, nil
}

func keyLine(k ssh.PublicKey) string { return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(k))) }
