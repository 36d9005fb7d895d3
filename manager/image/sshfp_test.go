package image_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"lodge/manager/image"
	"lodge/packaging/need"
)

// The records are those ssh-keygen makes, and a link out of the root file system is no key.
func TestSSHFP(t *testing.T) {
	need.Program(t, "ssh-keygen")
	root, outside := t.TempDir(), t.TempDir()
	dir := filepath.Join(root, "etc/ssh")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for kind, folder := range map[string]string{"ed25519": dir, "ecdsa": dir, "rsa": outside} {
		file := filepath.Join(folder, "ssh_host_"+kind+"_key")
		if out, err := exec.Command("ssh-keygen", "-q", "-t", kind, "-N", "", "-f", file).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	if err := os.Symlink(filepath.Join(outside, "ssh_host_rsa_key.pub"), filepath.Join(dir, "ssh_host_rsa_key.pub")); err != nil {
		t.Fatal(err)
	}
	got, err := image.SSHFP(root)
	if err != nil || len(got) != 2 {
		t.Fatalf("%v, %v", got, err)
	}
	for i, kind := range []string{"ed25519", "ecdsa"} {
		out, err := exec.Command("ssh-keygen", "-r", "x", "-f", filepath.Join(dir, "ssh_host_"+kind+"_key.pub")).Output()
		if err != nil || !strings.Contains(string(out), "IN SSHFP "+got[i]+"\n") {
			t.Errorf("%s is %q, and ssh-keygen says:\n%s", kind, got[i], out)
		}
	}
}
