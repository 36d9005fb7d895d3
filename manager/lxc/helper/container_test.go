package helper_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"lodge/inventory"
)

// idBase is the first host id of the test containers, away from what /etc/subuid usually names.
const idBase = 2_100_000_000

// need skips a test that this machine can't run, or fails it where everything has to run.
func need(t *testing.T, ok bool, what string) {
	t.Helper()
	if ok {
		return
	}
	if os.Getenv("LODGE_REQUIRE") == "1" {
		t.Fatalf("needs %s", what)
	}
	t.Skipf("needs %s", what)
}

var builtHelper = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "lodgetest-helper-")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "lodge-lxc")
	out, err := exec.Command("go", "build", "-o", path, "lodge/cmd/lodge-lxc").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return path, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if path, err := builtHelper(); err == nil {
		os.RemoveAll(filepath.Dir(path))
	}
	os.Exit(code)
}

// A box is a running, unprivileged container with a root file system of busybox alone.
type box struct {
	helper, root, lxcpath, name, rootfs string
}

// newBox starts a container and removes it with the test.
func newBox(t *testing.T) *box {
	t.Helper()
	need(t, os.Geteuid() == 0, "root")
	busybox, err := exec.LookPath("busybox")
	need(t, err == nil, "busybox-static")
	_, err = exec.LookPath("lxc-start")
	need(t, err == nil, "lxc")
	helper, err := builtHelper()
	if err != nil {
		t.Fatal(err)
	}
	root, err := os.MkdirTemp("", "lodgetest-")
	if err != nil {
		t.Fatal(err)
	}
	b := &box{helper: helper, root: root, lxcpath: filepath.Join(root, "containers"),
		name: "lodgetest" + inventory.NewID(testTime)[24:], rootfs: filepath.Join(root, "rootfs")}
	t.Cleanup(func() { os.RemoveAll(root) })
	os.Chmod(root, 0o755) // the container's root has to reach its rootfs
	b.fill(t, busybox)
	b.start(t)
	return b
}

func (b *box) fill(t *testing.T, busybox string) {
	t.Helper()
	for _, dir := range []string{"bin", "sbin", "etc", "proc", "sys", "dev", "tmp", "root", "home/ann", "usr/bin", "usr/sbin"} {
		must(t, os.MkdirAll(filepath.Join(b.rootfs, dir), 0o755))
	}
	must(t, exec.Command("cp", busybox, filepath.Join(b.rootfs, "bin/busybox")).Run())
	must(t, exec.Command("chroot", b.rootfs, "/bin/busybox", "--install", "-s", "/bin").Run())
	files := map[string]string{
		"etc/passwd": "root:x:0:0:root:/root:/bin/sh\nann:x:1000:1000::/home/ann:/bin/sh\nlocked:x:1001:1001::/nowhere:/bin/absent\n",
		"etc/group":  "root:x:0:\ntty:x:5:\nann:x:1000:\nwheel:x:2000:root,ann\naudio:x:2001:ann\n",
		"sbin/init":  "#!/bin/sh\ntrap 'exit 0' TERM PWR INT\nwhile :; do sleep 1000 & wait; done\n",
		"etc/plain":  "not a program\n",
	}
	for name, text := range files {
		must(t, os.WriteFile(filepath.Join(b.rootfs, name), []byte(text), 0o644))
	}
	must(t, os.Chmod(filepath.Join(b.rootfs, "sbin/init"), 0o755))
	must(t, os.Chmod(filepath.Join(b.rootfs, "tmp"), 0o1777))
	must(t, os.Chown(filepath.Join(b.rootfs, "home/ann"), 1000, 1000))
}

func (b *box) start(t *testing.T) {
	t.Helper()
	must(t, os.MkdirAll(filepath.Join(b.lxcpath, b.name), 0o755))
	config := filepath.Join(b.lxcpath, b.name, "config")
	must(t, os.WriteFile(config, []byte(fmt.Sprintf(`lxc.include = /usr/share/lxc/config/common.conf
lxc.include = /usr/share/lxc/config/userns.conf
lxc.hook.mount =
lxc.uts.name = %[1]s
lxc.rootfs.path = dir:%[2]s
lxc.rootfs.options = idmap=container
lxc.idmap = u 0 %[3]d 65536
lxc.idmap = g 0 %[3]d 65536
lxc.net.0.type = empty
lxc.cap.drop = sys_ptrace net_raw
lxc.log.file = %[4]s/lxc.log
lxc.log.level = WARN
lxc.console.logfile = %[4]s/console.log
lxc.environment = FROM_CONFIG=yes
lxc.apparmor.profile = unconfined
`, b.name, b.rootfs, idBase, filepath.Dir(config))), 0o644))
	cmd := exec.Command("lxc-start", "-P", b.lxcpath, "-n", b.name, "-d")
	// Where liblxc finds newuidmap it asks it even as root, and then /etc/subuid decides.
	cmd.Env = []string{"PATH=/nonexistent"}
	out, err := cmd.CombinedOutput()
	if err != nil {
		log, _ := os.ReadFile(filepath.Join(filepath.Dir(config), "lxc.log"))
		t.Fatalf("lxc-start: %v\n%s\n%s", err, out, log)
	}
	t.Cleanup(func() { b.stop(t) })
}

func (b *box) stop(t *testing.T) {
	exec.Command("lxc-unfreeze", "-P", b.lxcpath, "-n", b.name).Run()
	exec.Command("lxc-stop", "-P", b.lxcpath, "-n", b.name, "-k").Run()
	// A clean stop leaves lxc.monitor.NAME in each hierarchy of cgroup v1.
	for _, pattern := range []string{"/sys/fs/cgroup/lxc.*." + b.name + "*", "/sys/fs/cgroup/*/lxc.*." + b.name + "*"} {
		paths, _ := filepath.Glob(pattern)
		for _, path := range paths {
			exec.Command("find", path, "-depth", "-type", "d", "-exec", "rmdir", "{}", ";").Run()
		}
	}
}

// inside runs a command with lxc-attach, the yardstick.
func (b *box) inside(t *testing.T, argv ...string) string {
	t.Helper()
	out, err := exec.Command("lxc-attach", append([]string{"-P", b.lxcpath, "-n", b.name, "--clear-env", "--"}, argv...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("lxc-attach %s: %v\n%s", strings.Join(argv, " "), err, out)
	}
	return string(out)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
