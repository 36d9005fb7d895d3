package main

import (
	"archive/tar"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// What was published against Incus in 2025 and 2026, done to the real agent through the real command line.
// docs/security.md has the classes and all of their tests.

// tarOf is an archive of entries and their texts.
func tarOf(t testing.TB, entries ...tarEntry) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, e := range entries {
		h := e.Header
		h.Size = int64(len(e.text))
		if h.Mode == 0 {
			h.Mode = 0o644
		}
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		w.Write([]byte(e.text))
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

type tarEntry struct {
	tar.Header
	text string
}

func link(name, to string) tarEntry {
	return tarEntry{tar.Header{Name: name, Typeflag: tar.TypeSymlink, Linkname: to}, ""}
}

func file(name, text string) tarEntry { return tarEntry{tar.Header{Name: name}, text} }

const plainIndex = "name: lt-evil\ntype: container\nconfig:\n  container: {name: lt-evil, config: {}, devices: {}}\n"

// saved writes an archive where the command line can read it.
func saved(t testing.TB, raw []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "archive.tar")
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestCVE_2026_48749_NothingOutside: exports and images with links in the place of folders and documents
// are refused, and neither a file of the host nor one of the agent is written or shown.
func TestCVE_2026_48749_NothingOutside(t *testing.T) {
	l := newLab(t)
	target := t.TempDir()
	secret := filepath.Join(target, "secret")
	l.must(os.WriteFile(secret, []byte("name: top-secret\n"), 0o666))
	l.must(os.Chmod(target, 0o777))
	index, metadata := file("backup/index.yaml", plainIndex), file("metadata.yaml", "architecture: x86_64\n")
	before := l.world()
	for name, raw := range map[string][]byte{
		"rootfs":      tarOf(t, index, link("backup/container/rootfs", target), file("backup/container/rootfs/new", "x")),
		"container":   tarOf(t, index, link("backup/container", target), file("backup/container/rootfs/new", "x")),
		"index":       tarOf(t, link("backup/index.yaml", secret)),
		"backup.yaml": tarOf(t, file("backup/index.yaml", "name: x\n"), link("backup/container/backup.yaml", secret)),
		"exec-output": tarOf(t, index, link("backup/container/exec-output", target), file("backup/container/exec-output/new", "x")),
		"templates":   tarOf(t, index, link("backup/container/templates", target), file("backup/container/templates/new", "x")),
		"below":       tarOf(t, index, link("backup/container/rootfs/l", target), file("backup/container/rootfs/l/new", "x")),
		"dots":        tarOf(t, index, file("backup/container/rootfs/../../../../../../../.."+target+"/new", "x")),
		"image":       tarOf(t, metadata, link("rootfs", target), file("rootfs/new", "x")),
	} {
		path := saved(t, raw)
		for _, args := range [][]string{{"import", path, "lt-evil"}, {"image", "import", path, "--alias", "evil"}} {
			out, code := l.lodge(args...)
			if code == 0 || strings.Contains(out, "internal error") || strings.Contains(out, "top-secret") {
				t.Errorf("%s, %s: %d %s", name, args[0], code, out)
			}
		}
	}
	if left, err := os.ReadDir(target); err != nil || len(left) != 1 {
		t.Errorf("outside lies %v, %v", left, err)
	}
	l.settle()
	l.unchanged(before)
	l.checkClean()
}

// TestCVE_2026_23954_TemplatesAreNotRun: no template of an image is run or written anywhere, be it by
// a create, a start, a rename or a clone.
func TestCVE_2026_23954_TemplatesAreNotRun(t *testing.T) {
	l := newLab(t)
	out := &bytes.Buffer{}
	w := tar.NewWriter(out)
	copyTar(t, w, bytes.NewReader(tarOf(t, file("metadata.yaml", "architecture: x86_64\ntemplates:\n"+
		"  /root/run: {when: [create, copy, start, rename], template: a.tpl}\n"+
		"  /etc/hostname: {when: [create, copy, start, rename], template: a.tpl}\n"),
		file("templates/a.tpl", `{{ "run" }}{% include "/etc/shadow" %}{{ container.Path }}`))), func(*tar.Header) bool { return true })
	copyTar(t, w, bytes.NewReader(tinyImage(t, "")), func(h *tar.Header) bool { h.Name = "rootfs/" + h.Name; return true })
	l.must(w.Close())
	l.run("image", "import", saved(t, out.Bytes()), "--alias", "templates")
	l.run("create", "templates", "lt-one", "--purpose", "x", "--disk", "64MiB", "--memory", "64MiB")
	l.run("clone", "lt-one", "lt-two")
	l.run("rename", "lt-two", "lt-three")
	for _, name := range []string{"lt-one", "lt-three"} {
		l.run("start", name)
		if got, code := l.exec(name, "sh", "-c", "cat /etc/hostname; ls /root"); got != name+"\n" || code != 0 {
			t.Errorf("%s has %q, %d", name, got, code)
		}
	}
}

// TestCVE_2026_33945_KeysAreNoPaths: nothing of an export's configuration becomes a path, a line of
// LXC's configuration or anything else but a checked setting or a label.
func TestCVE_2026_33945_KeysAreNoPaths(t *testing.T) {
	l := newLab(t)
	index := `name: ../../lt-evil
type: container
snapshots: ["../../../etc", "a b"]
config:
  container:
    name: ../../lt-evil
    config:
      systemd.credential.../../../../etc/cron.d/x: pwned
      environment.LD_PRELOAD: /tmp/pwned.so
      raw.lxc: lxc.hook.pre-start = /bin/pwned
      user.../../x: pwned
      "limits.memory\nlxc.hook.pre-start": pwned
      limits.kernel.../x: pwned
      boot.host_shutdown_timeout: pwned
    devices:
      ../../x: {type: disk, source: /etc, path: /pwned}
      root: {type: disk, path: /, pool: ../../pwned}
`
	out := &bytes.Buffer{}
	w := tar.NewWriter(out)
	copyTar(t, w, bytes.NewReader(tarOf(t, file("backup/index.yaml", index))), func(*tar.Header) bool { return true })
	copyTar(t, w, bytes.NewReader(tinyImage(t, "")), func(h *tar.Header) bool { h.Name = "backup/container/rootfs/" + h.Name; return true })
	l.must(w.Close())
	path := saved(t, out.Bytes())
	before := l.world()
	if out, code := l.lodge("import", path); code != 2 || !strings.Contains(out, "name") {
		t.Errorf("under the name it gives itself: %d %s", code, out)
	}
	l.unchanged(before)
	said := l.run("import", path, "lt-good", "--disk", "64MiB", "--memory", "64MiB")
	for _, want := range []string{"systemd.credential", "LD_PRELOAD", "raw.lxc", "device ../../x", "snapshot ../../../etc"} {
		if !strings.Contains(said, want) {
			t.Errorf("%s is not named as left out:\n%s", want, said)
		}
	}
	c := l.container("lt-good")
	if len(c.Devices) > 0 || len(c.Settings) != 2 {
		t.Errorf("it has %v, %v", c.Devices, c.Settings)
	}
	for label := range c.Labels {
		if strings.Contains(label, "..") && exists(filepath.Join(l.root, label)) {
			t.Errorf("the label %s is a file", label)
		}
	}
	config, err := os.ReadFile(filepath.Join(l.root, "containers/lt-good/config"))
	if err != nil || strings.Contains(string(config), "pwned") || strings.Contains(string(config), "hook.pre-start = /bin") {
		t.Errorf("LXC is told:\n%s\n%v", config, err)
	}
	l.run("start", "lt-good")
	if out, code := l.exec("lt-good", "env"); code != 0 || strings.Contains(out, "pwned") {
		t.Errorf("inside: %d %s", code, out)
	}
	l.checkClean()
}

// TestCVE_2026_48755_NoArguments: what people say about packing, sizes and mirrors is a word out of a
// list or a checked value; none of it becomes an argument of a program.
func TestCVE_2026_48755_NoArguments(t *testing.T) {
	l := newLab(t)
	trap := filepath.Join(t.TempDir(), "ran")
	for _, args := range [][]string{
		{"image", "export", "tiny", filepath.Join(t.TempDir(), "x"), "--compression", "gzip --to-command=touch$IFS" + trap},
		{"image", "export", "tiny", filepath.Join(t.TempDir(), "x"), "--compression", "--use-compress-program=touch " + trap},
		{"image", "build", "debian/12", "--mirror", "http://m.example/ --customize-hook=touch${IFS}" + trap},
		{"image", "build", "debian/12", "--mirror", "--setup-hook=touch " + trap},
		{"image", "build", "--customize-hook=touch " + trap},
		{"volume", "create", "lt-v", "--size", "1GiB -o " + trap},
		{"volume", "create", "-o" + trap, "--size", "1GiB"},
		{"create", "tiny", "lt-c", "--purpose", "x", "--disk", "1GiB;touch " + trap},
		{"create", "--", "tiny", "--set=x", "--purpose", "x"},
		{"snapshot", "create", "lt-c", "--", "-o" + trap},
	} {
		if out, code := l.lodge(args...); code == 0 || strings.Contains(out, "internal error") {
			t.Errorf("%q: %d %s", args, code, out)
		}
	}
	if exists(trap) {
		t.Error("a program was run")
	}
	l.checkClean()
}

// TestCVE_2026_55621_EveryWayIn: a project's quota and a container's rights hold whichever way a
// container comes: made, cloned, moved, imported, or out of the trash.
func TestCVE_2026_55621_EveryWayIn(t *testing.T) {
	l := newLab(t)
	l.project("lt-small", nil)
	l.run("quota", "set", "lt-small", "containers=1")
	first := tiny("lt-first")
	first.Project = "lt-small"
	l.do(l.create(first, false))
	l.do(l.create(tiny("lt-other"), false))
	export := saved(t, incusExport(t, tinyImage(t, "")))
	refused := func(args ...string) {
		t.Helper()
		if out, code := l.lodge(args...); code != 4 || !strings.Contains(out, "quota") {
			t.Errorf("%v: %d %s", args, code, out)
		}
	}
	refused("--project", "lt-small", "create", "tiny", "lt-second", "--purpose", "x")
	refused("clone", "lt-small/lt-first", "lt-second")
	refused("move", "lt-other", "--to-project", "lt-small")
	refused("--project", "lt-small", "import", export, "lt-second", "--memory", "64MiB", "--disk", "64MiB")
	l.run("quota", "set", "lt-small", "containers=1", "memory=64MiB")
	if out, code := l.lodge("set", "lt-small/lt-first", "memory=128MiB"); code != 4 {
		t.Errorf("set: %d %s", code, out)
	}
	// What a container has of the host, or alone, comes along with no copy.
	folder := t.TempDir()
	l.must(os.Chmod(folder, 0o755))
	l.run("config", "set", "storage.host_paths="+folder)
	l.run("device", "add", "lt-other", "media", "disk", "source="+folder, "path=/media")
	l.run("clone", "lt-other", "lt-copy")
	if c := l.container("lt-copy"); len(c.Devices) != 0 {
		t.Errorf("the clone has %v", c.Devices)
	}
	l.checkClean()
}

// TestCVE_2025_64507_SetuidOnVolumes: a setuid file that a container's root makes on a volume can't be
// reached by the host's users, and holds no host's ids.
func TestCVE_2025_64507_SetuidOnVolumes(t *testing.T) {
	l := newLab(t)
	for _, shared := range []bool{false, true} {
		name := map[bool]string{false: "lt-own", true: "lt-shared"}[shared]
		args := []string{"volume", "create", name + "-v", "--size", "64MiB"}
		if shared {
			args = append(args, "--shared")
		}
		l.run(args...)
		l.run("launch", "tiny", name, "--purpose", "x", "--disk", "64MiB", "--memory", "64MiB", "--volume", name+"-v:/srv/data")
		if out, code := l.exec(name, "sh", "-c", "cp /bin/busybox /srv/data/become && chmod 4755 /srv/data/become"); code != 0 {
			t.Fatal(out)
		}
		path := filepath.Join(l.volumePath(name+"-v"), "become")
		for _, try := range []string{path, fmt.Sprintf("/proc/%d/root/srv/data/become", l.container(name).Observed.InitPID)} {
			if !exists(try) {
				t.Fatalf("%s is not there", try)
			}
			cmd := exec.Command(try, "id", "-u")
			cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
			if out, err := cmd.CombinedOutput(); err == nil {
				t.Errorf("a host user runs %s: %s", try, out)
			}
		}
	}
}
