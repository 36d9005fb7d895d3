package sshgate_test

import (
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"lodge/manager/session/sessiontest"
	"lodge/packaging/need"
	"lodge/sshgate"
)

//go:embed testdata/edges.txt
var edges string

// An arm is one way into the container: its own sshd, or the gateway.
type arm struct {
	name   string
	config string // of the client, in which the container is the host "box"
	dir    string
}

// TestEdges: whatever OpenSSH's client does, the gateway does what OpenSSH's own server does.
func TestEdges(t *testing.T) {
	need.Programs(t, "rsync", "git", "script", "python3", "busybox", "scp", "sftp", "ssh-agent", "ssh-add")
	l := newLab(t)
	l.world.Host = map[string]string{sshgate.SettingAgent: "true"}
	arms := []arm{l.sshdArm(), l.gatewayArm()}
	for _, a := range arms {
		if got := l.row(t, a, 0, "ssh box 'echo hi'"); got != "hi\nexit 0\n" {
			t.Fatalf("%s is no way in: %s", a.name, got)
		}
	}
	only := os.Getenv("LODGE_EDGE") // one row, while working on it
	for n, row := range strings.Split(edges, "\n== ")[1:] {
		name, script, _ := strings.Cut(row, "\n")
		if only != "" && !strings.Contains(name, only) {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var want, got string
			var both sync.WaitGroup
			both.Go(func() { want = l.row(t, arms[0], n, script) })
			both.Go(func() { got = l.row(t, arms[1], n, script) })
			both.Wait()
			t.Logf("%s", got)
			if got != want {
				t.Errorf("the gateway:\n%s\nsshd:\n%s", got, want)
			}
		})
	}
}

// rowTime is how long a row may take on a machine that does others besides.
const rowTime = 90 * time.Second

// row is what a row prints by one way, without what the two ways have to differ in.
func (l *lab) row(t *testing.T, a arm, n int, script string) string {
	dir := filepath.Join(a.dir, strconv.Itoa(n))
	far := fmt.Sprintf("/tmp/%s%d", a.name[:1], n)
	near, inside := freePort(t), 20000+2*n
	if a.name == "sshd" {
		inside++
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Error(err)
		return ""
	}
	os.Mkdir(filepath.Join(l.world.Box.Rootfs, far), 0o755)
	os.Chown(filepath.Join(l.world.Box.Rootfs, far), 1000, 1000)
	cmd := exec.Command("timeout", "-k", "5", strconv.Itoa(int(rowTime.Seconds())), "sh", "-c", script)
	cmd.Dir = dir
	cmd.Env = []string{"PATH=" + filepath.Join(a.dir, "bin") + ":" + os.Getenv("PATH"), "HOME=" + dir, "TERM=xterm",
		"FAR=" + far, "KEY=" + filepath.Join(l.dir, "ann"), fmt.Sprintf("NEAR=%d", near), fmt.Sprintf("INSIDE=%d", inside)}
	out, err := os.Create(filepath.Join(dir, ".out"))
	if err != nil {
		t.Error(err)
		return ""
	}
	defer out.Close()
	cmd.Stdout, cmd.Stderr = out, out // a file: what stays in the background holds no pipe of ours
	cmd.Run()
	text, _ := os.ReadFile(out.Name())
	return strings.NewReplacer(far, "FAR", strconv.Itoa(near), "NEAR", strconv.Itoa(inside), "INSIDE").Replace(string(text)) +
		fmt.Sprintf("exit %d\n", cmd.ProcessState.ExitCode())
}

