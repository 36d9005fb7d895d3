package sshsig_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"lodge/manager/change/sshsig"
	"lodge/packaging/need"
)

const namespace = "lodge-change@v1"

var kinds = map[string][]string{"ed25519": {"-t", "ed25519"}, "ecdsa": {"-t", "ecdsa"}, "rsa": {"-t", "rsa", "-b", "3072"}}

// keygen makes a key and returns the file of its private half.
func keygen(t *testing.T, kind string) string {
	t.Helper()
	need.Program(t, "ssh-keygen")
	path := filepath.Join(t.TempDir(), "id")
	if out, err := exec.Command("ssh-keygen", append([]string{"-q", "-N", "", "-C", "t", "-f", path}, kinds[kind]...)...).CombinedOutput(); err != nil {
		t.Fatalf("ssh-keygen: %v %s", err, out)
	}
	return path
}

func signerOf(t *testing.T, path string) ssh.Signer {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.ParsePrivateKey(raw)
	if err != nil {
		t.Fatal(err)
	}
	return signer
}

// What we sign OpenSSH verifies.
func TestOpenSSHVerifies(t *testing.T) {
	for kind := range kinds {
		t.Run(kind, func(t *testing.T) {
			key, dir := keygen(t, kind), t.TempDir()
			signer := signerOf(t, key)
			armored, err := sshsig.Sign(signer, namespace, []byte("hello"))
			if err != nil {
				t.Fatal(err)
			}
			signers, sig := filepath.Join(dir, "allowed_signers"), filepath.Join(dir, "sig")
			line := "bo namespaces=\"" + namespace + "\" " + string(ssh.MarshalAuthorizedKey(signer.PublicKey()))
			for path, text := range map[string]string{signers: line, sig: armored} {
				if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			verify := func(message string) error {
				cmd := exec.Command("ssh-keygen", "-Y", "verify", "-f", signers, "-I", "bo", "-n", namespace, "-s", sig)
				cmd.Stdin = strings.NewReader(message)
				return cmd.Run()
			}
			if err := verify("hello"); err != nil {
				t.Errorf("it does not verify: %v", err)
			}
			if verify("hellO") == nil {
				t.Error("another message verifies")
			}
		})
	}
}

// What OpenSSH signs we verify, and nothing that was changed.
func TestVerifiesOpenSSH(t *testing.T) {
	for kind := range kinds {
		t.Run(kind, func(t *testing.T) {
			key := keygen(t, kind)
			cmd := exec.Command("ssh-keygen", "-q", "-Y", "sign", "-f", key, "-n", namespace)
			cmd.Stdin = strings.NewReader("hello")
			armored, err := cmd.Output()
			if err != nil {
				t.Fatal(err)
			}
			s, err := sshsig.Parse(string(armored))
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(s.Key.Marshal(), signerOf(t, key).PublicKey().Marshal()) {
				t.Error("it names another key")
			}
			if err := s.Verify(namespace, []byte("hello")); err != nil {
				t.Error(err)
			}
			if s.Verify(namespace, []byte("hellO")) == nil || s.Verify("file", []byte("hello")) == nil {
				t.Error("another message or namespace verifies")
			}
		})
	}
}

func TestDamagedSignatures(t *testing.T) {
	armored, err := sshsig.Sign(signerOf(t, keygen(t, "ed25519")), namespace, []byte("hello"))
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"empty": "", "cut": armored[:len(armored)/2], "more behind it": armored + "x",
		"twice": armored + armored, "another block": strings.ReplaceAll(armored, "SSH SIGNATURE", "PUBLIC KEY"),
		"too long": armored + strings.Repeat(" ", 17<<10)} {
		if _, err := sshsig.Parse(text); err == nil {
			t.Errorf("%s is taken for a signature", name)
		}
	}
	at := strings.Index(armored, "\n") + 1
	for i := at; i < len(armored)-40; i++ { // every character of the body
		changed := []byte(armored)
		if changed[i] == '\n' || changed[i] == '=' {
			continue
		}
		if changed[i]++; changed[i] > 'z' {
			changed[i] = 'A'
		}
		s, err := sshsig.Parse(string(changed))
		if err == nil && s.Verify(namespace, []byte("hello")) == nil {
			t.Fatalf("a signature changed at %d verifies", i-at)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("-----BEGIN SSH SIGNATURE-----\nU1NIU0lHAAAAAQ==\n-----END SSH SIGNATURE-----\n")
	f.Fuzz(func(t *testing.T, text string) {
		if s, err := sshsig.Parse(text); err == nil && s.Verify(namespace, []byte("never signed")) == nil {
			t.Error("a made-up signature verifies")
		}
	})
}
