package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// incusExport is an export as Incus 6.0.4 writes it, with its own index.yaml, of a container with the
// files of a tar.
func incusExport(t testing.TB, files []byte) []byte {
	t.Helper()
	f, err := os.Open(repository + "/manager/image/unpack/testdata/incus-6.0.4-export.tar.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	g, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	copyTar(t, w, g, func(h *tar.Header) bool { return !strings.HasPrefix(h.Name, "backup/container/rootfs/") })
	copyTar(t, w, bytes.NewReader(files), func(h *tar.Header) bool {
		h.Name = "backup/container/rootfs/" + h.Name
		return true
	})
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// copyTar copies the entries that take lets through.
func copyTar(t testing.TB, w *tar.Writer, from io.Reader, take func(h *tar.Header) bool) {
	t.Helper()
	for r := tar.NewReader(from); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		if err == nil && take(h) {
			err = w.WriteHeader(h)
			if err == nil {
				_, err = io.Copy(w, r)
			}
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// TestIncusExportBoots: a container exported by Incus becomes one here, with its size and labels, and
// starts; what was not taken over is said.
func TestIncusExportBoots(t *testing.T) {
	l := newLab(t)
	file := filepath.Join(t.TempDir(), "web1.tar")
	l.must(os.WriteFile(file, incusExport(t, tinyImage(t, "")), 0o600))
	plan, code := l.lodge("import", file, "lt-incus", "--disk", "100MiB", "--plan")
	for _, want := range []string{"memory", "256MiB", "device px (proxy)", "not taken over", "snapshot s0"} {
		if code != 0 || !strings.Contains(plan, want) {
			t.Fatalf("plan: %d, %q is missing in\n%s", code, want, plan)
		}
	}
	out, code := l.lodge("import", file, "lt-incus", "--disk", "100MiB")
	for _, want := range []string{"lt-incus is created", "not taken over: device px (proxy)", "not taken over: snapshot s0", "not taken over: config raw.lxc"} {
		if code != 0 || !strings.Contains(out, want) {
			t.Fatalf("import: %d, %q is missing in\n%s", code, want, out)
		}
	}
	if out, code := l.lodge("start", "lt-incus"); code != 0 {
		t.Fatalf("start: %d %s", code, out)
	}
	if out, code := l.exec("lt-incus", "hostname"); out != "lt-incus\n" || code != 0 {
		t.Errorf("hostname: %q, %d", out, code)
	}
	c := l.container("lt-incus")
	if out, err := exec.Command("busybox", "ping", "-c", "1", "-W", "20", c.NICs[0].IPv4).CombinedOutput(); err != nil {
		t.Errorf("%s does not answer: %s", c.NICs[0].IPv4, out)
	}
	if c.Settings["cpus"] != "2" || c.Settings["memory"] != "256MiB" || c.Settings["disk"] != "100MiB" || c.Labels["team"] != "shop" {
		t.Errorf("settings %v, labels %v", c.Settings, c.Labels)
	}
	if images, err := l.api.Images(t.Context()); err != nil || len(images) != 1 {
		t.Errorf("an import leaves an image: %v, %v", images, err)
	}
	// Exported as an image it is in Incus' layout, and comes back the same.
	image := filepath.Join(t.TempDir(), "tiny.tar.zst")
	if out, code := l.lodge("image", "export", "tiny", image); code != 0 {
		t.Fatalf("export: %d %s", code, out)
	}
	if out, code := l.lodge("image", "import", image, "--alias", "again"); code != 0 {
		t.Fatalf("import of the export: %d %s", code, out)
	}
	one, err := l.api.Image(t.Context(), "tiny")
	l.must(err)
	two, err := l.api.Image(t.Context(), "again")
	l.must(err)
	if one.Digest != two.Digest {
		t.Errorf("exported %s, imported %s", one.Digest, two.Digest)
	}
	// User data is for cloud-init, which this image has not.
	data := filepath.Join(t.TempDir(), "user-data")
	l.must(os.WriteFile(data, []byte("#cloud-config\n"), 0o600))
	if out, code := l.lodge("create", "tiny", "lt-data", "--purpose", "x", "--user-data", data); code != 2 || !strings.Contains(out, "has no cloud-init") {
		t.Errorf("user data: %d %s", code, out)
	}
	l.settle()
	l.checkClean()
}

// TestImportRefused: what can't become a container leaves nothing, and says why.
func TestImportRefused(t *testing.T) {
	l := newLab(t)
	tiny := tinyImage(t, "")
	write := func(name string, raw []byte) string {
		file := filepath.Join(t.TempDir(), name)
		l.must(os.WriteFile(file, raw, 0o600))
		return file
	}
	export := incusExport(t, tiny)
	whole, image, cut := write("web1.tar", export), write("tiny.tar", tiny), write("cut.tar", export[:len(export)-5000])
	large := write("large.tar", incusExport(t, tinyImage(t, "", strings.Repeat("x", 80<<20))))
	squash, err := os.ReadFile(repository + "/manager/image/unpack/testdata/zstd.squashfs")
	l.must(err)
	before := l.world()
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{image, "lt-a"}, 2, "lodge image import"},
		{[]string{write("x.squashfs", squash), "lt-a"}, 2, "lodge image import"},
		{[]string{write("text.tar", []byte(strings.Repeat("hello ", 500))), "lt-a"}, 2, "no tar"},
		{[]string{cut, "lt-a", "--disk", "64MiB"}, 2, "cut off"},
		{[]string{large, "lt-a", "--disk", "64MiB"}, 4, "--disk gives it more"},
		{[]string{whole, "lt-a", "--memory", "much"}, 2, "much"},
		{[]string{whole, "Bad_Name"}, 2, "Bad_Name"},
		{[]string{filepath.Join(t.TempDir(), "none.tar")}, 3, "none.tar"},
	} {
		if out, code := l.lodge(append([]string{"import"}, c.args...)...); code != c.code || !strings.Contains(out, c.says) {
			t.Errorf("%v: %d %s; want %d, %q", c.args, code, out, c.code, c.says)
		}
	}
	l.settle()
	l.unchanged(before)
	l.checkClean()
}

// TestImportIntoDirPool: an export becomes a container on a pool of folders too, with a size of its own
// and without.
func TestImportIntoDirPool(t *testing.T) {
	l := newLab(t)
	path := saved(t, incusExport(t, tinyImage(t, "")))
	l.run("pool", "create", "plain", "--driver", "dir")
	for name, more := range map[string][]string{"lt-sized": {"--disk", "64MiB"}, "lt-free": {}} {
		l.run(append([]string{"import", path, name, "--pool", "plain", "--memory", "64MiB"}, more...)...)
		l.run("start", name)
		if out, code := l.exec(name, "sh", "-c", "hostname; ls /lost+found 2>/dev/null; true"); out != name+"\n" || code != 0 {
			t.Errorf("%s: %q, %d", name, out, code)
		}
		l.run("delete", name, "--purge", "--yes")
	}
	large := saved(t, incusExport(t, tinyImage(t, "", strings.Repeat("x", 80<<20))))
	if out, code := l.lodge("import", large, "lt-large", "--pool", "plain", "--disk", "64MiB"); code != 4 || !strings.Contains(out, "--disk gives it more") {
		t.Errorf("too large: %d %s", code, out)
	}
	if out := l.run("list", "-q"); out != "" {
		t.Errorf("left over: %s", out)
	}
	l.run("pool", "delete", "plain", "--yes")
	l.checkClean()
}
