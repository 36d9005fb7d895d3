package worker

import (
	"errors"
	"net/netip"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"lodge/inventory"
)

// A Certificate is what one says, once the worker has found it in order.
type Certificate struct {
	Serial     uint64   `json:"serial"`
	KeyID      string   `json:"key_id"`
	Principals []string `json:"principals"`
	After      uint64   `json:"after"` // seconds since 1970
	Before     uint64   `json:"before"`
	Authority  string   `json:"authority"` // fingerprint of the key that signed it
	// Sources are where it may be used from; nil: anywhere.
	Sources []netip.Prefix `json:"sources,omitempty"`
}

// checkCertificate refuses what is no user's certificate in force: of the wrong type, without principals
// (golang.org/x/crypto takes it for everybody's), with principals that hold a comma or a wildcard
// (CVE-2026-35414), signed with SHA-1, out of its time, or signed by something that did not.
func checkCertificate(c *ssh.Certificate, now time.Time) error {
	switch {
	case c.CertType != ssh.UserCert:
		return errors.New("a certificate of a host")
	case len(c.ValidPrincipals) == 0:
		return errors.New("no principals")
	case c.Signature != nil && c.Signature.Format == ssh.KeyAlgoRSA:
		return errors.New("signed with SHA-1")
	}
	for _, p := range c.ValidPrincipals {
		if p == "" || strings.ContainsAny(p, ",*?! \t\r\n\x00") {
			return errors.New("a principal that could be several")
		}
	}
	if _, nested := c.SignatureKey.(*ssh.Certificate); nested {
		return errors.New("signed by a certificate")
	}
	checker := ssh.CertChecker{SupportedCriticalOptions: []string{sourceAddress}, Clock: func() time.Time { return now }}
	return checker.CheckCert(c.ValidPrincipals[0], c)
}

// public is what the gateway is told of a key.
func public(key ssh.PublicKey, now time.Time) (*PublicKey, error) {
	c, ok := key.(*ssh.Certificate)
	if !ok {
		return &PublicKey{Type: key.Type(), Fingerprint: ssh.FingerprintSHA256(key)}, nil
	}
	if err := checkCertificate(c, now); err != nil {
		return nil, err
	}
	sources, err := sourcesOf(c.CriticalOptions)
	if err != nil {
		return nil, err
	}
	// As strong as a key that is registered.
	if _, err := inventory.ParseSSHKey(string(ssh.MarshalAuthorizedKey(c.Key))); err != nil {
		return nil, err
	}
	return &PublicKey{Type: key.Type(), Fingerprint: ssh.FingerprintSHA256(c.Key), Certificate: &Certificate{Serial: c.Serial,
		KeyID: c.KeyId, Principals: c.ValidPrincipals, After: c.ValidAfter, Before: c.ValidBefore,
		Authority: ssh.FingerprintSHA256(c.SignatureKey), Sources: sources}}, nil
}

// sourceAddress is the name of the critical option that the gateway respects.
const sourceAddress = "source-address"

// sourcesOf reads the one critical option that is respected (PROTOCOL.certkeys: source-address, a list of
// addresses and networks). Any other is refused, force-command among them.
func sourcesOf(options map[string]string) (all []netip.Prefix, err error) {
	for name, value := range options {
		if name != sourceAddress {
			return nil, errors.New("a critical option")
		}
		for text := range strings.SplitSeq(value, ",") {
			p, err := netip.ParsePrefix(text)
			if a, bare := netip.ParseAddr(text); bare == nil {
				p, err = netip.PrefixFrom(a, a.BitLen()), nil
			}
			if err != nil {
				return nil, err
			}
			all = append(all, p)
		}
	}
	return all, nil
}
