package secret

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"filippo.io/age"

	"lodge/inventory"
)

// A Keyring is the host key, and while it is being rotated the one before. The file has one age
// identity a line, the current one first, each after a comment that names what made it. It is replaced
// whole, so a crash leaves the old one or the new one. Safe for concurrent use.
type Keyring struct {
	path string

	mu   sync.RWMutex // guards keys; held while the file is replaced
	keys []key
}

type key struct {
	made     string // by which operation; "first" for the one a root begins with
	identity *age.X25519Identity
}

// firstKey is what the comment of the first key of a root says.
const firstKey = "first"

// OpenKeyring reads the host key, and makes it where there is none.
func OpenKeyring(path string) (*Keyring, error) {
	k := &Keyring{path: path}
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return k, k.Add(firstKey)
	}
	if err != nil {
		return nil, fmt.Errorf("the host key: %w", err)
	}
	made := ""
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if comment, ok := strings.CutPrefix(line, "# "); ok {
			made = comment
			continue
		}
		if line == "" {
			continue
		}
		id, err := age.ParseX25519Identity(line)
		if err != nil { // whose text may hold the key
			return nil, inventory.Errorf(inventory.ErrInvalid, "%s holds no host key; restore it from a backup of the keys", path)
		}
		k.keys = append(k.keys, key{made, id})
	}
	if len(k.keys) == 0 {
		return nil, inventory.Errorf(inventory.ErrInvalid, "%s is empty; restore it from a backup of the keys", path)
	}
	return k, nil
}

// Add makes a key the current one, by which all is sealed from now on. The same maker adds one once.
func (k *Keyring) Add(maker string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.keys) > 0 && k.keys[0].made == maker {
		return nil
	}
	id, err := age.GenerateX25519Identity()
	if err != nil {
		return err
	}
	return k.replace(append([]key{{maker, id}}, k.keys...))
}

// Forget leaves the current key alone. What only another has sealed is lost then.
func (k *Keyring) Forget() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.replace(k.keys[:1])
}

// replace writes the file and goes on with what it says.
func (k *Keyring) replace(keys []key) error {
	var text bytes.Buffer
	for _, x := range keys {
		fmt.Fprintf(&text, "# %s\n%s\n", x.made, x.identity)
	}
	dir := filepath.Dir(k.path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(k.path+".new", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(text.Bytes())
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(k.path+".new", k.path)
	}
	if err != nil {
		return err
	}
	k.keys = keys
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Seal returns what only this host can open.
func (k *Keyring) Seal(value []byte) ([]byte, error) {
	k.mu.RLock()
	to := k.keys[0].identity.Recipient()
	k.mu.RUnlock()
	var out bytes.Buffer
	w, err := age.Encrypt(&out, to)
	if err != nil {
		return nil, err
	}
	_, err = w.Write(value)
	err = errors.Join(err, w.Close()) // writes the last chunk
	return out.Bytes(), err
}

// Open returns a sealed value, and whether the current key has sealed it. ErrInvalid for what no key
// of the ring has, or what was changed since.
func (k *Keyring) Open(sealed []byte) (value []byte, current bool, err error) {
	k.mu.RLock()
	keys := k.keys
	k.mu.RUnlock()
	for i, x := range keys {
		r, err := age.Decrypt(bytes.NewReader(sealed), x.identity)
		if err != nil {
			continue
		}
		value, err := io.ReadAll(io.LimitReader(r, inventory.MaxSecret+1))
		if err == nil {
			return value, i == 0, nil
		}
	}
	return nil, false, inventory.Errorf(inventory.ErrInvalid, "a secret can't be opened: another host key has sealed it, or it was changed; set it again")
}
