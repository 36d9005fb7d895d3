package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"lodge/packaging/need"
)

// The end-to-end tests start the true agent on roots of their own, with real containers. All of it
// happens in namespaces of their own. Network: bridges, rules and port 53 are not the host's.
// Processes: containers, sessions and name servers outlive their agents by design, but not the
// first process of the namespace. Mounts: pools go with it, and loop devices with them. So a run
// that crashes leaves nothing but files and empty cgroups, which the next run sweeps.

const (
	// prefix begins the name of everything the tests make outside their namespaces.
	prefix   = "lodgetest-e2e-"
	stageEnv = "LODGETEST_E2E" // "init": be the namespace's first process; "inside": run the tests
	baseEnv  = "LODGETEST_E2E_BASE"
)

// base is the folder of this run: binaries, roots, claims. Empty outside the namespaces.
var base = os.Getenv(baseEnv)

func TestMain(m *testing.M) {
	switch {
	case os.Getenv(stageEnv) == "init":
		os.Exit(firstProcess())
	case os.Getenv(stageEnv) == "inside" || os.Getuid() != 0:
		os.Exit(m.Run())
	}
	os.Exit(inNamespaces(m))
}

// inNamespaces runs this test binary again, inside.
func inNamespaces(m *testing.M) int {
	sweepLeftovers()
	dir, err := os.MkdirTemp("", prefix)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	os.Chmod(dir, 0o711) // the containers' root users pass through it
	defer sweepLeftovers()
	defer os.RemoveAll(dir)
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Args[0] = os.Args[0]
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), stageEnv+"=init", baseEnv+"="+dir)
	runtime.LockOSThread() // the signal below comes with this thread's death
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL,
		Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWPID | syscall.CLONE_NEWNS}
	if err := cmd.Start(); err != nil {
		fmt.Fprintln(os.Stderr, "no namespaces may be made here:", err)
		return m.Run() // those that need them say so
	}
	cmd.Wait()
	return cmd.ProcessState.ExitCode()
}

// firstProcess makes the namespaces usable, runs the tests and reaps what they orphan.
func firstProcess() int {
	for _, step := range [][]string{
		{"mount", "--make-rprivate", "/"},
		{"mount", "-t", "proc", "proc", "/proc"},
		{"ip", "link", "set", "lo", "up"},
	} {
		if out, err := exec.Command(step[0], step[1:]...).CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "%v: %v: %s\n", step, err, out)
			return 1
		}
	}
	ownSys()
	hideHost()
	self, err := os.Executable()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	os.Setenv(stageEnv, "inside")
	pid, err := syscall.ForkExec(self, os.Args, &syscall.ProcAttr{Env: os.Environ(), Files: []uintptr{0, 1, 2}})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	for {
		var status syscall.WaitStatus
		got, err := syscall.Wait4(-1, &status, 0, nil)
		switch {
		case err == syscall.EINTR:
		case err != nil:
			return 1
		case got == pid && status.Exited():
			return status.ExitStatus()
		case got == pid:
			return 128 + int(status.Signal())
		}
	}
}

// ownSys mounts the sysfs of the new network namespace, whose bridges liblxc looks up there, with
// the control groups of the old.
func ownSys() {
	script := `set -e
	for dir in fs/cgroup kernel/security; do
		keep=$0/keep/$dir; mkdir -p $keep; mount --rbind /sys/$dir $keep
	done
	mount -t sysfs sysfs /sys
	for dir in fs/cgroup kernel/security; do
		mount --rbind $0/keep/$dir /sys/$dir; umount -l $0/keep/$dir
	done`
	if out, err := exec.Command("sh", "-c", script, base).CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "no sysfs of the tests' own: %v: %s\n", err, out)
	}
}

// hideHost keeps the agents from the host's own files: what they write to /etc, like the ids they
// reserve, stays in a layer above it, and a systemd outside is none in here.
func hideHost() {
	layer := filepath.Join(base, "etc")
	os.Mkdir(layer, 0o755)
	syscall.Mount("tmpfs", layer, "tmpfs", 0, "mode=755")
	os.Mkdir(layer+"/upper", 0o755)
	os.Mkdir(layer+"/work", 0o755)
	options := "lowerdir=/etc,upperdir=" + layer + "/upper,workdir=" + layer + "/work"
	if err := syscall.Mount("overlay", "/etc", "overlay", 0, options); err != nil {
		fmt.Fprintln(os.Stderr, "the host's /etc is not covered:", err)
	}
	for _, dir := range []string{"/run/systemd", "/run/lodge"} {
		if _, err := os.Stat(dir); err == nil {
			syscall.Mount("tmpfs", dir, "tmpfs", 0, "mode=755")
		}
	}
}

// sweepLeftovers removes what an earlier run that was killed has left: its folders, and the cgroups
// of its containers. Nothing of a run that still goes on is touched: cgroups with processes can't
// be removed, and a folder it uses is younger than an hour.
func sweepLeftovers() {
	dirs, _ := filepath.Glob(filepath.Join(os.TempDir(), prefix+"*"))
	for _, dir := range dirs {
		if info, err := os.Stat(dir); err == nil && time.Since(info.ModTime()) > time.Hour {
			os.RemoveAll(dir)
		}
	}
	for _, pattern := range []string{"/sys/fs/cgroup/", "/sys/fs/cgroup/*/"} {
		left, _ := filepath.Glob(pattern + "lxc.*.*-*-7*-*-*") // an id, which tells nothing of whose
		for _, dir := range left {
			if info, err := os.Stat(dir); err != nil || time.Since(info.ModTime()) < time.Hour {
				continue
			}
			exec.Command("find", dir, "-depth", "-type", "d", "-exec", "rmdir", "{}", ";").Run()
		}
	}
}

// requireRoot skips a test where containers can't run, unless everything has to be tested.
func requireRoot(t testing.TB) {
	t.Helper()
	need.Root(t)
	need.That(t, base != "", "namespaces")
	need.Programs(t, "busybox", "mkfs.btrfs", "ip", "nft", "sqlite3")
}

// served are the programs of a host.
var served = []string{"lodge/cmd/lodged", "lodge/cmd/lodge-lxc", "lodge/cmd/lodge-hook", "lodge/cmd/lodge-ssh"}

// builds are the programs under test, built once per run: as shipped, with boundaries that kill, and
// the command line.
var builds = map[string]func() (string, error){
	"shipped": sync.OnceValues(func() (string, error) { return build("shipped", served...) }),
	"crash": sync.OnceValues(func() (string, error) {
		return build("crash", append([]string{"-tags", "crashtest"}, served...)...)
	}),
	"lodge": sync.OnceValues(func() (string, error) { return build("lodge", "lodge/cmd/lodge") }),
	"forge": sync.OnceValues(func() (string, error) { return build("forge", "-tags", "netgo", "./testdata/forge") }),
}

func build(name string, flags ...string) (string, error) {
	dir := filepath.Join(base, name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	args := append([]string{"build", "-o", dir + "/"}, flags...)
	if out, err := exec.CommandContext(ctx, "go", args...).CombinedOutput(); err != nil {
		return "", fmt.Errorf("go %s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return dir, nil
}

// programs returns the folder of one build.
func programs(t testing.TB, name string) string {
	t.Helper()
	dir, err := builds[name]()
	if err != nil {
		t.Fatal(err)
	}
	return dir
}
