package audit

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"time"

	"golang.org/x/mod/sumdb/tlog"
)

const formatVersion = 2

// header is the payload of a segment's first frame. With it the segment can be verified by itself.
type header struct {
	Version int         `json:"lodge_audit"`
	Origin  string      `json:"origin"`
	First   int64       `json:"first"` // number of the first event, also in the file's name
	At      time.Time   `json:"at"`
	Keys    []KeyLink   `json:"keys"` // all keys so far; the last one signs
	Edge    []tlog.Hash `json:"edge"` // of the tree of First-1 leaves
	Prev    *extent     `json:"prev,omitempty"`
}

// extent says what a segment file holds: in a seal, of its own; in a header, of the one before.
type extent struct {
	First  int64     `json:"first"`
	Last   int64     `json:"last"`   // First-1 when there is none
	Bytes  int64     `json:"bytes"`  // that count; what follows them in the file does not
	SHA256 Digest    `json:"sha256"` // of those bytes
	From   time.Time `json:"from"`   // earliest and latest time of its events
	To     time.Time `json:"to"`
}

// seal is the payload of the frame before the last checkpoint of a segment to which nothing will be
// added. Its extent ends before the seal itself.
type seal struct {
	extent
	Root tlog.Hash `json:"root"` // of the tree of Last leaves
}

// A KeyLink is a key of a journal, signed by the one before it.
type KeyLink struct {
	Key string `json:"key"`           // as OpenSSH writes public keys
	Sig string `json:"sig,omitempty"` // base64; none for the first
}

const rotationDomain = "lodge.audit/rotate\n"

func linkText(origin, key string) []byte { return []byte(rotationDomain + origin + "\n" + key + "\n") }

// newLink signs a key with the one it follows.
func newLink(origin string, old ed25519.PrivateKey, next ed25519.PublicKey) KeyLink {
	l := KeyLink{Key: PublicKeyText(next)}
	l.Sig = base64.StdEncoding.EncodeToString(ed25519.Sign(old, linkText(origin, l.Key)))
	return l
}

// follows returns the link's key if the old one signed it.
func (l KeyLink) follows(origin string, old ed25519.PublicKey) (ed25519.PublicKey, error) {
	key, err := ParsePublicKey(l.Key)
	sig, err2 := base64.StdEncoding.Strict().DecodeString(l.Sig)
	if err := errors.Join(err, err2); err != nil {
		return nil, err
	}
	if !ed25519.Verify(old, linkText(origin, l.Key), sig) {
		return nil, errors.New("the key before it did not sign it")
	}
	return key, nil
}

// chain returns the keys of a header, each of which the one before has signed.
func (h *header) chain() ([]ed25519.PublicKey, error) {
	var keys []ed25519.PublicKey
	for i, l := range h.Keys {
		key, err := ParsePublicKey(l.Key)
		if i > 0 && err == nil {
			key, err = l.follows(h.Origin, keys[i-1])
		}
		if err != nil {
			return nil, err
		}
		keys = append(keys, key)
	}
	if len(keys) == 0 {
		return nil, errors.New("it names no key")
	}
	return keys, nil
}

// encodeJSON writes a header or a seal: structs of numbers, text and digests, which always encode.
func encodeJSON(v any) []byte {
	text, _ := json.Marshal(v)
	return text
}

// decodeExact reads what encodeJSON wrote and nothing else: two texts never mean the same.
func decodeExact(text []byte, v any) error {
	if err := json.Unmarshal(text, v); err != nil {
		return err
	}
	if !bytes.Equal(encodeJSON(v), text) {
		return errors.New("it is not written as a journal writes it")
	}
	return nil
}
