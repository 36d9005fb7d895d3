package sshgate

import (
	"bytes"
	"context"
	"encoding/binary"
	"maps"
	"slices"
	"time"

	"golang.org/x/crypto/ssh"

	"lodge/inventory"
)

// Of a key revocation list (OpenSSH, PROTOCOL.krl).
const (
	krlMagic          = "SSHKRL\n\x00"
	krlFormat         = 1
	krlCertificates   = 1
	krlFingerprints   = 5    // SHA-256, of keys by themselves and in certificates
	krlCertSerialList = 0x20 // within krlCertificates
)

// RevocationList is a key revocation list as OpenSSH's RevokedKeys reads it: certificates of this host that are
// revoked, or whose user is disabled or gone, as long as they would be good, and keys that are revoked.
func (g *Gateway) RevocationList(ctx context.Context) ([]byte, error) {
	d, err := g.Store.Directory(ctx)
	if err != nil {
		return nil, err
	}
	now := g.Now()
	all, err := g.Certificates.Certificates(ctx, inventory.CertificateQuery{Since: now.Add(-clockSkew)})
	if err != nil {
		return nil, err
	}
	serials := map[string][]uint64{}
	for _, c := range all {
		if user, known := d.User(c.User); c.IsRevoked() || !known || user.IsDisabled() {
			serials[c.Authority] = append(serials[c.Authority], c.Serial)
		}
	}
	return revocationList(serials, d.RevokedKeys(), now)
}

// revocationList writes a list: serials by the line of the public key that signed them, and fingerprints.
func revocationList(serials map[string][]uint64, fingerprints []string, now time.Time) ([]byte, error) {
	be := binary.BigEndian
	out := be.AppendUint32([]byte(krlMagic), krlFormat)
	out = be.AppendUint64(out, uint64(now.UnixNano())) // its version: a later list has a greater one
	out = be.AppendUint64(out, uint64(now.Unix()))
	out = be.AppendUint64(out, 0)                          // flags
	out = appendString(appendString(out, nil), []byte("")) // reserved, comment
	for _, authority := range slices.Sorted(maps.Keys(serials)) {
		key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(authority))
		if err != nil {
			return nil, err
		}
		section := appendString(appendString(nil, key.Marshal()), nil)
		var list []byte
		for _, serial := range slices.Sorted(slices.Values(serials[authority])) {
			list = be.AppendUint64(list, serial)
		}
		section = appendString(append(section, krlCertSerialList), list)
		out = appendString(append(out, krlCertificates), section)
	}
	hashes, err := sums(fingerprints)
	if err != nil || len(hashes) == 0 {
		return out, err
	}
	return appendString(append(out, krlFingerprints), hashes), nil
}

// sums are the hashes of fingerprints as the list has them: in order, each with its length.
func sums(fingerprints []string) (section []byte, err error) {
	var all [][]byte
	for _, f := range fingerprints {
		sum, err := inventory.FingerprintSum(f)
		if err != nil {
			return nil, err
		}
		all = append(all, sum[:])
	}
	slices.SortFunc(all, bytes.Compare)
	for _, sum := range all {
		section = appendString(section, sum)
	}
	return section, nil
}

// appendString appends what RFC 4251 (5) calls a string.
func appendString(to, text []byte) []byte {
	return append(binary.BigEndian.AppendUint32(to, uint32(len(text))), text...)
}
