package identity

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"lodge/inventory"
)

// certificate puts one of a user's into the store.
func (b *bench) certificate(serial uint64, u inventory.User, fingerprint string) inventory.Certificate {
	b.t.Helper()
	c := inventory.Certificate{Serial: serial, KeyID: u.Name + "/" + string(u.ID), User: u.ID, Principals: []string{u.Name},
		Fingerprint: fingerprint, Authority: "ssh-ed25519 AAAA", From: b.now.Add(-time.Minute), Until: b.now.Add(8 * time.Hour)}
	if err := b.store.AddCertificate(b.t.Context(), c, b.now); err != nil {
		b.t.Fatal(err)
	}
	return c
}

func (b *bench) revoke(by inventory.Principal, args inventory.CertificateRevokeArgs) error {
	b.t.Helper()
	out, err := b.find(b.t.Context(), func(c call) (outcome, error) {
		c.by, c.at, c.reason = by, b.now, "laptop stolen"
		return b.revokeCertificates(c, args)
	})
	if err == nil {
		b.edit(out.edit)
	}
	return err
}

func personOf(u inventory.User) inventory.Principal {
	return inventory.Principal{Name: u.Name, User: u.ID, Kind: inventory.KindPerson}
}

const (
	devKey = "SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
	opsKey = "SHA256:BAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
	newKey = "SHA256:CAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
)

