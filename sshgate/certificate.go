package sshgate

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"lodge/inventory"
	"lodge/manager/gate"
	"lodge/sshgate/worker"
)

// userTime is how long a certificate lets somebody sign in: a working day.
const userTime = 8 * time.Hour

// Verbs returns the rows of this package.
func Verbs() []gate.Verb {
	row := func(name, command string) gate.Verb {
		return gate.Verb{Name: name, Right: inventory.RightEnter, Mode: gate.ModeRead, Risk: inventory.RiskLow, Command: command}
	}
	return []gate.Verb{row("certificate.sign", "ssh cert"), row("certificate.view", "ssh-config")}
}

// A Certificate is one the gateway has signed.
type Certificate struct {
	Line   string // as in a -cert.pub file
	Serial uint64
	User   inventory.User
	Until  time.Time
}

// Certify signs that a public key is the caller's for eight hours. It says who somebody is, never what
// they may: that is judged each time they sign in. The signature is on record, and can be revoked, before
// anybody has it.
func (g *Gateway) Certify(ctx context.Context, line string) (c Certificate, err error) {
	p, _ := inventory.PrincipalFrom(ctx)
	if p.Kind == inventory.KindToken {
		return c, inventory.Errorf(inventory.ErrDenied, "a token may not get a certificate: it would outlive the token")
	}
	directory, err := g.Store.Directory(ctx)
	if err != nil {
		return c, err
	}
	user, known := directory.User(p.User)
	if !known || user.IsDisabled() {
		return c, inventory.Errorf(inventory.ErrInvalid, "%s is linked to no user; an admin links them with 'lodge user link'", p.Name)
	}
	checked, err := inventory.ParseSSHKey(line)
	if err != nil {
		return c, err
	}
	key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(checked.Line))
	if err != nil {
		return c, inventory.Errorf(inventory.ErrInvalid, "the key is damaged: %v", err)
	}
	if _, revoked := directory.RevokedKey(checked.Fingerprint); revoked {
		return c, inventory.Errorf(inventory.ErrDenied, "the key %s is revoked; make another with 'ssh-keygen -t ed25519'", checked.Fingerprint)
	}
	signed := userCertificate(key, user, g.Now())
	if err := g.users.sign(ctx, signed); err != nil {
		return c, err
	}
	row := rowOf(signed, user)
	if err := g.Certificates.AddCertificate(ctx, row, g.Now()); err != nil {
		return c, err
	}
	until := row.Until
	detail, _ := json.Marshal(map[string]any{"serial": strconv.FormatUint(signed.Serial, 10), "key": checked.Fingerprint, "until": until})
	err = g.Journal.Fact(ctx, inventory.Record{Verb: "certificate.sign", Principal: p, Subject: "user:" + string(user.ID),
		Name: user.Name, Result: "signed", Detail: detail})
	return Certificate{Line: lineOf(signed), Serial: signed.Serial, User: user, Until: until}, err
}

// userCertificate has one principal, the user's name, which holds no comma and no wildcard
// (inventory.CheckAccountName). What it permits is for the containers' own sshd; the gateway has rights.
func userCertificate(key ssh.PublicKey, user inventory.User, now time.Time) *ssh.Certificate {
	permits := map[string]string{}
	for _, name := range []string{"pty", "port-forwarding", "agent-forwarding", "user-rc"} {
		permits["permit-"+name] = ""
	}
	return &ssh.Certificate{Key: key, CertType: ssh.UserCert, KeyId: keyID(user), ValidPrincipals: []string{user.Name},
		ValidAfter: uint64(now.Add(-clockSkew).Unix()), ValidBefore: uint64(now.Add(userTime).Unix()),
		Permissions: ssh.Permissions{Extensions: permits}}
}

// rowOf is what is kept of a certificate.
func rowOf(c *ssh.Certificate, user inventory.User) inventory.Certificate {
	return inventory.Certificate{Serial: c.Serial, KeyID: c.KeyId, User: user.ID, Principals: c.ValidPrincipals,
		Fingerprint: ssh.FingerprintSHA256(c.Key), Authority: lineOf(c.SignatureKey),
		From: time.Unix(int64(c.ValidAfter), 0).UTC(), Until: time.Unix(int64(c.ValidBefore), 0).UTC()}
}

func lineOf(key ssh.PublicKey) string {
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key)))
}

// keyID is what sshd's log shows: the name for people, and the id, which is never given again.
func keyID(user inventory.User) string { return user.Name + "/" + string(user.ID) }

// certified finds whose a certificate is. The worker has checked it against itself (worker.checkCertificate);
// who it was signed by, and whether the user is still who it says, is looked at here.
func (g *Gateway) certified(ctx context.Context, d *inventory.Directory, c *worker.Certificate) (user inventory.User, ok bool) {
	if !g.isOwn(ctx, c) {
		return g.vouched(ctx, d, c)
	}
	_, id, _ := strings.Cut(c.KeyID, "/")
	user, known := d.User(inventory.UserID(id))
	now := g.Now().Unix()
	good := known && slices.Equal(c.Principals, []string{user.Name}) && int64(c.After) <= now && now < int64(c.Before)
	return user, good
}

// vouched finds whose a certificate of an authority from outside is. Besides what holds for our own, it may not
// be for long: nobody here is told when it is revoked.
func (g *Gateway) vouched(ctx context.Context, d *inventory.Directory, c *worker.Certificate) (inventory.User, bool) {
	user, known := d.UserOfPrincipals(c.Authority, c.Principals)
	now, most := uint64(g.Now().Unix()), uint64(g.MostLifetime(ctx)/time.Second)
	return user, known && c.After <= now && now < c.Before && c.Before-c.After <= most
}

// mayUse reports whether a certificate may be used from an address.
func mayUse(c *worker.Certificate, from netip.Addr) bool {
	return len(c.Sources) == 0 || slices.ContainsFunc(c.Sources, func(p netip.Prefix) bool { return p.Contains(from) })
}

// isOwn reports whether the host's own authority signed a certificate.
func (g *Gateway) isOwn(ctx context.Context, c *worker.Certificate) bool {
	authority, err := g.users.Public(ctx)
	return err == nil && c.Authority == ssh.FingerprintSHA256(authority)
}

// whose finds the user of a key or certificate, how that is proved, and for how long.
func (g *Gateway) whose(ctx context.Context, d *inventory.Directory, k *worker.PublicKey, from netip.Addr) (p inventory.Principal, ok bool) {
	user, known := d.UserOfKey(k.Fingerprint)
	p.Kind, p.Proof, p.Key = inventory.KindPerson, "ssh key "+k.Fingerprint, k.Fingerprint
	if c := k.Certificate; c != nil {
		user, known = g.certified(ctx, d, c)
		known = known && mayUse(c, from)
		p.Proof = fmt.Sprintf("ssh certificate %d of key %s", c.Serial, k.Fingerprint)
		if !g.isOwn(ctx, c) {
			p.Authority = c.Authority
			p.Proof += " by authority " + c.Authority
		}
		p.Serial, p.Until = c.Serial, time.Unix(int64(c.Before), 0).UTC()
	}
	p.Name, p.User = user.Name, user.ID
	revoked := d.IsRevoked(p)
	return p, known && !revoked && !user.IsDisabled()
}

// UserAuthority is the key that signs users' certificates, for TrustedUserCAKeys of other sshds.
func (g *Gateway) UserAuthority(ctx context.Context) (ssh.PublicKey, error) {
	return g.users.Public(ctx)
}
