package network

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"

	"lodge/inventory"
	"lodge/network/names"
)

// transferKeyName is what secondaries call the key.
const transferKeyName = "lodge-transfer"

// transferKeyFile is below ROOT. It is written so that named.conf can include a copy of it.
const transferKeyFile = "keys/transfer.key"

var secretPattern = regexp.MustCompile(`secret\s+"([A-Za-z0-9+/=]+)"`)

// transferKey reads the key that secondaries sign with, made when there is none. To change it, remove
// the file and start the agent again.
func transferKey(root string) (string, error) {
	path := filepath.Join(root, transferKeyFile)
	text, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		raw := make([]byte, 32)
		rand.Read(raw)
		text = fmt.Appendf(nil, "key \"%s\" {\n\talgorithm hmac-sha256;\n\tsecret \"%s\";\n};\n", transferKeyName,
			base64.StdEncoding.EncodeToString(raw))
		if err = os.MkdirAll(filepath.Dir(path), 0o700); err == nil {
			err = writeFile(path, text, 0o600)
		}
	}
	if err != nil {
		return "", fmt.Errorf("the key of zone transfers: %w", err)
	}
	found := secretPattern.FindSubmatch(text)
	if found == nil {
		return "", inventory.Errorf(inventory.ErrInvalid, "%s holds no key; remove it, and a new one is made", path)
	}
	return string(found[1]), nil
}

// transfer says who may have the zones whole, and who is given them. With neither no key is needed.
func (s *Service) transfer() names.Transfer {
	s.mu.Lock()
	t := names.Transfer{Secondaries: s.options.Secondaries, Push: s.options.Push}
	s.mu.Unlock()
	if len(t.Secondaries)+len(t.Push) == 0 {
		return t
	}
	key, err := transferKey(s.cfg.Root)
	if err != nil {
		s.log.Error("zones are transferred to nobody", "err", err)
		return names.Transfer{}
	}
	t.Key, t.KeyName = key, transferKeyName
	return t
}