// TestWhoRevokes: everybody their own, and nobody another's key by having it certified as theirs.
func TestWhoRevokes(t *testing.T) {
	for what, c := range map[string]struct {
		by   string
		args inventory.CertificateRevokeArgs
		kind error
	}{
		"their own":                     {"dev1", inventory.CertificateRevokeArgs{Serial: "1"}, nil},
		"another's":                     {"ops1", inventory.CertificateRevokeArgs{Serial: "1"}, inventory.ErrDenied},
		"another's, with the right":     {"root", inventory.CertificateRevokeArgs{Serial: "1"}, nil},
		"by a token":                    {"token", inventory.CertificateRevokeArgs{Serial: "1"}, inventory.ErrDenied},
		"by its key id":                 {"dev1", inventory.CertificateRevokeArgs{KeyID: "dev1/u-dev1"}, nil},
		"all of their own":              {"dev1", inventory.CertificateRevokeArgs{User: "dev1"}, nil},
		"all of another's":              {"ops1", inventory.CertificateRevokeArgs{User: "dev1"}, inventory.ErrDenied},
		"one that there is not":         {"root", inventory.CertificateRevokeArgs{Serial: "99"}, inventory.ErrNotFound},
		"one that is over":              {"dev1", inventory.CertificateRevokeArgs{Serial: "4"}, inventory.ErrNotFound},
		"their own key":                 {"dev1", inventory.CertificateRevokeArgs{Fingerprint: devKey}, nil},
		"another's key":                 {"ops1", inventory.CertificateRevokeArgs{Fingerprint: devKey}, inventory.ErrDenied},
		"another's key, certified":      {"dev1", inventory.CertificateRevokeArgs{Fingerprint: opsKey}, inventory.ErrDenied},
		"a key only they had certified": {"dev1", inventory.CertificateRevokeArgs{Fingerprint: newKey}, nil},
		"their own key by a token":      {"token", inventory.CertificateRevokeArgs{Fingerprint: devKey}, inventory.ErrDenied},
		"nobody's key":                  {"dev1", inventory.CertificateRevokeArgs{Fingerprint: "SHA256:DAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}, inventory.ErrDenied},
		"two things":                    {"root", inventory.CertificateRevokeArgs{Serial: "1", User: "dev1"}, inventory.ErrInvalid},
		"nothing":                       {"root", inventory.CertificateRevokeArgs{}, inventory.ErrInvalid},
		"no serial":                     {"root", inventory.CertificateRevokeArgs{Serial: "-1"}, inventory.ErrInvalid},
		"no fingerprint":                {"root", inventory.CertificateRevokeArgs{Fingerprint: "SHA256:x"}, inventory.ErrInvalid},
	} {
		t.Run(what, func(t *testing.T) {
			b := newBench(t)
			dev1, ops1 := b.user("dev1", 1001), b.user("ops1", 1002)
			dev1.Keys, ops1.Keys = []inventory.SSHKey{{Fingerprint: devKey}}, []inventory.SSHKey{{Fingerprint: opsKey}}
			b.edit(inventory.IdentityEdit{User: &dev1})
			b.edit(inventory.IdentityEdit{User: &ops1})
			b.certificate(1, dev1, devKey)
			b.certificate(2, dev1, opsKey) // anybody's public key is to be had
			b.certificate(3, dev1, newKey)
			b.now = b.now.Add(-9 * time.Hour)
			b.certificate(4, dev1, devKey)
			b.now = b.now.Add(9 * time.Hour)
			token := personOf(dev1)
			token.Kind = inventory.KindToken
			root := inventory.Principal{Name: inventory.RootName, Kind: inventory.KindPerson, Admin: true, Proof: "peer uid 0"}
			by := map[string]inventory.Principal{"dev1": personOf(dev1), "ops1": personOf(ops1), "token": token, "root": root}
			if err := b.revoke(by[c.by], c.args); !errors.Is(err, c.kind) {
				t.Errorf("%v, want %v", err, c.kind)
			}
		})
	}
}

// TestRevokedEndsWhatItOpened: the certificate's connections and no others; a key's with all certificates of it.
func TestRevokedEndsWhatItOpened(t *testing.T) {
	b := newBench(t)
	dev1, ops1 := b.user("dev1", 1001), b.user("ops1", 1002)
	dev1.Keys = []inventory.SSHKey{{Fingerprint: devKey}}
	b.edit(inventory.IdentityEdit{User: &dev1})
	open := func(serial uint64, key string) {
		p := personOf(dev1)
		p.Serial, p.Key = serial, key
		b.open = append(b.open, inventory.Session{Principal: p})
	}
	b.certificate(1, dev1, devKey)
	b.certificate(2, dev1, newKey)
	open(1, devKey)
	open(2, newKey)
	open(0, devKey)
	if err := b.revoke(personOf(dev1), inventory.CertificateRevokeArgs{Serial: "2"}); err != nil {
		t.Fatal(err)
	}
	if n, err := b.endUnentitled(t.Context()); n != 1 || err != nil {
		t.Errorf("%d sessions ended, %v", n, err)
	}
	for range 2 { // a second time is no mistake
		if err := b.revoke(personOf(dev1), inventory.CertificateRevokeArgs{Fingerprint: devKey}); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := b.endUnentitled(t.Context()); n != 2 || err != nil {
		t.Errorf("%d sessions ended, %v", n, err)
	}
	all, err := b.store.Certificates(t.Context(), inventory.CertificateQuery{User: dev1.ID})
	for _, c := range all {
		if !c.Revoked.Equal(b.now) || c.RevokedBy != "dev1" || c.Reason != "laptop stolen" {
			t.Errorf("%+v, %v", c, err)
		}
	}
	dev1.Keys = nil
	for _, u := range []inventory.User{dev1, ops1} {
		u.Keys = []inventory.SSHKey{{Fingerprint: devKey}}
		if err := b.store.EditIdentity(t.Context(), inventory.IdentityEdit{User: &u}); !errors.Is(err, inventory.ErrDenied) {
			t.Errorf("%s adds a revoked key: %v", u.Name, err)
		}
	}
	c := all[0]
	c.Serial, c.Fingerprint = 5, devKey
	if err := b.store.AddCertificate(t.Context(), c, b.now); !errors.Is(err, inventory.ErrDenied) {
		t.Errorf("a revoked key is certified: %v", err)
	}
}

// TestCertificatesAreBounded: nobody fills the table, neither at once nor in time.
func TestCertificatesAreBounded(t *testing.T) {
	b := newBench(t)
	dev1 := b.user("dev1", 1001)
	var c inventory.Certificate
	for i := range uint64(inventory.MostCertificates) {
		c = b.certificate(i+1, dev1, fmt.Sprintf("SHA256:%d", i))
	}
	c.Serial = 10_000
	if err := b.store.AddCertificate(t.Context(), c, b.now); !errors.Is(err, inventory.ErrQuota) {
		t.Errorf("one more: %v", err)
	}
	b.now = b.now.Add(8*time.Hour + inventory.CertificatesKept + time.Second)
	b.certificate(10_001, dev1, newKey)
	if all, err := b.store.Certificates(t.Context(), inventory.CertificateQuery{}); len(all) != 1 || err != nil {
		t.Errorf("%d are kept, %v", len(all), err)
	}
}
