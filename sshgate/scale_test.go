package sshgate_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"lodge/manager/session/sessiontest"
	"lodge/packaging/need"
)

// shippedIn is the folder of the program that shipped builds; TestMain removes it.
var shippedIn string

var built = sync.OnceValues(func() (path string, err error) {
	if shippedIn, err = os.MkdirTemp("", "lodgetest-ssh-"); err != nil {
		return "", err
	}
	path = filepath.Join(shippedIn, "lodge-ssh")
	if out, err := exec.Command("go", "build", "-o", path, "lodge/cmd/lodge-ssh").CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return path, os.Chmod(shippedIn, 0o755)
})

// shipped is the program itself: the race detector would make its ciphers ten times slower.
func shipped(t *testing.T) string {
	t.Helper()
	path, err := built()
	sessiontest.Must(t, err)
	return path
}

// TestManyFiles: rsync carries 20 000 small files in, and all of them back.
func TestManyFiles(t *testing.T) {
	l := newLabOf(t, shipped(t))
	l.give(need.Program(t, "rsync"))
	there, back := filepath.Join(l.dir, "there"), filepath.Join(l.dir, "back")
	data := noise(4000)
	for n := range 20_000 {
		dir := filepath.Join(there, fmt.Sprint(n%100))
		if n < 100 {
			sessiontest.Must(t, os.MkdirAll(dir, 0o755))
		}
		sessiontest.Must(t, os.WriteFile(filepath.Join(dir, fmt.Sprint(n)), data[:n%4000], 0o644))
	}
	shell := strings.Join(l.client("ssh"), " ")
	for _, way := range [][2]string{{there + "/", "web1@127.0.0.1:/tmp/files/"}, {"web1@127.0.0.1:/tmp/files/", back + "/"}} {
		if got := l.run("", "rsync", "-a", "-e", shell, way[0], way[1]); got.code != 0 {
			t.Fatalf("%+v", got)
		}
	}
	if got := l.run("", "diff", "-r", there, back); got.code != 0 {
		t.Errorf("%+v", got)
	}
	if n := len(strings.Fields(l.world.Box.Inside(t, "find", "/tmp/files", "-type", "f"))); n != 20_000 {
		t.Errorf("%d files arrived", n)
	}
}

// TestBigFile: a GiB by sftp, in and out, is the same byte for byte.
func TestBigFile(t *testing.T) {
	l := newLabOf(t, shipped(t))
	l.give(need.Program(t, "/usr/lib/openssh/sftp-server"))
	there, back := filepath.Join(l.dir, "there"), filepath.Join(l.dir, "back")
	f, err := os.Create(there)
	sessiontest.Must(t, err)
	block := noise(16 << 20)
	for n := range 64 { // no two blocks alike
		_, err = f.Write(append(bytes.Clone(block[n*1000:]), block[:n*1000]...))
		sessiontest.Must(t, err)
	}
	sessiontest.Must(t, f.Close())
	script := fmt.Sprintf("put %s /tmp/copy\nget /tmp/copy %s\n", there, back)
	if got := l.run(script, l.client("sftp", "-b", "-", "web1@127.0.0.1")...); got.code != 0 {
		t.Fatalf("%+v", got)
	}
	if got := l.run("", "cmp", there, back); got.code != 0 {
		t.Errorf("%+v", got)
	}
}
