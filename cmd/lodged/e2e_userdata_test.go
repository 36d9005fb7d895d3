package main

import (
	"archive/tar"
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestUserData: a document for cloud-init lies in the root as NoCloud wants it, and nowhere else but as
// its hash. What cloud-init makes of it packaging/done-when/3 looks at, with Debian's own.
func TestUserData(t *testing.T) {
	l := newLab(t)
	var image bytes.Buffer
	w := tar.NewWriter(&image)
	copyTar(t, w, bytes.NewReader(tarOf(t, tarEntry{tar.Header{Name: "usr/bin/cloud-init", Mode: 0o755}, "#!/bin/sh\n"})),
		func(*tar.Header) bool { return true })
	copyTar(t, w, bytes.NewReader(tinyImage(t, "")), func(*tar.Header) bool { return true })
	l.must(w.Close())
	l.run("image", "import", saved(t, image.Bytes()), "--alias", "cloud")
	document := "#cloud-config\nchpasswd: {list: 'root:hunter2hunter2'}\n"
	data := filepath.Join(t.TempDir(), "user-data")
	l.must(os.WriteFile(data, []byte(document), 0o600))
	create := func(image, name string, more ...string) (string, int) {
		return l.lodge(append([]string{"create", image, name, "--purpose", "x", "--disk", "64MiB", "--memory", "64MiB", "--user-data", data}, more...)...)
	}
	if out, code := create("tiny", "lt-none"); code != 2 || !strings.Contains(out, "has no cloud-init") {
		t.Errorf("an image without cloud-init: %d %s", code, out)
	}
	l.must(os.WriteFile(data, []byte("packages: [jq]\n"), 0o600))
	if out, code := create("cloud", "lt-none"); code != 2 || !strings.Contains(out, "#cloud-config") {
		t.Errorf("what cloud-init passes over: %d %s", code, out)
	}
	l.must(os.WriteFile(data, []byte(document), 0o600))
	out, code := create("cloud", "lt-cloud")
	if code != 0 {
		t.Fatal(out)
	}
	seed := filepath.Join(l.volume(l.container("lt-cloud").ID), "var/lib/cloud/seed/nocloud")
	for name, want := range map[string]string{"user-data": document, "network-config": "config: disabled\n",
		"meta-data":   "instance-id: " + string(l.container("lt-cloud").ID) + "\nlocal-hostname: lt-cloud\n",
		"vendor-data": "#cloud-config\nssh_deletekeys: false\nssh_genkeytypes: [ed25519]\n"} {
		if text, err := os.ReadFile(filepath.Join(seed, name)); err != nil || string(text) != want {
			t.Errorf("%s is %q, %v", name, text, err)
		}
	}
	if mode := permissions(t, seed+"/user-data"); mode != 0o600 {
		t.Errorf("the document has mode %o", mode)
	}
	l.settle()
	shown := out + l.run("operation", "list", "-o", "json") + l.run("audit", "list", "-o", "json")
	if !strings.Contains(shown, `"user_data":"sha256:`) && !strings.Contains(shown, `"user_data": "sha256:`) {
		t.Errorf("its hash is nowhere:\n%s", shown)
	}
	l.stop()
	found, _ := exec.Command("grep", "-rlF", "hunter2hunter2", l.root, l.logPath(), "--exclude-dir=pools").CombinedOutput()
	if strings.Contains(shown, "hunter2hunter2") || len(found) > 0 {
		t.Errorf("the document is in what is shown, or in %s", found)
	}
}
