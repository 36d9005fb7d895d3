package main

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"maps"

	"golang.org/x/crypto/ssh"

	"lodge/inventory"
	"lodge/web/client"
	"lodge/web/wire"
)

// The crash fixtures of users, groups, keys, roles and tokens. What is made is called after its
// fixture.

func init() { maps.Copy(crashFixtures, identityFixtures) }

var identityFixtures = map[string]func(l *lab, name string) crashFixture{
	"user.create": func(l *lab, name string) crashFixture {
		return crashFixture{l.makingUser(name, testUID(name)), has("user "+name, fmt.Sprint([]uint32{testUID(name)}))}
	},
	"user.update": func(l *lab, name string) crashFixture {
		l.do(l.makingUser(name))
		return crashFixture{func(ctx context.Context) (client.Answer, error) {
			return l.api.UpdateUser(ctx, name, inventory.UserArgs{Link: []uint32{testUID(name)}}, client.Options{})
		}, has("user "+name, fmt.Sprint([]uint32{testUID(name)}))}
	},
	"user.disable": func(l *lab, name string) crashFixture {
		l.do(l.makingUser(name))
		return crashFixture{l.onAccount(l.api.DisableUser, name), has("user "+name, "disabled=true")}
	},
	"user.enable": func(l *lab, name string) crashFixture {
		l.do(l.makingUser(name))
		l.do(l.onAccount(l.api.DisableUser, name))
		return crashFixture{l.onAccount(l.api.EnableUser, name), has("user "+name, "disabled=false")}
	},
	"user.delete": func(l *lab, name string) crashFixture {
		l.do(l.makingUser(name))
		return crashFixture{l.onAccount(l.api.DeleteUser, name), lacks("user " + name)}
	},
	"group.create": func(l *lab, name string) crashFixture {
		l.do(l.makingUser(name + "-u"))
		return crashFixture{l.makingGroup(name, name+"-u"), has("group "+name, name+"-u")}
	},
	"group.update": func(l *lab, name string) crashFixture {
		l.do(l.makingUser(name + "-u"))
		l.do(l.makingUser(name + "-v"))
		l.do(l.makingGroup(name, name+"-u"))
		return crashFixture{func(ctx context.Context) (client.Answer, error) {
			return l.api.UpdateGroup(ctx, name, inventory.GroupArgs{Add: []string{name + "-v"}, Remove: []string{name + "-u"}}, client.Options{})
		}, has("group "+name, "["+name+"-v]")}
	},
	"group.delete": func(l *lab, name string) crashFixture {
		l.do(l.makingGroup(name))
		return crashFixture{l.onAccount(l.api.DeleteGroup, name), lacks("group " + name)}
	},
	"role.grant": func(l *lab, name string) crashFixture {
		l.do(l.makingUser(name))
		return crashFixture{l.onRole(l.api.Grant, name), has("role viewer "+name, "project:default")}
	},
	"role.revoke": func(l *lab, name string) crashFixture {
		l.do(l.makingUser(name))
		l.do(l.onRole(l.api.Grant, name))
		return crashFixture{l.onRole(l.api.Revoke, name), lacks("role viewer " + name)}
	},
	"token.create": func(l *lab, name string) crashFixture {
		l.do(l.makingUser(name + "-u"))
		return crashFixture{l.makingToken(name), has("token "+name, "good")}
	},
	"token.revoke": func(l *lab, name string) crashFixture {
		l.do(l.makingUser(name + "-u"))
		l.do(l.makingToken(name))
		return crashFixture{func(ctx context.Context) (client.Answer, error) {
			return l.api.RevokeToken(ctx, name+"-u", name, client.Options{})
		}, has("token "+name, "revoked")}
	},
	"secret.set": func(l *lab, name string) crashFixture {
		return crashFixture{l.settingSecret(name), has("secret "+name, "1")}
	},
	"secret.delete": func(l *lab, name string) crashFixture {
		l.do(l.settingSecret(name))
		return crashFixture{l.onAccount(l.api.DeleteSecret, name), lacks("secret " + name)}
	},
	"secret.rotate": func(l *lab, name string) crashFixture {
		l.do(l.settingSecret(name))
		return crashFixture{func(ctx context.Context) (client.Answer, error) {
			return l.api.RotateHostKey(ctx, client.Options{})
		}, has("secret "+name, "1")}
	},
	"authority.add": func(l *lab, name string) crashFixture {
		l.do(l.makingUser(name))
		return crashFixture{l.trusting(name), has("authority "+name, fingerprint(name))}
	},
	"authority.remove": func(l *lab, name string) crashFixture {
		l.do(l.makingUser(name))
		l.do(l.trusting(name))
		return crashFixture{l.onAccount(l.api.DistrustAuthority, name), lacks("authority " + name)}
	},
	"certificate.revoke": func(l *lab, name string) crashFixture {
		l.do(l.makingUser(name))
		l.do(l.addingKey(name))
		return crashFixture{func(ctx context.Context) (client.Answer, error) {
			return l.api.RevokeCertificates(ctx, inventory.CertificateRevokeArgs{Fingerprint: fingerprint(name)}, client.Options{})
		}, lacks("key " + fingerprint(name))}
	},
	"key.add": func(l *lab, name string) crashFixture {
		l.do(l.makingUser(name))
		return crashFixture{l.addingKey(name), has("key "+fingerprint(name), name)}
	},
	"key.remove": func(l *lab, name string) crashFixture {
		l.do(l.makingUser(name))
		l.do(l.addingKey(name))
		return crashFixture{func(ctx context.Context) (client.Answer, error) {
			return l.api.RemoveKey(ctx, name, fingerprint(name), client.Options{})
		}, lacks("key " + fingerprint(name))}
	},
}

