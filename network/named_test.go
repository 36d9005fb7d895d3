package network_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// bindFolder lays a BIND's files out in a folder and returns it: its named.conf, where KEY is the file of the
// key and DIR the folder, and its zones.
func bindFolder(t *testing.T, conf, key string, zones map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	files := map[string]string{"named.conf": strings.NewReplacer("KEY", key, "DIR", dir).Replace(conf)}
	for name, zone := range zones {
		files[name] = zone
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// startNamed runs the BIND of a folder in a guest until stop is called or the test ends.
func startNamed(t *testing.T, in *host, dir string) (stop func()) {
	t.Helper()
	argv := in.in("/usr/sbin/named", "-g", "-c", filepath.Join(dir, "named.conf"))
	named := exec.Command(argv[0], argv[1:]...)
	var said strings.Builder
	named.Stderr = &said
	if err := named.Start(); err != nil {
		t.Fatal(err)
	}
	stop = sync.OnceFunc(func() {
		named.Process.Kill()
		named.Wait()
		if t.Failed() {
			t.Log(said.String())
		}
	})
	t.Cleanup(stop)
	return stop
}

// dig asks the BIND at 10.86.7.9 once, from a guest, and returns its short answer.
func (h *host) dig(question ...string) string {
	out, _ := try(h.in(append([]string{"dig", "+short", "+tries=1", "+time=1", "@10.86.7.9"}, question...)...)...)
	return out
}
