package sshgate

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/binary"
	"encoding/pem"
	"fmt"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"
)

// An authority is one key that signs certificates. It is a secret of the agent's, made at its first use
// and opened for each signature alone.
type authority struct {
	secrets secrets
	secret  string // its name
	note    string
	now     func() time.Time

	mu     sync.Mutex // guards what follows
	public ssh.PublicKey
	signed map[string]*ssh.Certificate // certificates of hosts, by key and name
}

// secrets are those of manager/secret.
type secrets interface {
	Own(ctx context.Context, name, note, by string, generate func() ([]byte, error)) ([]byte, error)
}

const (
	userAuthority = "ssh-user-ca"
	hostAuthority = "ssh-host-ca"
)

func newAuthority(s secrets, name, note string, now func() time.Time) *authority {
	return &authority{secrets: s, secret: name, note: note, now: now, signed: map[string]*ssh.Certificate{}}
}

func (a *authority) open(ctx context.Context) (ssh.Signer, error) {
	raw, err := a.secrets.Own(ctx, a.secret, a.note, "ssh", newAuthorityKey)
	if err != nil {
		return nil, err
	}
	signer, err := ssh.ParsePrivateKey(raw)
	if err != nil { // whose text may hold the key
		return nil, fmt.Errorf("the secret %s is no key that can sign; 'lodge secret delete %s' has another made", a.secret, a.secret)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.public == nil || string(a.public.Marshal()) != string(signer.PublicKey().Marshal()) {
		a.public, a.signed = signer.PublicKey(), map[string]*ssh.Certificate{}
	}
	return signer, nil
}

func newAuthorityKey() ([]byte, error) {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(block), nil
}

// Public is the key that clients trust.
func (a *authority) Public(ctx context.Context) (ssh.PublicKey, error) {
	a.mu.Lock()
	known := a.public
	a.mu.Unlock()
	if known != nil {
		return known, nil
	}
	signer, err := a.open(ctx)
	if err != nil {
		return nil, err
	}
	return signer.PublicKey(), nil
}

const (
	// hostTime is how long a certificate of a host is good for: what somebody copied is of use no longer.
	hostTime = 24 * time.Hour
	// hostsKept bounds the certificates kept, so that nobody fills the memory with names.
	hostsKept = 4096
	// clockSkew is how far the clocks of clients may be behind.
	clockSkew = 10 * time.Minute
)

// host returns a certificate that a key is that of the names.
func (a *authority) host(ctx context.Context, key ssh.PublicKey, names []string) (*ssh.Certificate, error) {
	id := key.Type() + " " + strings.Join(names, " ")
	a.mu.Lock()
	c, have := a.signed[id]
	a.mu.Unlock()
	if have && a.now().Add(hostTime/2).Unix() < int64(c.ValidBefore) {
		return c, nil
	}
	c = &ssh.Certificate{Key: key, CertType: ssh.HostCert, KeyId: "lodge " + names[0], ValidPrincipals: names,
		ValidAfter: uint64(a.now().Add(-clockSkew).Unix()), ValidBefore: uint64(a.now().Add(hostTime).Unix())}
	if err := a.sign(ctx, c); err != nil {
		return nil, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.signed) >= hostsKept {
		clear(a.signed)
	}
	a.signed[id] = c
	return c, nil
}

// sign gives a certificate its serial and signature.
func (a *authority) sign(ctx context.Context, c *ssh.Certificate) error {
	signer, err := a.open(ctx)
	if err != nil {
		return err
	}
	if c.Serial == 0 {
		var serial [8]byte
		rand.Read(serial[:])
		c.Serial = binary.BigEndian.Uint64(serial[:]) >> 1 // SQLite's integers have a sign
	}
	return c.SignCert(rand.Reader, signer)
}
