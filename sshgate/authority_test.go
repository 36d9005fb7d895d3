package sshgate_test

import (
	"crypto/rand"
	"crypto/rsa"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"lodge/inventory"
	"lodge/manager/session/sessiontest"
)

// TestOutsideAuthority: certificates of an authority that is trusted for ann, by the rules of one's own and for
// no longer than may be.
func TestOutsideAuthority(t *testing.T) {
	l := newLab(t)
	fresh := l.newKey("fresh")
	trusted, stranger := newSigner(t), newSigner(t)
	bob := inventory.User{ID: "0190a000-0000-7000-8000-00000000000b", Name: "bob"}
	l.others = append(l.others, bob)
	line, err := inventory.ParseSSHKey(string(ssh.MarshalAuthorizedKey(trusted.PublicKey())))
	sessiontest.Must(t, err)
	l.trusted = []inventory.Authority{{ID: "a1", Name: "corp", Key: line, For: []inventory.GroupMember{{User: l.user.ID}},
		Principals: map[string]inventory.UserID{"ann@corp.example": l.user.ID, "bob@corp.example": bob.ID}}}
	key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(fresh.Line))
	sessiontest.Must(t, err)
	weak, err := rsa.GenerateKey(rand.Reader, 3072)
	sessiontest.Must(t, err)
	old, err := ssh.NewSignerFromKey(weak)
	sessiontest.Must(t, err)
	sha1, err := ssh.NewSignerWithAlgorithms(old.(ssh.AlgorithmSigner), []string{ssh.KeyAlgoRSA})
	sessiontest.Must(t, err)
	rsaLine, err := inventory.ParseSSHKey(string(ssh.MarshalAuthorizedKey(old.PublicKey())))
	sessiontest.Must(t, err)
	l.trusted = append(l.trusted, inventory.Authority{ID: "a2", Name: "old", Key: rsaLine, For: l.trusted[0].For})
	options := func(name, value string) func(*ssh.Certificate) {
		return func(c *ssh.Certificate) { c.CriticalOptions = map[string]string{name: value} }
	}
	principals := func(all ...string) func(*ssh.Certificate) {
		return func(c *ssh.Certificate) { c.ValidPrincipals = all }
	}
	for what, c := range map[string]struct {
		change func(*ssh.Certificate)
		signer ssh.Signer
		in     bool
	}{
		"her name":                   {func(*ssh.Certificate) {}, trusted, true},
		"her name there":             {principals("ann@corp.example"), trusted, true},
		"names that are nobody's":    {principals("wheel", "ann", "ann@corp.example"), trusted, true},
		"from here":                  {options("source-address", "10.0.0.0/8,127.0.0.1"), trusted, true},
		"signed with RSA":            {func(*ssh.Certificate) {}, old, true},
		"signed with SHA-1":          {func(*ssh.Certificate) {}, sha1, false},
		"of a stranger":              {func(*ssh.Certificate) {}, stranger, false},
		"somebody it may not name":   {principals("bob"), trusted, false},
		"his name there":             {principals("bob@corp.example"), trusted, false},
		"two users":                  {principals("ann", "bob"), trusted, false},
		"nobody":                     {principals("wheel"), trusted, false},
		"no principals":              {principals(), trusted, false},
		"a comma":                    {principals("ann,bob"), trusted, false},
		"a wildcard":                 {principals("a*"), trusted, false},
		"from elsewhere":             {options("source-address", "10.0.0.0/8"), trusted, false},
		"from nowhere":               {options("source-address", ""), trusted, false},
		"a forced command":           {options("force-command", "true"), trusted, false},
		"for ever":                   {func(c *ssh.Certificate) { c.ValidBefore = ssh.CertTimeInfinity }, trusted, false},
		"since ever":                 {func(c *ssh.Certificate) { c.ValidAfter = 0 }, trusted, false},
		"for two hours":              {func(c *ssh.Certificate) { c.ValidBefore += 7200 }, trusted, false},
		"over":                       {func(c *ssh.Certificate) { c.ValidAfter, c.ValidBefore = c.ValidAfter-1000, c.ValidAfter-100 }, trusted, false},
		"the type of a host":         {func(c *ssh.Certificate) { c.CertType = ssh.HostCert }, trusted, false},
		"one of our own, by its id":  {func(c *ssh.Certificate) { c.KeyId = "bob/" + string(bob.ID); c.ValidPrincipals = []string{"bob"} }, trusted, false},
		"a serial of ours, not used": {func(c *ssh.Certificate) { c.Serial = 7 }, trusted, true},
	} {
		t.Run(what, func(t *testing.T) {
			l.revoke(inventory.Revoked{Serials: map[uint64]bool{7: true}}) // ours, not theirs
			now := uint64(time.Now().Unix())
			cert := &ssh.Certificate{Key: key, CertType: ssh.UserCert, KeyId: "x", ValidPrincipals: []string{"ann"}, ValidAfter: now - 60, ValidBefore: now + 1800}
			c.change(cert)
			sessiontest.Must(t, cert.SignCert(rand.Reader, c.signer))
			got := l.withCertificate(strings.TrimSpace(string(ssh.MarshalAuthorizedKey(cert))), "root+web1", "true")
			if (got.code == 0) != c.in || !c.in && !strings.Contains(got.err, "Permission denied") {
				t.Errorf("%+v", got)
			}
		})
	}
	for _, r := range l.world.Records() {
		if r.Verb == "ssh.sign-in" && r.Result == "in" && (r.Principal.User != l.user.ID || r.Principal.Authority != line.Fingerprint && r.Principal.Authority != rsaLine.Fingerprint) {
			t.Errorf("on record: %+v", r.Principal)
		}
	}
}
