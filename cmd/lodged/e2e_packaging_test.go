package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"lodge/inventory"
)

// An installation is what the scripts of packaging make of a host without systemd, below a folder of
// the test's own. The tests' namespaces keep /etc and /run/lodge from the host.
type installation struct {
	t   *testing.T
	dir string
}

func newInstallation(t *testing.T) *installation {
	t.Helper()
	requireRoot(t)
	dir, err := os.MkdirTemp(base, "inst")
	if err != nil {
		t.Fatal(err)
	}
	os.Chmod(dir, 0o711)
	i := &installation{t, dir}
	i.script(`cp -r "$1/packaging" . && mkdir bin && cp "$2"/* "$3"/* bin/`, absolute(t, repository), programs(t, "shipped"), programs(t, "lodge"))
	i.script(`sed -i -e "s|^bindir=.*|bindir=$PWD/usr/bin|" -e "s|^libdir=.*|libdir=$PWD/usr/lib|" -e "s|^root=.*|root=$PWD/root|" \
		-e "s|^log=.*|log=$PWD/log|" -e "s|^export PATH=|&$PWD/usr/bin:|" packaging/where
		mkdir -p /etc/lodge && printf 'root: %s\nsocket: /run/lodge/lodge.sock\npool_size: 1GiB\n' "$PWD/root" > /etc/lodge/lodged.yaml`)
	if err := syscall.Mount("/bin/true", "/usr/sbin/sysctl", "", syscall.MS_BIND, ""); err != nil { // they are the host's
		t.Fatal(err)
	}
	t.Cleanup(func() {
		exec.Command(filepath.Join(dir, "usr/lib/lodged"), "release", "--forget").Run()
		syscall.Unmount("/usr/sbin/sysctl", syscall.MNT_DETACH)
		os.RemoveAll("/etc/lodge")
		os.RemoveAll(dir)
	})
	return i
}

func absolute(t *testing.T, path string) string {
	t.Helper()
	path, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// script runs one that has to work, as from the shell of somebody who keeps what they make to
// themselves.
func (i *installation) script(text string, args ...string) string {
	i.t.Helper()
	cmd := exec.Command("bash", append([]string{"-c", "set -eu; umask 077; " + text, "bash"}, args...)...)
	cmd.Dir = i.dir
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		log, _ := os.ReadFile(filepath.Join(i.dir, "log"))
		i.t.Fatalf("%s: %v\n%s\n%s", text, err, out.String(), log)
	}
	return out.String()
}

func (i *installation) agent() int {
	i.t.Helper()
	text, err := os.ReadFile("/run/lodge/lodged.pid")
	if err != nil {
		i.t.Fatal(err)
	}
	pid, _ := strconv.Atoi(strings.TrimSpace(string(text)))
	return pid
}

// ownRunFolder gives the test a /run/lodge that nobody else sees.
func ownRunFolder(t *testing.T) {
	t.Helper()
	requireRoot(t)
	made := os.Mkdir("/run/lodge", 0o755) == nil
	if err := syscall.Mount("tmpfs", "/run/lodge", "tmpfs", 0, "mode=700"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		syscall.Unmount("/run/lodge", syscall.MNT_DETACH)
		if made {
			os.Remove("/run/lodge")
		}
	})
}

