package main

import (
	"archive/tar"
	"bytes"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"lodge/packaging/need"
)

// debianImage is the archive of a whole Debian of this machine's own packages, the named ones and what they
// depend on, as they were packed: with nothing that an image's build adds, and no network configuration.
func debianImage(t *testing.T, packages ...string) []byte {
	t.Helper()
	need.Programs(t, "dpkg-query")
	files := packed(t, closure(t, packages))
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, path := range slices.Sorted(maps.Keys(files)) {
		add(t, w, path)
	}
	if !files["usr/sbin/init"] && !files["sbin/init"] { // this machine's init may be another
		sbin, err := filepath.EvalSymlinks("/sbin")
		if err != nil {
			t.Fatal(err)
		}
		if err := w.WriteHeader(&tar.Header{Name: sbin[1:] + "/init", Typeflag: tar.TypeSymlink, Linkname: "/lib/systemd/systemd"}); err != nil {
			t.Fatal(err)
		}
	}
	for path, text := range map[string]string{
		"etc/passwd": users("/etc/passwd"), "etc/group": users("/etc/group"), "etc/machine-id": "", "etc/hostname": "x\n", "etc/fstab": "",
		"etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
	} {
		h := &tar.Header{Name: path, Mode: 0o644, Size: int64(len(text)), ModTime: time.Unix(1e9, 0)}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		w.Write([]byte(text))
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// closure is the packages and those they depend on, as far as this machine has them.
func closure(t *testing.T, packages []string) []string {
	t.Helper()
	out, err := exec.Command("dpkg-query", "-W", "-f", "${Essential}|${Package}|${Pre-Depends}, ${Depends}|${Provides}\n").Output()
	if err != nil {
		t.Fatal(err)
	}
	depends, provider := map[string][]string{}, map[string]string{}
	names := regexp.MustCompile(`(?:^|[,|])\s*([a-z0-9][a-z0-9.+-]*)`)
	for line := range strings.Lines(string(out)) {
		essential, rest, _ := strings.Cut(strings.TrimSpace(line), "|")
		name, rest, _ := strings.Cut(rest, "|")
		last := strings.LastIndex(rest, "|") // alternatives have bars too, and all of them are taken
		depends[name] = []string{}
		for _, m := range names.FindAllStringSubmatch(rest[:last], -1) {
			depends[name] = append(depends[name], m[1])
		}
		for _, m := range names.FindAllStringSubmatch(rest[last+1:], -1) {
			provider[m[1]] = name
		}
		if essential == "yes" {
			packages = append(packages, name)
		}
	}
	var found, wanted = []string{}, packages
	for todo := packages; len(todo) > 0; todo = todo[1:] {
		name := todo[0]
		if _, installed := depends[name]; !installed {
			name = provider[name]
		}
		if name == "" || slices.Contains(found, name) {
			continue
		}
		found = append(found, name)
		todo = append(todo, depends[name]...)
	}
	for _, p := range wanted {
		need.That(t, slices.Contains(found, p), "the package "+p)
	}
	return found
}

// packed are the files of packages without what only people read, by their paths behind links.
func packed(t *testing.T, packages []string) map[string]bool {
	t.Helper()
	out, err := exec.Command("dpkg-query", append([]string{"-L"}, packages...)...).Output()
	if err != nil {
		t.Fatal(err)
	}
	forPeople := regexp.MustCompile(`^/usr/(share/(doc|man|locale|info|lintian|i18n|zoneinfo|bash-completion|zsh)|lib/[^/]+/gconv|lib/locale)/`)
	files := map[string]bool{}
	for _, link := range []string{"bin", "sbin", "lib", "lib64"} {
		files[link] = true
	}
	for line := range strings.Lines(string(out)) {
		path := strings.TrimSpace(line)
		if !strings.HasPrefix(path, "/") || path == "/." || forPeople.MatchString(path+"/") {
			continue
		}
		dir, err := filepath.EvalSymlinks(filepath.Dir(path))
		if err == nil {
			files[strings.TrimPrefix(filepath.Join(dir, filepath.Base(path)), "/")] = true
		}
	}
	return files
}

func add(t *testing.T, w *tar.Writer, path string) {
	t.Helper()
	info, err := os.Lstat("/" + path)
	if err != nil || info.Mode()&(fs.ModeDevice|fs.ModeSocket|fs.ModeNamedPipe) != 0 {
		return
	}
	target, _ := os.Readlink("/" + path)
	h, err := tar.FileInfoHeader(info, target)
	if err != nil {
		t.Fatal(err)
	}
	h.Name, h.Uname, h.Gname = path, "", ""
	if info.IsDir() {
		h.Name += "/"
	}
	if err := w.WriteHeader(h); err != nil {
		t.Fatal(err)
	}
	if info.Mode().IsRegular() {
		text, err := os.ReadFile("/" + path)
		if err != nil {
			t.Fatal(err)
		}
		w.Write(text)
	}
}

// users are the lines of a file of users or groups that packages made.
func users(path string) string {
	text, _ := os.ReadFile(path)
	var out strings.Builder
	for line := range strings.Lines(string(text)) {
		if f := strings.Split(line, ":"); len(f) > 2 && (len(f[2]) < 4 || strings.HasPrefix(f[0], "nobody") || strings.HasPrefix(f[0], "nogroup")) {
			out.WriteString(line)
		}
	}
	return out.String()
}
