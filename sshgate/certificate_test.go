package sshgate_test

import (
	"crypto/rand"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"lodge/inventory"
	"lodge/manager/session/sessiontest"
)

// as is a context in which ann calls.
func (l *lab) asAnn() inventory.Principal {
	return inventory.Principal{Name: "ann", Kind: inventory.KindPerson, User: l.user.ID}
}

// withCertificate signs in with a key nobody has registered, and a certificate.
func (l *lab) withCertificate(line, user string, args ...string) result {
	l.Helper()
	key := filepath.Join(l.dir, "fresh")
	if !exists(key) {
		l.newKey("fresh")
	}
	sessiontest.Must(l.T, os.WriteFile(key+"-cert.pub", []byte(line+"\n"), 0o600))
	argv := strings.Split(strings.ReplaceAll(strings.Join(l.client("ssh", "-l", user, "127.0.0.1"), "\n"), filepath.Join(l.dir, "ann"), key), "\n")
	return l.run("", append(argv, args...)...)
}

// TestUserCertificates: a key nobody has registered lets in whom its certificate names, until they are disabled.
func TestUserCertificates(t *testing.T) {
	l := newLab(t)
	fresh := l.newKey("fresh")
	ctx := inventory.WithPrincipal(t.Context(), l.asAnn())
	c, err := l.gateway.Certify(ctx, fresh.Line)
	sessiontest.Must(t, err)
	if left := time.Until(c.Until); left > 8*time.Hour || left < 7*time.Hour {
		t.Errorf("it is good for %v", left)
	}
	if got := l.withCertificate(c.Line, "web1", "id -un"); got.out != "ann\n" {
		t.Errorf("%+v", got)
	}
	proof := ""
	for _, r := range l.world.Records() {
		if r.Verb == "ssh.sign-in" || r.Verb == "container.exec" {
			proof = r.Principal.Proof
			if !r.Principal.Until.Equal(c.Until) {
				t.Errorf("%s is good until %v, and the certificate until %v", r.Verb, r.Principal.Until, c.Until)
			}
		}
	}
	if !strings.HasPrefix(proof, "ssh certificate ") || !strings.HasSuffix(proof, fresh.Fingerprint) {
		t.Errorf("proved by %q", proof)
	}
	l.user.Disabled = time.Now()
	if got := l.withCertificate(c.Line, "web1", "true"); got.code != 255 {
		t.Errorf("a disabled user comes in: %+v", got)
	}
	if _, err := l.gateway.Certify(ctx, fresh.Line); err == nil {
		t.Error("a disabled user gets a certificate")
	}
	token := l.asAnn()
	token.Kind = inventory.KindToken
	if _, err := l.gateway.Certify(inventory.WithPrincipal(t.Context(), token), fresh.Line); err == nil {
		t.Error("a token gets a certificate")
	}
}

