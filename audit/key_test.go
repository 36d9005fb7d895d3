package audit_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"lodge/audit"
	"lodge/packaging/need"
)

func TestLoadOrCreateKey(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.key")
	var wg sync.WaitGroup
	keys := make([][]byte, 8)
	for i := range keys {
		wg.Go(func() {
			key, err := audit.LoadOrCreateKey(path)
			if err != nil {
				t.Error(err)
			}
			keys[i] = key
		})
	}
	wg.Wait()
	for _, key := range keys {
		if !bytes.Equal(key, keys[0]) {
			t.Fatal("two callers got different keys")
		}
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key has mode %v, %v", info.Mode(), err)
	}
	if left, _ := os.ReadDir(filepath.Dir(path)); len(left) != 1 {
		t.Errorf("files are left over: %v", left)
	}
	os.Chmod(path, 0o640)
	if _, err := audit.LoadOrCreateKey(path); err == nil {
		t.Error("a key that others can read is used")
	}
	os.Chmod(path, 0o600)
	os.WriteFile(path, []byte("x"), 0o600)
	if _, err := audit.LoadOrCreateKey(path); err == nil {
		t.Error("a damaged key is used, or replaced")
	}
}

func TestFingerprintIsOpenSSHs(t *testing.T) {
	text := audit.PublicKeyText(public(t))
	back, err := audit.ParsePublicKey(text + " lodge audit\n")
	if err != nil || !bytes.Equal(back, public(t)) {
		t.Fatalf("ParsePublicKey = %x, %v", back, err)
	}
	for _, bad := range []string{"", "ssh-ed25519", "ssh-ed25519 AAAA", "ssh-rsa " + text[12:], text[:len(text)-4]} {
		if _, err := audit.ParsePublicKey(bad); err == nil {
			t.Errorf("%q is taken for a key", bad)
		}
	}
	keygen := need.Program(t, "ssh-keygen")
	path := filepath.Join(t.TempDir(), "key.pub")
	os.WriteFile(path, []byte(text+"\n"), 0o600)
	out, err := exec.Command(keygen, "-l", "-f", path).CombinedOutput()
	if err != nil || !strings.Contains(string(out), " "+audit.Fingerprint(public(t))+" ") {
		t.Errorf("ssh-keygen says %q (%v), we say %s", out, err, audit.Fingerprint(public(t)))
	}
}
