package main

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"lodge/inventory"
	"lodge/packaging/need"
	"lodge/web/client"
)

// pythonImage is the tiny image with this machine's Python in it.
func pythonImage(t testing.TB) []byte {
	t.Helper()
	python, err := filepath.EvalSymlinks(need.Program(t, "/usr/bin/python3"))
	if err != nil {
		t.Fatal(err)
	}
	library := strings.TrimSpace(output(t, python, "-c", "import os; print(os.path.dirname(os.__file__))"))
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	r := tar.NewReader(bytes.NewReader(tinyImage(t, "")))
	for h, err := r.Next(); err == nil; h, err = r.Next() {
		w.WriteHeader(h)
		io.Copy(w, r)
	}
	seen := map[string]bool{}
	var add func(path string)
	add = func(path string) {
		if path == "/" || seen[path] {
			return
		}
		add(filepath.Dir(path))
		seen[path] = true
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		h := tar.Header{Name: strings.TrimPrefix(path, "/"), Mode: int64(info.Mode().Perm()), ModTime: time.Unix(1e9, 0), Typeflag: tar.TypeDir}
		if info.IsDir() {
			if h.Name != "bin" && h.Name != "sbin" {
				w.WriteHeader(&h)
			}
			return
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		h.Typeflag, h.Size = tar.TypeReg, int64(len(text))
		w.WriteHeader(&h)
		w.Write(text)
	}
	add(python)
	for _, lib := range regexp.MustCompile(`/\S+\.so\S*`).FindAllString(output(t, "ldd", python), -1) {
		add(lib)
	}
	skipped := regexp.MustCompile(`/(test|tests|__pycache__|config-[^/]*|idlelib|tkinter|ensurepip|dist-packages|site-packages)$`)
	filepath.WalkDir(library, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && skipped.MatchString(path) {
			return filepath.SkipDir
		}
		if err == nil && (d.IsDir() || d.Type().IsRegular()) {
			add(path)
		}
		return err
	})
	w.WriteHeader(&tar.Header{Name: "usr/bin/python3", Typeflag: tar.TypeSymlink, Linkname: filepath.Base(python)})
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// output is what a program that has to work prints.
func output(t testing.TB, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).Output()
	if err != nil {
		t.Fatalf("%s %v: %v", name, args, err)
	}
	return string(out)
}

// An ansible is Ansible's own programs, with an inventory that asks the lab's agent.
type ansible struct {
	*lab
	dir string
}

func newAnsible(l *lab) *ansible {
	a := &ansible{l, l.t.TempDir()}
	plugin, code := l.lodge("inventory", "ansible", "--plugin")
	if code != 0 {
		l.t.Fatal(plugin)
	}
	l.must(os.WriteFile(filepath.Join(a.dir, "lodge.py"), []byte(plugin), 0o644))
	l.must(os.WriteFile(filepath.Join(a.dir, "estate"), []byte("#!/bin/sh\nexec lodge inventory ansible --exec --list\n"), 0o755))
	return a
}

// run runs one of Ansible's programs.
func (a *ansible) run(name string, args ...string) (out string, code int) {
	a.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = a.dir
	cmd.Env = append(os.Environ(), "LODGE_HOST=unix:"+a.socket(), "HOME="+a.dir, "ANSIBLE_NOCOLOR=1", "ANSIBLE_CONNECTION_PLUGINS="+a.dir,
		"LC_ALL=C.UTF-8", "PATH="+programs(a.t, "lodge")+":"+os.Getenv("PATH"))
	text, _ := cmd.CombinedOutput()
	return string(text), cmd.ProcessState.ExitCode()
}

