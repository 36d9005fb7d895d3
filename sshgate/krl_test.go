package sshgate_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"lodge/inventory"
	"lodge/manager/session/sessiontest"
	"lodge/packaging/need"
	"lodge/sshgate"
)

// isRevoked asks OpenSSH whether a list revokes a key or certificate.
func isRevoked(t *testing.T, list string, key ssh.PublicKey) bool {
	t.Helper()
	path := filepath.Join(t.TempDir(), "key.pub")
	sessiontest.Must(t, os.WriteFile(path, ssh.MarshalAuthorizedKey(key), 0o600))
	out, err := exec.Command("ssh-keygen", "-Q", "-f", list, path).CombinedOutput()
	if said := strings.Contains(string(out), "REVOKED"); said != (err != nil) || !said && !strings.Contains(string(out), ": ok") {
		t.Fatalf("%v\n%s", err, out)
	}
	return err != nil
}

func newSigner(t *testing.T) ssh.Signer {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	sessiontest.Must(t, err)
	s, err := ssh.NewSignerFromKey(private)
	sessiontest.Must(t, err)
	return s
}

// TestRevocationList: OpenSSH reads the list as it is meant.
func TestRevocationList(t *testing.T) {
	need.Program(t, "ssh-keygen")
	one, other, key, forbidden := newSigner(t), newSigner(t), newSigner(t).PublicKey(), newSigner(t).PublicKey()
	certificate := func(key ssh.PublicKey, by ssh.Signer, serial uint64) ssh.PublicKey {
		c := &ssh.Certificate{Key: key, CertType: ssh.UserCert, Serial: serial, KeyId: "ann/1", ValidPrincipals: []string{"ann"}, ValidBefore: ssh.CertTimeInfinity}
		sessiontest.Must(t, c.SignCert(rand.Reader, by))
		return c
	}
	line := func(s ssh.Signer) string { return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(s.PublicKey()))) }
	write := func(serials map[string][]uint64, keys ...string) string {
		list, err := sshgate.RevocationList(serials, keys, time.Now())
		sessiontest.Must(t, err)
		path := filepath.Join(t.TempDir(), "krl")
		sessiontest.Must(t, os.WriteFile(path, list, 0o600))
		return path
	}
	empty := write(nil)
	full := write(map[string][]uint64{line(one): {1<<63 - 1, 7, 9}, line(other): {8}}, ssh.FingerprintSHA256(forbidden),
		ssh.FingerprintSHA256(newSigner(t).PublicKey()), ssh.FingerprintSHA256(newSigner(t).PublicKey()))
	for what, c := range map[string]struct {
		key     ssh.PublicKey
		revoked bool
	}{
		"a serial":                    {certificate(key, one, 7), true},
		"the greatest":                {certificate(key, one, 1<<63-1), true},
		"one between":                 {certificate(key, one, 8), false},
		"another authority's":         {certificate(key, other, 8), true},
		"not that of this one":        {certificate(key, other, 7), false},
		"a stranger's":                {certificate(key, newSigner(t), 7), false},
		"the key that it is for":      {key, false},
		"a key":                       {forbidden, true},
		"a certificate of that key":   {certificate(forbidden, one, 100), true},
		"a stranger's with that key":  {certificate(forbidden, newSigner(t), 100), true},
		"another authority's own key": {other.PublicKey(), false},
	} {
		if isRevoked(t, full, c.key) != c.revoked {
			t.Errorf("%s is revoked: %v", what, !c.revoked)
		}
		if isRevoked(t, empty, c.key) {
			t.Errorf("%s is revoked by an empty list", what)
		}
	}
	if _, err := sshgate.RevocationList(nil, []string{"SHA256:short"}, time.Now()); err == nil {
		t.Error("what is no fingerprint is written")
	}
}

// TestRevokedIsOut: a certificate and a key that are revoked let nobody in, and what they had opened ends.
func TestRevokedIsOut(t *testing.T) {
	l := newLab(t)
	fresh := l.newKey("fresh")
	ctx := inventory.WithPrincipal(t.Context(), l.asAnn())
	c, err := l.gateway.Certify(ctx, fresh.Line)
	sessiontest.Must(t, err)
	if len(l.signed) != 1 || l.signed[0].Serial != c.Serial || l.signed[0].Fingerprint != fresh.Fingerprint || !l.signed[0].Until.Equal(c.Until) {
		t.Fatalf("on record are %+v", l.signed)
	}
	done := make(chan result, 1)
	go func() { done <- l.withCertificate(c.Line, "web1", "touch /tmp/begun; sleep 600") }()
	l.waitFor("tmp/begun")
	if got := l.listed(c); got {
		t.Error("a good certificate is on the list")
	}
	l.revoke(inventory.Revoked{Serials: map[uint64]bool{c.Serial: true}})
	if n := l.endRevoked(); n != 1 {
		t.Errorf("%d connections end", n)
	}
	if got := <-done; got.code != 255 {
		t.Errorf("what it had opened: %+v", got)
	}
	if got := l.withCertificate(c.Line, "web1", "true"); got.code != 255 || !strings.Contains(got.err, "Permission denied") {
		t.Errorf("the certificate: %+v", got)
	}
	l.revoke(inventory.Revoked{Keys: map[string]inventory.RevokedKey{fresh.Fingerprint: {}, l.user.Keys[0].Fingerprint: {}}})
	if got := l.withCertificate(c.Line, "web1", "true"); got.code != 255 {
		t.Errorf("a certificate of the key: %+v", got)
	}
	if got := l.ssh("", "web1", "true"); got.code != 255 {
		t.Errorf("the key: %+v", got)
	}
	if _, err := l.gateway.Certify(ctx, fresh.Line); err == nil {
		t.Error("a revoked key is certified")
	}
	l.revoke(inventory.Revoked{})
	l.keeping.Lock()
	l.user.Disabled = time.Now()
	l.keeping.Unlock()
	if !l.listed(c) {
		t.Error("a disabled user's certificate is not on the list")
	}
}

// waitFor waits for a file of the container's.
func (l *lab) waitFor(path string) {
	l.Helper()
	for range 3000 {
		if exists(filepath.Join(l.world.Box.Rootfs, path)) {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	l.Fatalf("there is no %s", path)
}

func (l *lab) revoke(r inventory.Revoked) {
	l.keeping.Lock()
	l.revoked = r
	l.keeping.Unlock()
	l.gateway.Forgive()
}

// endRevoked ends connections as manager/identity does.
func (l *lab) endRevoked() int {
	d, err := l.Directory(l.Context())
	sessiontest.Must(l.T, err)
	return l.gateway.EndAll(func(s inventory.Session) bool { return d.IsRevoked(s.Principal) })
}

// listed reports whether the gateway's list revokes a certificate.
func (l *lab) listed(c sshgate.Certificate) bool {
	l.Helper()
	list, err := l.gateway.RevocationList(l.Context())
	sessiontest.Must(l.T, err)
	path := filepath.Join(l.dir, "krl")
	sessiontest.Must(l.T, os.WriteFile(path, list, 0o600))
	key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(c.Line))
	sessiontest.Must(l.T, err)
	return isRevoked(l.T, path, key)
}