// newArm writes the client's configuration, and programs that use it whoever calls them.
func (l *lab) newArm(name, host string) arm {
	l.Helper()
	a := arm{name: name, dir: filepath.Join(l.dir, name)}
	a.config = filepath.Join(a.dir, "config")
	sessiontest.Must(l.T, os.MkdirAll(filepath.Join(a.dir, "bin"), 0o700))
	config := fmt.Sprintf("Host box\n%s IdentityFile %s\n IdentitiesOnly yes\n BatchMode yes\n LogLevel ERROR\n"+
		" StrictHostKeyChecking no\n UserKnownHostsFile %s/known_hosts\n ConnectTimeout 60\n", host, filepath.Join(l.dir, "ann"), a.dir)
	sessiontest.Must(l.T, os.WriteFile(a.config, []byte(config), 0o600))
	for _, program := range []string{"ssh", "scp", "sftp"} {
		script := fmt.Sprintf("#!/bin/sh\nexec %s -F %s \"$@\"\n", need.Program(l.T, program), a.config)
		if program != "ssh" { // they would look for the true ssh
			script = fmt.Sprintf("#!/bin/sh\nexec %s -F %s -S %s/bin/ssh \"$@\"\n", need.Program(l.T, program), a.config, a.dir)
		}
		sessiontest.Must(l.T, os.WriteFile(filepath.Join(a.dir, "bin", program), []byte(script), 0o755))
	}
	return a
}

func (l *lab) gatewayArm() arm {
	return l.newArm("gateway", fmt.Sprintf(" HostName 127.0.0.1\n Port %d\n User web1\n", l.port))
}

// sshdArm furnishes the container with what people install: OpenSSH's server, rsync, git.
func (l *lab) sshdArm() arm {
	l.Helper()
	box := l.world.Box
	sshd := openSSHServer(l.T)
	for _, p := range []string{"/usr/lib/openssh/sftp-server", sshd, "scp", "rsync", "git", "ssh-add"} {
		l.give(need.Program(l.T, p))
	}
	if session := "/usr/lib/openssh/sshd-session"; exists(session) { // since OpenSSH 9.8
		l.give(session)
	}
	for _, p := range []string{"git-upload-pack", "git-receive-pack"} {
		sessiontest.Must(l.T, os.Symlink("git", filepath.Join(box.Rootfs, "usr/bin", p)))
	}
	l.newKey("host")
	key, err := os.ReadFile(filepath.Join(l.dir, "host"))
	sessiontest.Must(l.T, err)
	public, err := os.ReadFile(filepath.Join(l.dir, "ann.pub"))
	sessiontest.Must(l.T, err)
	passwd, err := os.ReadFile(filepath.Join(box.Rootfs, "etc/passwd"))
	sessiontest.Must(l.T, err)
	for _, dir := range []string{"etc/ssh", "run/sshd"} {
		sessiontest.Must(l.T, os.MkdirAll(filepath.Join(box.Rootfs, dir), 0o755))
	}
	for name, text := range map[string]string{
		"etc/passwd":     string(passwd) + "sshd:x:100:65534::/run/sshd:/bin/false\n",
		"etc/ssh/key":    string(key),
		"etc/ssh/keys":   string(public),
		"etc/ssh/config": sshdConfig,
		"etc/hosts":      "127.0.0.1 localhost\n",
		"etc/gitconfig":  "[safe]\n directory = *\n",
	} {
		sessiontest.Must(l.T, os.WriteFile(filepath.Join(box.Rootfs, name), []byte(text), 0o644))
	}
	sessiontest.Must(l.T, os.Chmod(filepath.Join(box.Rootfs, "etc/ssh/key"), 0o600))
	sessiontest.Must(l.T, os.Chmod(filepath.Join(box.Rootfs, "etc/passwd"), 0o644))
	box.Inside(l.T, "ip", "link", "set", "lo", "up")
	return l.newArm("sshd", fmt.Sprintf(" ProxyCommand setsid -w lxc-attach -P %s -n %s --clear-env -- %s -i -f /etc/ssh/config 2>/dev/null\n User ann\n", box.LXCPath, box.Name, sshd))
}

// openSSHServer is where it is installed, or where packaging/deps puts it.
func openSSHServer(t *testing.T) string {
	for _, path := range []string{"/usr/sbin/sshd", "/var/cache/lodge-test/openssh-server/usr/sbin/sshd"} {
		if exists(path) {
			return path
		}
	}
	return need.Program(t, "sshd")
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// sshdConfig is Debian's, and what the gateway takes of the environment.
const sshdConfig = `HostKey /etc/ssh/key
AuthorizedKeysFile /etc/ssh/keys
AcceptEnv LANG LANGUAGE LC_* COLORTERM
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
PrintMotd no
PrintLastLog no
LogLevel QUIET
PidFile none
Subsystem sftp /usr/lib/openssh/sftp-server
`
