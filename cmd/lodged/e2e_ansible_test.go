package main

import (
	"archive/tar"
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net"
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
	a.takesGateway()
	t.Run("a playbook by ssh", a.playbookBySSH)
	l.do(l.stopping("lt-web", inventory.StopArgs{}))
	if out, code := a.run("ansible", "lt-web", "-i", "estate", "-m", "raw", "-a", "id"); code != 4 || !strings.Contains(out, "lt-web is stopped") {
		t.Errorf("one that is stopped: %d %s", code, out)
	}
	l.checkClean()
}

// takesGateway gives Ansible a key, and its ssh the way through the host's gateway.
func (a *ansible) takesGateway() {
	a.t.Helper()
	output(a.t, need.Program(a.t, "ssh-keygen"), "-q", "-t", "ed25519", "-N", "", "-f", filepath.Join(a.dir, "id"))
	a.lab.run("user", "create", "ann")
	a.lab.run("key", "add", filepath.Join(a.dir, "id.pub"), "--user", "ann")
	a.lab.run("role", "grant", "owner", "ann", "--on", "container:lt-py")
	if out, code := a.run("lodge", "ssh-config", "--install", "--user", "root"); code != 0 {
		a.t.Fatal(out)
	}
	found, err := filepath.Glob(filepath.Join(a.dir, ".ssh/lodge/*.config"))
	if err != nil || len(found) != 1 {
		a.t.Fatalf("ssh-config left %v, %v", found, err)
	}
	text, err := os.ReadFile(found[0])
	a.must(err)
	mine := fmt.Sprintf("Host *\n IdentityFile %s/id\n IdentitiesOnly yes\n BatchMode yes\n StrictHostKeyChecking yes\n", a.dir)
	a.must(os.WriteFile(filepath.Join(a.dir, "ssh"), append(text, mine...), 0o600))
	a.must(os.WriteFile(filepath.Join(a.dir, "gateway"), []byte("#!/bin/sh\nexec lodge inventory ansible --ssh --list\n"), 0o755))
	a.must(os.WriteFile(filepath.Join(a.dir, "play.yml"), []byte(playbook), 0o644))
	config := "[ssh_connection]\npipelining = true\ntransfer_method = piped\n" +
		"ssh_args = -F ssh -o ControlMaster=auto -o ControlPersist=60s -o ControlPath=mux\n"
	a.must(os.WriteFile(filepath.Join(a.dir, "ansible.cfg"), []byte(config), 0o644))
}

const playbook = `- hosts: label_tier_front
  gather_facts: true
  gather_subset: [min]
  tasks:
    - command: id -u
      register: who
      changed_when: false
    - assert: {that: ["who.stdout == '0'", "ansible_hostname == 'lt-py'"]}
    - copy: {content: "one\n", dest: /root/list, mode: "0600"}
    - lineinfile: {path: /root/list, line: two}
      notify: told
  handlers:
    - name: told
      shell: echo told >> /root/told
`

// playbookBySSH: through the gateway, with pipelining and ControlMaster.
func (a *ansible) playbookBySSH(t *testing.T) {
	defer exec.Command("ssh", "-F", filepath.Join(a.dir, "ssh"), "-S", filepath.Join(a.dir, "mux"), "-O", "exit", "lt-py").Run()
	out, code := a.run("ansible-playbook", "-vvv", "-i", "gateway", "play.yml")
	if code != 0 || !strings.Contains(out, "unreachable=0    failed=0") || !strings.Contains(out, "changed=3 ") {
		t.Errorf("%d %s", code, out)
	}
	if strings.Contains(out, "AnsiballZ_command.py TO") || !strings.Contains(out, "Pipelining is enabled") {
		t.Errorf("modules are files inside: %s", out)
	}
	if out, _ := a.exec("lt-py", "cat", "/root/list", "/root/told"); out != "one\ntwo\ntold\n" {
		t.Errorf("the playbook left %q", out)
	}
	if out := a.lab.run("session", "list"); !regexp.MustCompile(`exec +lt-py +ann`).MatchString(out) {
		t.Errorf("no session of it is known:\n%s", out)
	}
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
	l.sshSocketOfSystemd()
	l.sshOff()
}

// sshSocketOfSystemd: the port is systemd's, and who came before the agent is served by it.
func (l *lab) sshSocketOfSystemd() {
	l.t.Helper()
	l.stop()
	probe, err := net.Listen("tcp", "127.0.0.1:0")
	l.must(err)
	address := probe.Addr().String()
	l.must(probe.Close())
	cmd := exec.Command(need.Program(l.t, "systemd-socket-activate"), "-l", address, l.lodged(), "--config", l.config)
	cmd.Stderr = l.t.Output()
	l.must(cmd.Start())
	l.agent, l.ended = cmd, make(chan struct{})
	ended := l.ended
	go func() { cmd.Wait(); close(ended) }()
	var conn net.Conn
	l.await("systemd listens", func() bool {
		conn, err = net.Dial("tcp", address)
		return err == nil
	})
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(patience))
	greeting, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil || !strings.HasPrefix(greeting, "SSH-2.0-Lodge") {
		l.t.Errorf("the socket that was open before the agent says %q, %v", greeting, err)
	}
	text, code := l.lodge("ssh-config")
	if _, port, _ := net.SplitHostPort(address); code != 0 || !strings.Contains(text, "\n  Port "+port+"\n") {
		t := text[:min(len(text), 300)]
		l.t.Errorf("ssh is not sent to %s: %d %s", address, code, t)
	}
	l.stop()
}

// sshOff: a door that is off stays closed, and the agent works.
func (l *lab) sshOff() {
	l.t.Helper()
	l.start()
	l.run("config", "set", "ssh.listen=off")
	l.stop()
	l.start()
	if out, code := l.lodge("ssh-config", "--install"); code == 0 || !strings.Contains(out, "lets nobody in by ssh") {
		l.t.Errorf("a door that is off: %d %s", code, out)
	}
}