// TestUpDownClean: the scripts behind make do again what they did without changing anything, and
// leave agents on other roots what is theirs.
func TestUpDownClean(t *testing.T) {
	ownRunFolder(t)
	other := emptyLab(t, "shipped")
	text, err := os.ReadFile(other.config)
	other.must(err)
	other.must(os.WriteFile(other.config, bytes.Replace(text, []byte(filepath.Join(base, "claims")), []byte("/run/lodge/claims"), 1), 0o600))
	other.start()
	other.importImage("tiny", tinyImage(t, ""))
	other.launch("lt-other")
	witness := other.container("lt-other").Observed.InitPID

	i := newInstallation(t)
	if out := i.script("packaging/down"); !strings.Contains(out, "not installed") {
		t.Errorf("down of what is not there: %s", out)
	}
	i.script("packaging/install && packaging/down && packaging/agent start")
	if mode := permissions(t, "/run/lodge"); mode != 0o755 {
		t.Errorf("/run/lodge is %o: the group can't reach the socket", mode)
	}
	if mode := permissions(t, "/run/lodge/claims"); mode != 0o700 {
		t.Errorf("/run/lodge/claims is %o", mode)
	}
	os.WriteFile(filepath.Join(i.dir, "tiny.tar"), tinyImage(t, ""), 0o600)
	i.script(`. packaging/where; for n in $(seq 300); do lodge host show > /dev/null 2>&1 && break; sleep 0.1; done
		lodge image import tiny.tar --alias debian/12 -q`)
	if out := i.script("packaging/up"); !strings.Contains(out, "running") {
		t.Errorf("make up ends with %s", out)
	}
	state := func() string {
		return i.script(". packaging/where; lodge -o json show hello | grep -e init_pid -e revision -e state; lodge operation list -o csv; lodge audit list -o csv; ls -lR --time-style=full-iso usr")
	}
	before, pid := state(), i.agent()
	i.script("packaging/up")
	if after := state(); after != before || i.agent() != pid {
		t.Errorf("the second make up has changed something (agent %d, was %d):\n%s\n%s", i.agent(), pid, before, after)
	}
	// It is the host's own agent, so the host knows its names.
	hello := func() string { return lookUp("hello." + inventory.Domain) }
	other.await("the host knows hello", func() bool { return hello() != "" })
	i.script("packaging/down")
	if hello() != "" {
		t.Error("the host still knows hello after make down")
	}
	i.script("packaging/up")
	// Another process has the number of an agent that died.
	i.script("kill -9 $(cat /run/lodge/lodged.pid) && echo $$ > /run/lodge/lodged.pid && packaging/up")
	i.script("packaging/down && packaging/down && packaging/up && packaging/clean && packaging/clean")
	for _, left := range []string{"root", "usr/lib", "usr/bin/lodge", "bin", "log", "/run/lodge/lodge.sock", "/run/lodge/lodged.pid"} {
		if !filepath.IsAbs(left) {
			left = filepath.Join(i.dir, left)
		}
		if exists(left) {
			t.Errorf("%s is left", left)
		}
	}
	claims, _ := filepath.Glob("/run/lodge/claims/*.json")
	if len(claims) != 1 {
		t.Errorf("the claims are %v, want the other agent's alone", claims)
	}
	if c := other.container("lt-other"); c.Observed.InitPID != witness || c.State != inventory.StateRunning {
		t.Errorf("the other agent's container is %s", c.State)
	}
	other.checkClean()
}

// TestGoIsFound: an old Go that comes first on the PATH doesn't hide a good one, and alone it is
// refused in a sentence.
func TestGoIsFound(t *testing.T) {
	dir := t.TempDir()
	fake := func(name, version string) string {
		path := filepath.Join(dir, name)
		os.Mkdir(path, 0o755)
		script := "#!/bin/sh\n[ \"$1 $2\" = 'env GOVERSION' ] && { echo go" + version + "; exit; }\necho " + name + " \"$@\"\n"
		if err := os.WriteFile(filepath.Join(path, "go"), []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
		return path
	}
	run := func(path ...string) (string, error) {
		cmd := exec.Command("bash", absolute(t, repository)+"/packaging/go", "build", "x")
		cmd.Dir = dir
		cmd.Env = []string{"PATH=" + strings.Join(append(path, "/usr/bin", "/bin"), ":"), "HOME=" + dir}
		out, err := cmd.CombinedOutput()
		return strings.TrimSpace(string(out)), err
	}
	old, good := fake("old", "1.19.8"), fake("good", "1.99.1")
	if out, err := run(old, good); err != nil || out != "good build x" {
		t.Errorf("%s, %v", out, err)
	}
	if slices.ContainsFunc([]string{"/usr/local/go/bin/go", "/usr/lib/go/bin/go", "/snap/bin/go", "/usr/bin/go"}, exists) {
		return // it finds this host's own
	}
	if out, err := run(old); err == nil || !strings.Contains(out, "1.26 or newer") || strings.Count(out, "\n") > 0 {
		t.Errorf("with an old Go alone: %s, %v", out, err)
	}
}
