package sshsig_test

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"io"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"lodge/manager/change/sshsig"
	"lodge/packaging/need"
)

// A securityKey is what a FIDO token does (OpenSSH, PROTOCOL.u2f), in software: it signs the hash of what
// it is given, with what it knows of the touch and how often it has signed.
type securityKey struct {
	kind    string
	public  ssh.PublicKey
	sign    func(digest []byte) []byte
	flags   byte
	counter uint32
}

const application = "ssh:"

const present = 1 // the flag of a touch: U2F raw message formats, 5.4

func newSecurityKey(t *testing.T, kind string) *securityKey {
	t.Helper()
	k := &securityKey{kind: kind, flags: present, counter: 7}
	var blob []byte
	switch kind {
	case ssh.KeyAlgoSKED25519:
		public, private, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		blob = ssh.Marshal(struct{ Kind, Public, Application string }{kind, string(public), application})
		k.sign = func(data []byte) []byte { return ed25519.Sign(private, data) }
	case ssh.KeyAlgoSKECDSA256:
		private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		point, err := private.PublicKey.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		blob = ssh.Marshal(struct{ Kind, Curve, Public, Application string }{kind, "nistp256", string(point), application})
		k.sign = func(data []byte) []byte {
			sum := sha256.Sum256(data)
			r, s, err := ecdsa.Sign(rand.Reader, private, sum[:])
			if err != nil {
				t.Fatal(err)
			}
			return ssh.Marshal(struct{ R, S *big.Int }{r, s})
		}
	}
	var err error
	if k.public, err = ssh.ParsePublicKey(blob); err != nil {
		t.Fatal(err)
	}
	return k
}

func (k *securityKey) PublicKey() ssh.PublicKey { return k.public }

func (k *securityKey) Sign(_ io.Reader, data []byte) (*ssh.Signature, error) {
	where, what := sha256.Sum256([]byte(application)), sha256.Sum256(data)
	rest := binary.BigEndian.AppendUint32([]byte{k.flags}, k.counter)
	signed := append(append(append([]byte{}, where[:]...), rest...), what[:]...)
	return &ssh.Signature{Format: k.kind, Blob: k.sign(signed), Rest: rest}, nil
}

// A key on a token signs like any other, and OpenSSH takes it; without somebody's touch it is none of
// theirs: a program that has the token in reach could have it signed.
func TestSecurityKeys(t *testing.T) {
	need.Program(t, "ssh-keygen")
	for _, kind := range []string{ssh.KeyAlgoSKED25519, ssh.KeyAlgoSKECDSA256} {
		t.Run(kind, func(t *testing.T) {
			k := newSecurityKey(t, kind)
			armored, err := sshsig.Sign(k, namespace, []byte("hello"))
			if err != nil {
				t.Fatal(err)
			}
			s, err := sshsig.Parse(armored)
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Verify(namespace, []byte("hello")); err != nil {
				t.Errorf("ours is not taken: %v", err)
			}
			if s.Verify(namespace, []byte("hellO")) == nil {
				t.Error("another message verifies")
			}
			dir := t.TempDir()
			signers, sig := filepath.Join(dir, "allowed_signers"), filepath.Join(dir, "sig")
			for path, text := range map[string]string{signers: "bo " + string(ssh.MarshalAuthorizedKey(k.public)), sig: armored} {
				if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			cmd := exec.Command("ssh-keygen", "-Y", "verify", "-f", signers, "-I", "bo", "-n", namespace, "-s", sig)
			cmd.Stdin = strings.NewReader("hello")
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("OpenSSH does not take it: %v %s", err, out)
			}
			k.flags = 0
			if armored, err = sshsig.Sign(k, namespace, []byte("hello")); err != nil {
				t.Fatal(err)
			}
			if s, err = sshsig.Parse(armored); err != nil {
				t.Fatal(err)
			}
			if err := s.Verify(namespace, []byte("hello")); err == nil || !strings.Contains(err.Error(), "touch") {
				t.Errorf("without a touch: %v", err)
			}
		})
	}
}
