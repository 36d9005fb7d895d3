package worker

import (
	"io"
	"slices"

	"golang.org/x/crypto/ssh"
)

// A hostKey signs handshakes by asking the gateway, which has the key.
type hostKey struct {
	control *control
	index   int
	public  ssh.PublicKey
}

func (k hostKey) PublicKey() ssh.PublicKey { return k.public }

func (k hostKey) Sign(rand io.Reader, data []byte) (*ssh.Signature, error) {
	return k.SignWithAlgorithm(rand, data, k.public.Type())
}

func (k hostKey) SignWithAlgorithm(_ io.Reader, data []byte, algorithm string) (*ssh.Signature, error) {
	a, err := k.control.ask(Request{Op: OpSign, Key: k.index, Algorithm: algorithm, Data: data})
	if err != nil {
		return nil, err
	}
	var s ssh.Signature
	return &s, ssh.Unmarshal(a.Blob, &s)
}

// Algorithms of an RSA key are those with SHA-2; SHA-1 is what old clients would settle for.
func (k hostKey) Algorithms() []string {
	if k.public.Type() == ssh.KeyAlgoRSA {
		return slices.Clone(rsaAlgorithms)
	}
	return []string{k.public.Type()}
}

var rsaAlgorithms = []string{ssh.KeyAlgoRSASHA256, ssh.KeyAlgoRSASHA512}
