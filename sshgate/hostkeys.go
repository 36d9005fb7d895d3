package sshgate

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/crypto/ssh"
)

// keyMakers are the host's keys by the name of their file, the preferred first. ECDSA is for clients
// under FIPS 140, which know no Ed25519.
var keyMakers = []struct {
	name string
	make func() (crypto.PrivateKey, error)
}{
	{"ssh_host_ed25519_key", func() (crypto.PrivateKey, error) {
		_, private, err := ed25519.GenerateKey(rand.Reader)
		return private, err
	}},
	{"ssh_host_ecdsa_key", func() (crypto.PrivateKey, error) { return ecdsa.GenerateKey(elliptic.P256(), rand.Reader) }},
}

// hostKeys reads the keys of a folder and makes those that are missing.
func hostKeys(folder string) (all []ssh.Signer, err error) {
	for _, k := range keyMakers {
		path := filepath.Join(folder, k.name)
		raw, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			raw, err = makeKey(path, k.make)
		}
		if err != nil {
			return nil, err
		}
		signer, err := ssh.ParsePrivateKey(raw)
		if err != nil {
			return nil, fmt.Errorf("host key %s: %w", path, err)
		}
		all = append(all, signer)
	}
	return all, nil
}

func makeKey(path string, generate func() (crypto.PrivateKey, error)) ([]byte, error) {
	private, err := generate()
	if err != nil {
		return nil, err
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		return nil, err
	}
	raw := pem.EncodeToMemory(block)
	f, err := os.OpenFile(path+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, err
	}
	_, err = f.Write(raw)
	// A crash before the rename leaves no key, and one is made anew: nobody has seen it.
	return raw, errors.Join(err, f.Sync(), f.Close(), os.Rename(path+".new", path))
}