func (l *lab) onRole(do func(context.Context, inventory.RoleArgs, client.Options) (client.Answer, error), to string) mutation {
	return func(ctx context.Context) (client.Answer, error) {
		return do(ctx, inventory.RoleArgs{Role: "viewer", To: to, On: "project:default"}, client.Options{})
	}
}

func (l *lab) makingToken(name string) mutation {
	args := inventory.TokenArgs{Name: name, User: name + "-u", Role: "viewer", Hash: inventory.TokenHash(name)}
	return func(ctx context.Context) (client.Answer, error) {
		return l.api.CreateToken(ctx, args, client.Options{})
	}
}

func (l *lab) settingSecret(name string) mutation {
	return func(ctx context.Context) (client.Answer, error) {
		return l.api.SetSecret(ctx, name, wire.SecretValue{Value: []byte(name)}, client.Options{})
	}
}

func (l *lab) makingUser(name string, uids ...uint32) mutation {
	return func(ctx context.Context) (client.Answer, error) {
		return l.api.CreateUser(ctx, inventory.UserArgs{Name: name, Link: uids}, client.Options{})
	}
}

func (l *lab) makingGroup(name string, members ...string) mutation {
	return func(ctx context.Context) (client.Answer, error) {
		return l.api.CreateGroup(ctx, inventory.GroupArgs{Name: name, Add: members}, client.Options{})
	}
}

func (l *lab) onAccount(do func(context.Context, string, client.Options) (client.Answer, error), name string) mutation {
	return func(ctx context.Context) (client.Answer, error) { return do(ctx, name, client.Options{}) }
}

// testUID is a uid that belongs to a name: one uid is one user's.
func testUID(name string) uint32 {
	sum := sha256.Sum256([]byte(name))
	return 100_000 + binary.BigEndian.Uint32(sum[:])%800_000
}

// testKey is the public key that belongs to a name.
func testKey(name string) ssh.PublicKey {
	seed := sha256.Sum256([]byte(name))
	k, err := ssh.NewPublicKey(ed25519.NewKeyFromSeed(seed[:]).Public())
	if err != nil {
		panic(err) // it is an Ed25519 key
	}
	return k
}

func fingerprint(name string) string { return ssh.FingerprintSHA256(testKey(name)) }

func (l *lab) addingKey(name string) mutation {
	k := testKey(name)
	line := k.Type() + " " + base64.StdEncoding.EncodeToString(k.Marshal())
	return func(ctx context.Context) (client.Answer, error) {
		return l.api.AddKey(ctx, inventory.KeyArgs{User: name, Key: line}, client.Options{})
	}
}

func (l *lab) trusting(name string) mutation {
	k := testKey(name)
	line := k.Type() + " " + base64.StdEncoding.EncodeToString(k.Marshal())
	return func(ctx context.Context) (client.Answer, error) {
		return l.api.TrustAuthority(ctx, inventory.AuthorityArgs{Name: name, Key: line, For: []string{name}}, client.Options{})
	}
}

// addIdentity puts who there is into the world.
func (l *lab) addIdentity(w world) {
	ctx := context.Background()
	users, err := l.api.Users(ctx)
	l.must(err)
	for _, u := range users {
		w["user "+u.Name] = fmt.Sprintf("%v disabled=%v %v", u.UIDs, u.Disabled, u.Groups)
	}
	groups, err := l.api.Groups(ctx)
	l.must(err)
	for _, g := range groups {
		w["group "+g.Name] = fmt.Sprint(g.Members)
	}
	bindings, err := l.api.Bindings(ctx, "")
	l.must(err)
	for _, b := range bindings {
		w["role "+string(b.Role)+" "+b.To] = b.On
	}
	tokens, err := l.api.Tokens(ctx, "")
	l.must(err)
	for _, k := range tokens {
		w["token "+k.Name] = fmt.Sprint(k.User, k.State, k.Rights)
	}
	secrets, err := l.api.Secrets(ctx)
	l.must(err)
	for _, s := range secrets {
		w["secret "+s.Name] = fmt.Sprint(s.Revision)
	}
	authorities, err := l.api.TrustedAuthorities(ctx)
	l.must(err)
	for _, a := range authorities {
		w["authority "+a.Name] = fmt.Sprint(a.Fingerprint, a.For)
	}
	keys, err := l.api.Keys(ctx, "")
	l.must(err)
	for _, k := range keys {
		w["key "+k.Fingerprint] = k.User
	}
}
