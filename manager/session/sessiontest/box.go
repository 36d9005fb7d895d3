// Package sessiontest starts real containers for the tests of sessions: unprivileged, idmapped, with a
// root file system of busybox alone.
package sessiontest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"lodge/inventory"
	"lodge/packaging/need"
)

// IDBase is the first host id of the test containers, away from what /etc/subuid usually names.
const IDBase = 2_100_000_000

// built is lodge-lxc, built once per test binary; Main removes it.
var built = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", fmt.Sprintf("lodgetest-session-%d-", os.Getpid()))
	if err != nil {
		return "", err
	}
	builtIn = dir
	path := filepath.Join(dir, "lodge-lxc")
	out, err := exec.Command("go", "build", "-o", path, "lodge/cmd/lodge-lxc").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return path, nil
})

var builtIn string

// Main runs a package's tests, removes what they share, and ends the program.
func Main(m *testing.M) { os.Exit(Run(m)) }

// Run is Main for who has more to remove.
func Run(m *testing.M) (code int) {
	code = m.Run()
	if builtIn != "" {
		os.RemoveAll(builtIn)
	}
	return code
}

// A Box is a running, unprivileged container with a root file system of busybox alone. Users root
// and ann (1000, of the groups wheel and audio) live in it.
type Box struct {
	Helper  string // lodge-lxc, built from this tree
	Root    string // a folder of the test's own
	LXCPath string
	Name    string
	Rootfs  string
}

// NewBox starts a container and removes it with the test.
func NewBox(t testing.TB) *Box {
	t.Helper()
	need.Root(t)
	need.Program(t, "lxc-start")
	busybox := need.Program(t, "busybox")
	helper, err := built()
	if err != nil {
		t.Fatal(err)
	}
	sweep()
	root, err := os.MkdirTemp("", fmt.Sprintf("lodgetest-session-%d-", os.Getpid()))
	if err != nil {
		t.Fatal(err)
	}
	b := &Box{Helper: helper, Root: root, LXCPath: filepath.Join(root, "containers"),
		Name: "lodgetest" + inventory.NewID(time.Now())[24:], Rootfs: filepath.Join(root, "rootfs")}
	t.Cleanup(func() { os.RemoveAll(root) })
	os.Chmod(root, 0o755) // the container's root has to reach its rootfs
	b.fill(t, busybox)
	b.Start(t)
	return b
}

// sweep removes what tests that were killed have left: their folders carry their process id.
func sweep() {
	roots, _ := filepath.Glob(filepath.Join(os.TempDir(), "lodgetest-session-*"))
	for _, root := range roots {
		pid, err := strconv.Atoi(strings.Split(filepath.Base(root), "-")[2])
		if err != nil || syscall.Kill(pid, 0) == nil {
			continue
		}
		names, _ := filepath.Glob(filepath.Join(root, "containers", "lodgetest*"))
		for _, name := range names {
			(&Box{LXCPath: filepath.Dir(name), Name: filepath.Base(name)}).Stop()
		}
		os.RemoveAll(root)
	}
}

func (b *Box) fill(t testing.TB, busybox string) {
	t.Helper()
	for _, dir := range []string{"bin", "sbin", "etc", "proc", "sys", "dev", "tmp", "root", "home/ann", "usr/bin", "usr/sbin"} {
		Must(t, os.MkdirAll(filepath.Join(b.Rootfs, dir), 0o755))
	}
	Must(t, exec.Command("cp", busybox, filepath.Join(b.Rootfs, "bin/busybox")).Run())
	Must(t, exec.Command("chroot", b.Rootfs, "/bin/busybox", "--install", "-s", "/bin").Run())
	files := map[string]string{
		"etc/passwd": "root:x:0:0:root:/root:/bin/sh\nann:x:1000:1000::/home/ann:/bin/sh\nlocked:x:1001:1001::/nowhere:/bin/absent\n",
		"etc/group":  "root:x:0:\ntty:x:5:\nann:x:1000:\nwheel:x:2000:root,ann\naudio:x:2001:ann\n",
		"sbin/init":  "#!/bin/sh\ntrap 'exit 0' TERM PWR INT\nwhile :; do sleep 1000 & wait; done\n",
		"etc/plain":  "not a program\n",
	}
	for name, text := range files {
		Must(t, os.WriteFile(filepath.Join(b.Rootfs, name), []byte(text), 0o644))
	}
	Must(t, os.Chmod(filepath.Join(b.Rootfs, "sbin/init"), 0o755))
	Must(t, os.Chmod(filepath.Join(b.Rootfs, "tmp"), 0o1777))
	Must(t, os.Chown(filepath.Join(b.Rootfs, "home/ann"), 1000, 1000))
}

// Start starts the container.
func (b *Box) Start(t testing.TB) {
	t.Helper()
	Must(t, os.MkdirAll(filepath.Join(b.LXCPath, b.Name), 0o755))
	config := filepath.Join(b.LXCPath, b.Name, "config")
	Must(t, os.WriteFile(config, []byte(fmt.Sprintf(`lxc.include = /usr/share/lxc/config/common.conf
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
`, b.Name, b.Rootfs, IDBase, filepath.Dir(config))), 0o644))
	cmd := exec.Command("lxc-start", "-P", b.LXCPath, "-n", b.Name, "-d")
	// Where liblxc finds newuidmap it asks it even as root, and then /etc/subuid decides.
	cmd.Env = []string{"PATH=/nonexistent"}
	out, err := cmd.CombinedOutput()
	if err != nil {
		log, _ := os.ReadFile(filepath.Join(filepath.Dir(config), "lxc.log"))
		t.Fatalf("lxc-start: %v\n%s\n%s", err, out, log)
	}
	t.Cleanup(func() { b.Stop() })
}

// Init is the container's first process, and when it began (field 22 of /proc/PID/stat).
func (b *Box) Init() (pid int, start uint64) {
	out, _ := exec.Command("lxc-info", "-P", b.LXCPath, "-n", b.Name, "-pH").Output()
	pid, _ = strconv.Atoi(strings.TrimSpace(string(out)))
	return pid, Began(pid)
}

// Began is field 22 of /proc/PID/stat, 0 where there is no such process.
func Began(pid int) uint64 {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(raw[strings.LastIndexByte(string(raw), ')')+1:]))
	start, _ := strconv.ParseUint(fields[22-3], 10, 64)
	return start
}

// Stop kills the container and removes what liblxc leaves of its cgroups.
func (b *Box) Stop() {
	exec.Command("lxc-unfreeze", "-P", b.LXCPath, "-n", b.Name).Run()
	exec.Command("lxc-stop", "-P", b.LXCPath, "-n", b.Name, "-k").Run()
	// A clean stop leaves lxc.monitor.NAME in each hierarchy of cgroup v1.
	for _, pattern := range []string{"/sys/fs/cgroup/lxc.*." + b.Name + "*", "/sys/fs/cgroup/*/lxc.*." + b.Name + "*"} {
		paths, _ := filepath.Glob(pattern)
		for _, path := range paths {
			exec.Command("find", path, "-depth", "-type", "d", "-exec", "rmdir", "{}", ";").Run()
		}
	}
}

// Inside runs a command with lxc-attach, the yardstick.
func (b *Box) Inside(t testing.TB, argv ...string) string {
	t.Helper()
	out, err := exec.Command("lxc-attach", append([]string{"-P", b.LXCPath, "-n", b.Name, "--clear-env", "--"}, argv...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("lxc-attach %s: %v\n%s", strings.Join(argv, " "), err, out)
	}
	return string(out)
}

// Must fails the test on an error.
func Must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
