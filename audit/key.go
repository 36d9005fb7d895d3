package audit

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/mod/sumdb/note"

	"lodge/inventory"
)

const keyType = "ssh-ed25519"

// LoadOrCreateKey returns the audit key kept at path as PKCS #8 in PEM (RFC 5958, RFC 8410). When
// there is none it makes one, with mode 0600, durable before it returns. Two callers at once get
// the same key. A key that others may read is refused.
func LoadOrCreateKey(path string) (ed25519.PrivateKey, error) {
	key, err := loadKey(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return key, err
	}
	_, key, err = ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	if err := saveKey(path, key); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("make the audit key: %w", err)
	}
	return loadKey(path) // what is on disk counts, not what we meant to write
}

func loadKey(path string) (ed25519.PrivateKey, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Mode().Perm()&0o077 != 0 && filepath.Separator == '/' {
		return nil, inventory.Errorf(inventory.ErrDenied,
			"the audit key %s can be read by others (mode %04o); make it 0600 and consider it known", path, info.Mode().Perm())
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	if block, _ := pem.Decode(text); block != nil && block.Type == "PRIVATE KEY" {
		key, _ := x509.ParsePKCS8PrivateKey(block.Bytes)
		if key, ok := key.(ed25519.PrivateKey); ok {
			return key, nil
		}
	}
	return nil, inventory.Errorf(inventory.ErrInvalid, "%s holds no Ed25519 key; restore it from a backup of the keys", path)
}

// saveKey makes the file under another name and links it: a crash leaves a whole key or none, and
// a key that exists is never replaced.
func saveKey(path string, key ed25519.PrivateKey) error {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*.tmp") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	if err := pem.Encode(f, &pem.Block{Type: "PRIVATE KEY", Bytes: der}); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := os.Link(f.Name(), path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// Fingerprint names a public key as OpenSSH does: "SHA256:" and base64 without padding, over the
// key in SSH's own encoding (RFC 4253, 6.6; RFC 8709, 4). ssh-keygen -l prints the same.
func Fingerprint(pub ed25519.PublicKey) string {
	sum := sha256.Sum256(keyBlob(pub))
	return "SHA256:" + base64.RawStdEncoding.EncodeToString(sum[:])
}

// PublicKeyText writes a public key as OpenSSH does: "ssh-ed25519 AAAA...".
func PublicKeyText(pub ed25519.PublicKey) string {
	return keyType + " " + base64.StdEncoding.EncodeToString(keyBlob(pub))
}

func keyBlob(pub ed25519.PublicKey) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(len(keyType)))
	b = append(b, keyType...)
	b = binary.BigEndian.AppendUint32(b, uint32(len(pub)))
	return append(b, pub...)
}

// ParsePublicKey reads what PublicKeyText writes, with or without a comment behind it, or a
// public key in PEM (PKIX), or as C2SP's tools write keys (golang.org/x/mod/sumdb/note).
func ParsePublicKey(text string) (ed25519.PublicKey, error) {
	if block, _ := pem.Decode([]byte(text)); block != nil {
		key, _ := x509.ParsePKIXPublicKey(block.Bytes)
		if pub, ok := key.(ed25519.PublicKey); ok {
			return pub, nil
		}
	}
	if fields := strings.Fields(text); len(fields) >= 2 && fields[0] == keyType {
		blob, err := base64.StdEncoding.DecodeString(fields[1])
		if n := len(blob) - ed25519.PublicKeySize; err == nil && n > 0 {
			pub := ed25519.PublicKey(blob[n:])
			if string(keyBlob(pub)) == string(blob) {
				return pub, nil
			}
		}
	}
	text = strings.TrimSpace(text)
	if parts := strings.SplitN(text, "+", 3); len(parts) == 3 {
		raw, err := base64.StdEncoding.DecodeString(parts[2])
		_, err2 := note.NewVerifier(text)
		if err == nil && err2 == nil && len(raw) == 1+ed25519.PublicKeySize {
			return raw[1:], nil // behind the number of the algorithm
		}
	}
	return nil, inventory.Errorf(inventory.ErrInvalid, "that is no Ed25519 public key; it looks like %q", keyType+" AAAA...")
}

// nextSuffix is that of a key the journal is about to change to.
const nextSuffix = ".next"

// ChangeKey makes a key and has the journal go on with it: from then on the key lies at path. If we
// crash in between, [OpenKeyed] finds out which of the two keys the journal has.
func ChangeKey(ctx context.Context, j *Journal, by inventory.Principal, path string) (ed25519.PublicKey, error) {
	public, next, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	if err := os.Remove(path + nextSuffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if err := saveKey(path+nextSuffix, next); err != nil {
		return nil, fmt.Errorf("make the next audit key: %w", err)
	}
	if _, err := j.Rotate(ctx, by, next); err != nil {
		return nil, err
	}
	return public, takeNext(path)
}

// takeNext puts the next key in the place of the present one.
func takeNext(path string) error {
	if err := os.Rename(path+nextSuffix, path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// OpenKeyed opens the journal in dir with the key that lies at path, made when there is none. A
// change of key that a crash interrupted is finished, or forgotten when the journal knows nothing
// of it.
func OpenKeyed(dir, path string, o Options) (j *Journal, err error) {
	if o.Key, err = LoadOrCreateKey(path); err != nil {
		return nil, err
	}
	next, err := loadKey(path + nextSuffix)
	if errors.Is(err, fs.ErrNotExist) {
		return Open(dir, o)
	}
	if err != nil {
		return nil, err
	}
	if j, err = Open(dir, o); err == nil {
		return j, os.Remove(path + nextSuffix)
	}
	o.Key = next
	if j, err2 := Open(dir, o); err2 == nil {
		return j, takeNext(path)
	}
	return nil, err
}