// TestAnsible: the real Ansible reads the inventory and works in containers over exec, without sshd.
func TestAnsible(t *testing.T) {
	need.Program(t, "ansible-inventory")
	l := newLab(t)
	a := newAnsible(l)
	l.importImage("python", pythonImage(t))
	args := of("python", "lt-py")
	args.Purpose, args.Labels, args.Settings["memory"] = "{{ 7 * 7 }}", map[string]string{"tier": "front"}, "256MiB"
	l.do(l.create(args, true))
	l.launch("lt-web")

	var listed struct {
		Meta struct {
			Hosts map[string]map[string]any `json:"hostvars"`
		} `json:"_meta"`
		Front struct{ Hosts []string } `json:"label_tier_front"`
	}
	file, code := l.lodge("inventory", "ansible", "--exec")
	l.must(os.WriteFile(filepath.Join(a.dir, "estate.yml"), []byte(file), 0o644))
	for _, from := range []string{"estate", "estate.yml"} {
		out, failed := a.run("ansible-inventory", "--list", "-i", from)
		if err := json.Unmarshal([]byte(out), &listed); err != nil || code+failed != 0 || len(listed.Meta.Hosts) != 2 ||
			len(listed.Front.Hosts) != 1 || listed.Meta.Hosts["lt-web"]["ansible_connection"] != "lodge" {
			t.Errorf("ansible-inventory -i %s: %d %v\n%s", from, failed, err, out)
		}
	}
	for _, c := range []struct{ what, host, module, args, want string }{
		{"ping", "lt-py", "ping", "", `"ping": "pong"`},
		{"a command", "lt-py", "command", "id -u", "rc=0 >>\n0"},
		{"a copy", "lt-py", "copy", "content=hello dest=/root/greeting mode=0600", `"changed": true`},
		{"without Python", "lt-web", "raw", "echo $((6 * 7)); exit 3", "rc=3 >>\n42"},
		{"a purpose is no template", "lt-py", "debug", "var=lodge_purpose", `"lodge_purpose": "{{ 7 * 7 }}"`},
	} {
		if out, code := a.run("ansible", c.host, "-i", "estate", "-m", c.module, "-a", c.args); !strings.Contains(out, c.want) {
			t.Errorf("%s: %d %s", c.what, code, out)
		}
	}
	if out, _ := l.exec("lt-py", "cat", "/root/greeting"); out != "hello" {
		t.Errorf("what was copied is %q", out)
	}
	l.do(l.stopping("lt-web", inventory.StopArgs{}))
	if out, code := a.run("ansible", "lt-web", "-i", "estate", "-m", "raw", "-a", "id"); code != 4 || !strings.Contains(out, "lt-web is stopped") {
		t.Errorf("one that is stopped: %d %s", code, out)
	}
	l.checkClean()
}

// TestSSHConfig: the real ssh reads what ssh-config writes.
func TestSSHConfig(t *testing.T) {
	ssh := need.Program(t, "ssh")
	l := newLab(t)
	l.do(l.create(tiny("lt-web"), false))
	text, code := l.lodge("ssh-config", "--direct", "--user", "dev1")
	path := filepath.Join(t.TempDir(), "config")
	l.must(os.WriteFile(path, []byte(text), 0o600))
	c := l.container("lt-web")
	for _, name := range []string{"lt-web", "lt-web.lodge.internal"} {
		if got := output(t, ssh, "-G", "-F", path, name); code != 0 || !strings.Contains(got, "\nhostname "+c.NICs[0].IPv4+"\n") ||
			!strings.Contains(got, "user dev1\n") || !strings.Contains(got, "\nhostkeyalias lodge-"+string(c.ID)+"\n") {
			t.Errorf("ssh -G %s: %s", name, got)
		}
	}
	if out, code := l.lodge("ssh-config", "--direct", "--user", "dev1\nProxyCommand true"); code != 2 {
		t.Errorf("a user of two lines: %d %s", code, out)
	}
	targets, err := l.api.Targets(context.Background(), client.ContainerQuery{}, 9100)
	if err != nil || len(targets) != 1 || targets[0].Targets[0] != c.NICs[0].IPv4+":9100" || targets[0].Labels["__meta_lodge_name"] != "lt-web" {
		t.Errorf("http-sd: %+v %v", targets, err)
	}
}
