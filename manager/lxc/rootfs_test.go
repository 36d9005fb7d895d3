package lxc_test

import (
	"os"
	"path/filepath"
	"testing"

	"lodge/inventory"
)

// rewrite replaces a file of the rootfs.
func rewrite(t *testing.T, boot inventory.Boot, name, content string) {
	t.Helper()
	path := filepath.Join(boot.Rootfs, name)
	mode := os.FileMode(0o755)
	os.Remove(path)
	if err := os.WriteFile(path, []byte(content), mode); err != nil {
		t.Fatal(err)
	}
}

// openRootfs lets anybody write to the top folder.
func openRootfs(t *testing.T, boot inventory.Boot) {
	t.Helper()
	if err := os.Chmod(boot.Rootfs, 0o777); err != nil {
		t.Fatal(err)
	}
}
