// Package sshsig reads and writes the signatures of 'ssh-keygen -Y' (OpenSSH, PROTOCOL.sshsig): whatever
// it signs OpenSSH verifies alone, and the other way round.
package sshsig

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/crypto/ssh"
)

const (
	magic   = "SSHSIG"
	version = 1
	block   = "SSH SIGNATURE"
	// most bounds an armored signature: one by an RSA key of 16 384 bits takes 6 kB.
	most = 16 << 10
	// userPresent is the flag a FIDO token sets in what it signs when somebody has touched it.
	userPresent = 1
)

// A Signature is what one says.
type Signature struct {
	Key       ssh.PublicKey
	Namespace string

	hash      string
	signature *ssh.Signature
}

// blob is the signature as it is armored, after the magic.
type blob struct {
	Version   uint32
	PublicKey string
	Namespace string
	Reserved  string
	Hash      string
	Signature string
}

// signed is what is given to the key, after the magic.
type signed struct {
	Namespace string
	Reserved  string
	Hash      string
	Digest    string
}

func digest(hash string, message []byte) (string, error) {
	switch hash {
	case "sha512":
		sum := sha512.Sum512(message)
		return string(sum[:]), nil
	case "sha256":
		sum := sha256.Sum256(message)
		return string(sum[:]), nil
	}
	return "", fmt.Errorf("the hash %.20q is none of SSH's signatures", hash)
}

func toSign(namespace, hash string, message []byte) ([]byte, error) {
	sum, err := digest(hash, message)
	return append([]byte(magic), ssh.Marshal(signed{namespace, "", hash, sum})...), err
}

// Sign signs the message for a namespace and returns the armored signature. RSA keys sign with
// SHA-512, never with SHA-1.
func Sign(signer ssh.Signer, namespace string, message []byte) (string, error) {
	data, err := toSign(namespace, "sha512", message)
	if err != nil {
		return "", err
	}
	var sig *ssh.Signature
	if strong, ok := signer.(ssh.AlgorithmSigner); ok && signer.PublicKey().Type() == ssh.KeyAlgoRSA {
		sig, err = strong.SignWithAlgorithm(rand.Reader, data, ssh.KeyAlgoRSASHA512)
	} else {
		sig, err = signer.Sign(rand.Reader, data)
	}
	if err != nil {
		return "", err
	}
	raw := append([]byte(magic), ssh.Marshal(blob{version, string(signer.PublicKey().Marshal()), namespace, "", "sha512",
		string(ssh.Marshal(sig))})...)
	return string(pem.EncodeToMemory(&pem.Block{Type: block, Bytes: raw})), nil
}

// Parse reads an armored signature; nothing about it is verified yet. Certificates are refused: who
// vouches for a key is not the signature's to say.
func Parse(armored string) (*Signature, error) {
	if len(armored) > most {
		return nil, fmt.Errorf("a signature has at most %d bytes", most)
	}
	p, rest := pem.Decode([]byte(armored))
	if p == nil || p.Type != block || len(p.Headers) > 0 || len(bytes.TrimSpace(rest)) > 0 {
		return nil, errors.New("this is no SSH signature, which begins with -----BEGIN SSH SIGNATURE-----")
	}
	raw, ok := bytes.CutPrefix(p.Bytes, []byte(magic))
	var b blob
	if err := ssh.Unmarshal(raw, &b); !ok || err != nil || b.Version != version {
		return nil, errors.New("the SSH signature is damaged, or of another version")
	}
	key, err := ssh.ParsePublicKey([]byte(b.PublicKey))
	if err != nil {
		return nil, fmt.Errorf("the key in the SSH signature can't be read: %w", err)
	}
	if _, ok := key.(*ssh.Certificate); ok {
		return nil, errors.New("the SSH signature is by a certificate; sign with the key alone")
	}
	s := &Signature{Key: key, Namespace: b.Namespace, hash: b.Hash, signature: &ssh.Signature{}}
	if err := ssh.Unmarshal([]byte(b.Signature), s.signature); err != nil {
		return nil, fmt.Errorf("the SSH signature is damaged: %w", err)
	}
	return s, nil
}

// Verify reports whether the signature is its key's over the message, made for the namespace.
func (s *Signature) Verify(namespace string, message []byte) error {
	if s.Namespace != namespace {
		return fmt.Errorf("the signature was made for %.40q, not for %s", s.Namespace, namespace)
	}
	if s.Key.Type() == ssh.KeyAlgoRSA &&
		!slices.Contains([]string{ssh.KeyAlgoRSASHA256, ssh.KeyAlgoRSASHA512}, s.signature.Format) {
		return fmt.Errorf("the signature is %.40q, which is not strong enough", s.signature.Format)
	}
	// What is verified covers the flags; that one of them is a touch is left to us (OpenSSH, PROTOCOL.u2f).
	onToken := s.Key.Type() == ssh.KeyAlgoSKED25519 || s.Key.Type() == ssh.KeyAlgoSKECDSA256
	if onToken && (len(s.signature.Rest) == 0 || s.signature.Rest[0]&userPresent == 0) {
		return errors.New("the security key signed without somebody's touch")
	}
	data, err := toSign(namespace, s.hash, message)
	if err != nil {
		return err
	}
	if err := s.Key.Verify(data, s.signature); err != nil {
		return fmt.Errorf("the signature does not fit what was signed: %w", err)
	}
	return nil
}
