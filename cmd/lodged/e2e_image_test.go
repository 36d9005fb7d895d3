package main

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"lodge/inventory"
	"lodge/web/client"
)

const tinyInittab = "::sysinit:/bin/true\n::shutdown:/bin/true\n"

// tinyImage is the archive of a whole small system: busybox under all its names. init, when given,
// is a shell script that takes the place of busybox's own init; what is in more becomes files.
func tinyImage(t testing.TB, init string, more ...string) []byte {
	t.Helper()
	path, err := exec.LookPath("busybox")
	if err != nil {
		t.Fatal(err)
	}
	busybox, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	applets, err := exec.Command(path, "--list").Output()
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	add := func(h tar.Header, body string) {
		h.Size, h.ModTime = int64(len(body)), time.Unix(1e9, 0)
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		w.Write([]byte(body))
	}
	for _, dir := range strings.Fields("bin sbin etc proc sys dev run tmp var root mnt") {
		mode := int64(0o755)
		if dir == "tmp" {
			mode = 0o1777
		}
		add(tar.Header{Name: dir + "/", Typeflag: tar.TypeDir, Mode: mode}, "")
	}
	add(tar.Header{Name: "bin/busybox", Mode: 0o755}, string(busybox))
	for _, applet := range strings.Fields(string(applets)) {
		if applet != "busybox" && applet != "init" {
			add(tar.Header{Name: "bin/" + applet, Typeflag: tar.TypeSymlink, Linkname: "busybox"}, "")
		}
	}
	if init == "" {
		add(tar.Header{Name: "sbin/init", Typeflag: tar.TypeSymlink, Linkname: "../bin/busybox"}, "")
	} else {
		add(tar.Header{Name: "sbin/init", Mode: 0o755}, init)
	}
	for n, text := range more {
		add(tar.Header{Name: fmt.Sprintf("mnt/file%d", n), Mode: 0o644}, text)
	}
	for name, text := range map[string]string{
		"passwd": "root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000::/tmp:/bin/sh\n", "group": "root:x:0:\nuser:x:1000:\n",
		"inittab": tinyInittab, "os-release": "ID=tiny\nVERSION_ID=1\n",
	} {
		add(tar.Header{Name: "etc/" + name, Mode: 0o644}, text)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// importing is the mutation that makes an image of an archive.
func (l *lab) importing(alias string, archive []byte) mutation {
	return func(ctx context.Context) (client.Answer, error) {
		return l.api.ImportImage(ctx, inventory.ImportArgs{Alias: alias, Source: alias + ".tar"}, bytes.NewReader(archive), client.Options{})
	}
}

func (l *lab) importImage(alias string, archive []byte) {
	l.t.Helper()
	l.do(l.importing(alias, archive))
}

// TestImageNames: a name goes alone while the image has another, and an image whose time is over
// goes by itself.
func TestImageNames(t *testing.T) {
	l := newLab(t)
	l.launch("lt-web")
	l.lodge("image", "alias", "tiny", "corp/base")
	if out, code := l.lodge("image", "delete", "tiny", "--plan"); code != 0 || !strings.Contains(out, "corp/base") {
		t.Errorf("the plan: %d %s", code, out)
	}
	if out, code := l.lodge("image", "delete", "tiny", "--yes"); code != 0 || !strings.Contains(out, "the image stays as corp/base") {
		t.Errorf("deleting one name: %d %s", code, out)
	}
	if out, code := l.lodge("image", "delete", "corp/base", "--plan"); code != 0 || !strings.Contains(out, "lt-web") {
		t.Errorf("the plan for the last name: %d %s", code, out)
	}
	if out, code := l.lodge("image", "delete", "corp/base", "--yes"); code != 0 {
		t.Errorf("deleting the last name: %d %s", code, out)
	}
	if out, code := l.exec("lt-web", "hostname"); out != "lt-web\n" || code != 0 {
		t.Errorf("the container of a deleted image: %q, %d", out, code)
	}
	l.do(func(ctx context.Context) (client.Answer, error) {
		args := inventory.ImportArgs{Alias: "brief", Source: "brief.tar", Expires: "1s"}
		return l.api.ImportImage(ctx, args, bytes.NewReader(tinyImage(t, deaf)), client.Options{})
	})
	time.Sleep(time.Second)
	l.stop()
	l.start() // it looks at once, and else once a minute
	l.await("the image expires", func() bool {
		_, err := l.api.Image(context.Background(), "brief")
		return errors.Is(err, inventory.ErrNotFound)
	})
	l.settle()
	l.checkClean()
}

// TestHostTellsItsVersions: what people are asked for when they report something.
func TestHostTellsItsVersions(t *testing.T) {
	l := newLab(t)
	h, err := l.api.Host(t.Context())
	if err != nil || !regexp.MustCompile(`^\d+\.\d+`).MatchString(h.LXC) || h.Kernel == "" || h.Cgroup == "" {
		t.Errorf("the host is %+v, %v", h, err)
	}
}
