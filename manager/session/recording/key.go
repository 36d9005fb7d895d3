package recording

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"io"
	"strings"

	"filippo.io/age"
)

// A Key seals the blocks of one file. Secret must not be kept by who is not to read it.
type Key struct {
	Secret []byte `json:"secret"` // 32 bytes
	Sealed []byte `json:"sealed"` // the same, for its recipients alone
}

// ParseRecipients reads public age keys, separated by white space or commas: age1...
func ParseRecipients(text string) ([]age.Recipient, error) {
	var all []age.Recipient
	for _, word := range strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' || r == '\t' }) {
		r, err := age.ParseX25519Recipient(word)
		if err != nil {
			return nil, fmt.Errorf("%q is no public age key; 'age-keygen' makes one that begins with age1", word)
		}
		all = append(all, r)
	}
	return all, nil
}

// NewKey makes a key only the recipients can open; nil where there are none.
func NewKey(recipients string) (*Key, error) {
	all, err := ParseRecipients(recipients)
	if err != nil || len(all) == 0 {
		return nil, err
	}
	k := &Key{Secret: make([]byte, 32)}
	rand.Read(k.Secret)
	var sealed bytes.Buffer
	w, err := age.Encrypt(&sealed, all...)
	if err == nil {
		_, err = w.Write(k.Secret)
	}
	if err == nil {
		err = w.Close()
	}
	k.Sealed = sealed.Bytes()
	return k, err
}

// An Identity is a secret age key.
type Identity = age.Identity

// ParseIdentities reads the file of an identity, as age-keygen writes it.
func ParseIdentities(r io.Reader) ([]Identity, error) { return age.ParseIdentities(r) }

// open returns the secret, for one of its readers.
func openKey(sealed []byte, ids []Identity) ([]byte, error) {
	r, err := age.Decrypt(bytes.NewReader(sealed), ids...)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(io.LimitReader(r, 33))
}

// A sealer seals blocks; nil leaves them as they are.
type sealer struct{ aead cipher.AEAD }

func newSealer(secret []byte) (*sealer, error) {
	if len(secret) != 32 {
		return nil, fmt.Errorf("%w: its key has %d bytes", ErrBroken, len(secret))
	}
	block, err := aes.NewCipher(secret)
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCM(block)
	return &sealer{aead}, err
}

// The key is one file's, so the number of a block is a nonce that is used once.
func nonce(number uint64) []byte {
	return binary.BigEndian.AppendUint64(make([]byte, 4, 12), number)
}

func (s *sealer) seal(number uint64, plain []byte) []byte {
	if s == nil {
		return plain
	}
	return s.aead.Seal(nil, nonce(number), plain, nil)
}

func (s *sealer) open(number uint64, payload []byte) ([]byte, error) {
	if s == nil {
		return payload, nil
	}
	return s.aead.Open(nil, nonce(number), payload, nil)
}