// TestConnectionsEndWithTheirCertificate: not a second before, and also those that another agent let in.
func TestConnectionsEndWithTheirCertificate(t *testing.T) {
	l := newLab(t)
	c, err := l.gateway.Certify(inventory.WithPrincipal(t.Context(), l.asAnn()), l.newKey("fresh").Line)
	sessiontest.Must(t, err)
	done := make(chan result, 1)
	go func() { done <- l.withCertificate(c.Line, "web1", "touch /tmp/begun; sleep 600") }()
	for range 1000 {
		if exists(filepath.Join(l.world.Box.Rootfs, "tmp/begun")) {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	l.gateway.Abandon()
	l.gateway = l.open()
	sessiontest.Must(t, l.gateway.Adopt(t.Context()))
	endAt := func(now time.Time) int {
		return l.gateway.EndAll(func(s inventory.Session) bool { return s.Principal.IsOver(now) })
	}
	if n := endAt(c.Until.Add(-time.Second)); n != 0 {
		t.Errorf("%d connections are ended before their time", n)
	}
	if n := endAt(c.Until); n != 1 {
		t.Errorf("%d connections are ended in time", n)
	}
	if got := <-done; got.code != 255 {
		t.Errorf("%+v", got)
	}
}

// TestCertificatesThatAreRefused are signed by the true authority, but for one, and let nobody in.
func TestCertificatesThatAreRefused(t *testing.T) {
	l := newLab(t)
	fresh := l.newKey("fresh")
	ctx := inventory.WithPrincipal(t.Context(), l.asAnn())
	_, err := l.gateway.Certify(ctx, fresh.Line) // makes the authority
	sessiontest.Must(t, err)
	authority, err := ssh.ParsePrivateKey(l.kept["ssh-user-ca"])
	sessiontest.Must(t, err)
	hosts, err := l.gateway.HostAuthority(t.Context())
	sessiontest.Must(t, err)
	other, err := ssh.ParsePrivateKey(l.kept["ssh-host-ca"])
	sessiontest.Must(t, err)
	if string(hosts.Marshal()) == string(authority.PublicKey().Marshal()) {
		t.Fatal("hosts and users have one authority")
	}
	key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(fresh.Line))
	sessiontest.Must(t, err)
	for what, c := range map[string]struct {
		change func(*ssh.Certificate)
		signer ssh.Signer
	}{
		"no principals":        {func(c *ssh.Certificate) { c.ValidPrincipals = nil }, authority},
		"two principals":       {func(c *ssh.Certificate) { c.ValidPrincipals = []string{"ann", "bob"} }, authority},
		"a comma":              {func(c *ssh.Certificate) { c.ValidPrincipals = []string{"ann,root"} }, authority},
		"a wildcard":           {func(c *ssh.Certificate) { c.ValidPrincipals = []string{"*"} }, authority},
		"another's name":       {func(c *ssh.Certificate) { c.ValidPrincipals = []string{"bob"} }, authority},
		"the container's name": {func(c *ssh.Certificate) { c.ValidPrincipals = []string{"web1"} }, authority},
		"a user who is gone":   {func(c *ssh.Certificate) { c.KeyId = "ann/0190a000-0000-7000-8000-0000000000ff" }, authority},
		"no user":              {func(c *ssh.Certificate) { c.KeyId = "ann" }, authority},
		"the type of a host":   {func(c *ssh.Certificate) { c.CertType = ssh.HostCert }, authority},
		"over":                 {func(c *ssh.Certificate) { c.ValidBefore = uint64(time.Now().Add(-time.Minute).Unix()) }, authority},
		"not yet":              {func(c *ssh.Certificate) { c.ValidAfter = uint64(time.Now().Add(time.Hour).Unix()) }, authority},
		"for ever":             {func(c *ssh.Certificate) { c.ValidBefore = ssh.CertTimeInfinity }, authority},
		"a critical option":    {func(c *ssh.Certificate) { c.CriticalOptions = map[string]string{"force-command": "true"} }, authority},
		"signed by the host's": {func(*ssh.Certificate) {}, other},
		"an admin by an extension": {func(c *ssh.Certificate) {
			c.ValidPrincipals, c.Extensions = []string{"eve"}, map[string]string{"role": "admin"}
		}, authority},
	} {
		t.Run(what, func(t *testing.T) {
			cert := &ssh.Certificate{Key: key, CertType: ssh.UserCert, KeyId: "ann/" + string(l.user.ID), ValidPrincipals: []string{"ann"},
				ValidAfter: uint64(time.Now().Add(-time.Minute).Unix()), ValidBefore: uint64(time.Now().Add(time.Hour).Unix())}
			c.change(cert)
			sessiontest.Must(t, cert.SignCert(rand.Reader, c.signer))
			l.gateway.Forgive()
			line := strings.TrimSpace(string(ssh.MarshalAuthorizedKey(cert)))
			if got := l.withCertificate(line, "web1", "true"); got.code != 255 || !strings.Contains(got.err, "Permission denied") {
				t.Errorf("%+v", got)
			}
		})
	}
}

// TestVerifiedKeyDecides: a key that is only shown, and taken, decides nothing: who signs is who comes in
// (CVE-2024-45337). ssh shows ann's public key, can't sign with it, and signs with bob's.
func TestVerifiedKeyDecides(t *testing.T) {
	l := newLab(t)
	bob := inventory.User{ID: "0190a000-0000-7000-8000-00000000000b", Name: "bob", Keys: []inventory.SSHKey{l.newKey("bob")}}
	l.others = append(l.others, bob)
	only := filepath.Join(l.dir, "annspublic")
	line, err := os.ReadFile(filepath.Join(l.dir, "ann.pub"))
	sessiontest.Must(t, err)
	sessiontest.Must(t, os.WriteFile(only+".pub", line, 0o600))
	argv := strings.Split(strings.ReplaceAll(strings.Join(l.client("ssh", "-v", "-l", "root+web1", "-i", filepath.Join(l.dir, "bob"), "127.0.0.1", "true"), "\n"),
		"-i\n"+filepath.Join(l.dir, "ann")+"\n", "-i\n"+only+".pub\n"), "\n")
	got := l.run("", argv...)
	if got.code != 0 || !strings.Contains(got.err, "Server accepts key: "+only) {
		t.Fatalf("%d %s", got.code, got.err)
	}
	for _, r := range l.world.Records() {
		if r.Principal.Name == "ann" {
			t.Errorf("%s is on record as ann's", r.Verb)
		}
	}
}
