package lxc_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"lodge/inventory"
	"lodge/manager/lxc"
)

// The next agent finds what runs, and what became of the rest.
func TestAdopt(t *testing.T) {
	b := newBench(t)
	lives, dies := b.container(waits, nil), b.container(waits, nil)
	reboots := b.container("test -e /seen || { touch /seen; while ! test -e /go; do sleep 0.02; done; reboot -f; }\n"+waits, nil)
	openRootfs(t, reboots)
	boots := []inventory.Boot{lives, dies, reboots}
	var all []*inventory.Container
	for _, boot := range boots {
		b.start(boot)
		all = append(all, boot.Container)
	}
	pids := map[inventory.ContainerID]int{}
	for _, c := range all {
		pids[c.ID] = b.Observe(c).InitPID
	}
	hooks := func(pattern string) int {
		files, _ := filepath.Glob(filepath.Join(b.root, "run/hooks", pattern))
		return len(files)
	}
	eventually(t, "the hooks of the starts are read", func() bool { return hooks("*") == 0 })
	b.Close() // the agent dies

	syscall.Kill(pids[dies.Container.ID], syscall.SIGKILL)
	eventually(t, "the seen file", func() bool { return out(t, reboots, "seen") == "" && exists(reboots, "seen") })
	rewrite(t, reboots, "go", "")
	eventually(t, "the second start's hook", func() bool {
		return hooks("*."+string(reboots.Container.ID)) == 2 // its end and the second start
	})

	b.Runtime = b.open(all...)
	if state := b.State(lives.Container); state != inventory.StateRunning {
		t.Errorf("the one that lives is %s", state)
	}
	if got := b.Observe(lives.Container).InitPID; got != pids[lives.Container.ID] {
		t.Errorf("its init is %d, was %d", got, pids[lives.Container.ID])
	}
	targets := map[inventory.ContainerID]string{}
	for range 2 {
		e := b.exit()
		targets[e.ID] = e.Target
	}
	if targets[dies.Container.ID] != "stop" || targets[reboots.Container.ID] != "reboot" {
		t.Errorf("exits %v", targets)
	}
	eventually(t, "the rebooted one runs", func() bool {
		o := b.Observe(reboots.Container)
		return o.State == inventory.StateRunning && o.InitPID != pids[reboots.Container.ID]
	})
	if state := b.State(dies.Container); state != inventory.StateStopped {
		t.Errorf("the one that died is %s", state)
	}
	for _, boot := range []inventory.Boot{lives, reboots} {
		if err := b.Kill(t.Context(), boot.Container); err != nil {
			t.Error(err)
		}
	}
}

// An end that nobody saw is no clean one, and one that only the hook saw is.
func TestAdoptTellsHowItEnded(t *testing.T) {
	b := newBench(t)
	lost, off := b.container(waits, nil), b.container(waits, nil)
	b.start(lost)
	b.start(off)
	eventually(t, "the hooks of the starts are read", func() bool {
		files, _ := filepath.Glob(filepath.Join(b.root, "run/hooks/*"))
		return len(files) == 0
	})
	pids := []int{b.Observe(lost.Container).InitPID, b.Observe(off.Container).InitPID}
	b.Close()
	for _, pid := range []int{parentOf(t, pids[0]), pids[0]} { // as when the host kills all it has
		syscall.Kill(pid, syscall.SIGKILL)
	}
	syscall.Kill(pids[1], syscall.SIGPWR)
	for _, pid := range pids {
		eventually(t, "init is gone", func() bool { return syscall.Kill(pid, 0) != nil })
	}
	b.Runtime = b.open(lost.Container, off.Container)
	got := map[inventory.ContainerID]lxc.Exit{}
	for range 2 {
		e := b.exit()
		got[e.ID] = e
	}
	if e := got[lost.Container.ID]; e.Clean || !strings.Contains(e.Reason, "nobody saw") {
		t.Errorf("killed with its monitor: %+v", e)
	}
	if e := got[off.Container.ID]; !e.Clean || e.Reason != "" {
		t.Errorf("powered off: %+v", e)
	}
}

// A death nobody asked for is told from init itself, before its monitor has said what comes of it.
func TestDeathIsToldAtOnce(t *testing.T) {
	b := newBench(t)
	boot := b.container(waits, nil)
	b.start(boot)
	init := b.Observe(boot.Container).InitPID
	monitor := parentOf(t, init)
	syscall.Kill(monitor, syscall.SIGSTOP)
	t.Cleanup(func() { syscall.Kill(monitor, syscall.SIGCONT) })
	syscall.Kill(init, syscall.SIGKILL)
	if e := b.anyExit(); e.Target != lxc.TargetOpen {
		t.Errorf("exit %+v", e)
	}
	if state := b.State(boot.Container); state != inventory.StateStopping {
		t.Errorf("it is %s", state)
	}
	syscall.Kill(monitor, syscall.SIGCONT)
	if e := b.anyExit(); e.Target != lxc.TargetStop || e.Clean || !strings.Contains(e.Reason, "SIGKILL") {
		t.Errorf("exit %+v", e)
	}
}

// The cgroups of two containers with one name, of two agents, are two; liblxc's tools find both.
func TestCgroupsAreByID(t *testing.T) {
	b, other := newBench(t), newBench(t)
	mine, theirs := b.container(waits, nil), other.container(waits, nil)
	theirs.Container.Name, theirs.Container.IDBase = mine.Container.Name, 1000065536
	b.start(mine)
	other.start(theirs)
	for agent, c := range map[*bench]*inventory.Container{b: mine.Container, other: theirs.Container} {
		for _, dir := range cgroupsOf(c) {
			if name := filepath.Base(dir); !strings.HasSuffix(name, "."+string(c.ID)) {
				t.Errorf("%s has the cgroup %s", c.ID, dir)
			}
		}
		lxcpath := filepath.Join(agent.root, "containers")
		info, err := exec.Command("lxc-info", "-P", lxcpath, "-n", c.LXCName()).CombinedOutput()
		if err != nil || !strings.Contains(string(info), "RUNNING") {
			t.Errorf("lxc-info: %v %s", err, info)
		}
		limit, err := exec.Command("lxc-cgroup", "-P", lxcpath, "-n", c.LXCName(), "pids.max").CombinedOutput()
		if err != nil || strings.TrimSpace(string(limit)) != "4096" {
			t.Errorf("lxc-cgroup: %v %s", err, limit)
		}
	}
	if err := b.Kill(t.Context(), mine.Container); err != nil {
		t.Fatal(err)
	}
	eventually(t, "its cgroups are gone", func() bool { return len(cgroupsOf(mine.Container)) == 0 })
	if o := other.Observe(theirs.Container); o.State != inventory.StateRunning || o.Processes == 0 {
		t.Errorf("the other is %+v", o)
	}
}

// A container that was started with cgroups by its name is found and ended like any other.
func TestAdoptOldCgroups(t *testing.T) {
	b := newBench(t)
	boot := b.container(waits, nil)
	c := boot.Container
	if err := b.Configure(t.Context(), boot); err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(b.root, "containers", c.LXCName(), "config")
	text, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	var old []string
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(line, "lxc.cgroup.dir") {
			old = append(old, line)
		}
	}
	if err := os.WriteFile(config, []byte(strings.Join(old, "")), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := b.Start(t.Context(), boot); err != nil {
		t.Fatal(err)
	}
	pid := b.Observe(c).InitPID
	b.Close()
	b.Runtime = b.open(c)
	if o := b.Observe(c); o.State != inventory.StateRunning || o.InitPID != pid || o.Processes == 0 {
		t.Errorf("observed %+v, init was %d", o, pid)
	}
	if err := b.Stop(t.Context(), c, 20*time.Second, false); err != nil {
		t.Fatal(err)
	}
	eventually(t, "its cgroups are gone", func() bool {
		left, _ := filepath.Glob("/sys/fs/cgroup/*/lxc.*." + c.LXCName() + "*")
		return len(left) == 0
	})
	b.start(boot)
}

// With the facts and the spool lost, the monitors' names are enough.
func TestAdoptWithoutFacts(t *testing.T) {
	b := newBench(t)
	boot := b.container(waits, nil)
	b.start(boot)
	pid := b.Observe(boot.Container).InitPID
	b.Close()
	os.RemoveAll(filepath.Join(b.root, "run"))
	b.Runtime = b.open(boot.Container)
	if o := b.Observe(boot.Container); o.State != inventory.StateRunning || o.InitPID != pid {
		t.Fatalf("observed %+v, init was %d", o, pid)
	}
	if err := b.Stop(t.Context(), boot.Container, 20*time.Second, false); err != nil {
		t.Error(err)
	}
}

// A container survives whoever started it, and neither it nor its monitor is a child of theirs.
func TestOutlivesTheAgent(t *testing.T) {
	b := newBench(t)
	boot := b.container(waits, nil)
	b.start(boot)
	init := b.Observe(boot.Container).InitPID
	monitor := parentOf(t, init)
	if p := parentOf(t, monitor); p == os.Getpid() {
		t.Error("the monitor is a child of the agent")
	}
	title, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", monitor))
	if !strings.HasPrefix(string(title), "[lxc monitor]") {
		t.Errorf("init's parent is %q", title)
	}
	exe, _ := os.Readlink(fmt.Sprintf("/proc/%d/exe", monitor))
	if exe != helperPath {
		t.Errorf("the monitor's program is %s", exe)
	}
}

// go-lxc's State hangs for as long as the monitor does not answer; ours must not, and a kill must
// work without it.
func TestHungMonitor(t *testing.T) {
	b := newBench(t)
	boot := b.container(waits, nil)
	c := boot.Container
	b.start(boot)
	monitor := parentOf(t, b.Observe(c).InitPID)
	if err := syscall.Kill(monitor, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Kill(monitor, syscall.SIGCONT) })
	if o := b.Observe(c); o.State != inventory.StateRunning || o.Processes == 0 {
		t.Errorf("observed %+v", o)
	}
	if err := b.Freeze(t.Context(), c); err != nil {
		t.Error(err)
	}
	if err := b.Unfreeze(t.Context(), c); err != nil {
		t.Error(err)
	}
	if err := b.Kill(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if state := b.State(c); state != inventory.StateStopped {
		t.Errorf("it is %s", state)
	}
}

// A killed monitor takes its container with it and leaves cgroups behind; both are noticed.
func TestKilledMonitor(t *testing.T) {
	b := newBench(t)
	boot := b.container(waits, nil)
	c := boot.Container
	b.start(boot)
	if err := syscall.Kill(parentOf(t, b.Observe(c).InitPID), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if e := b.exit(); e.ID != c.ID || e.Target != "stop" || e.Asked {
		t.Errorf("exit %+v", e)
	}
	eventually(t, "its cgroups are gone", func() bool { return len(cgroupsOf(c)) == 0 })
	b.start(boot)
	for _, dir := range cgroupsOf(c) {
		if strings.HasSuffix(dir, "-1") {
			t.Errorf("the next start had to use %s", dir)
		}
	}
}

func cgroupsOf(c *inventory.Container) []string {
	dirs, _ := filepath.Glob("/sys/fs/cgroup/*/lxc.*." + string(c.ID) + "*")
	below, _ := filepath.Glob("/sys/fs/cgroup/lodge/lxc.*." + string(c.ID) + "*")
	return append(dirs, below...)
}

func exists(boot inventory.Boot, name string) bool {
	_, err := os.Stat(filepath.Join(boot.Rootfs, name))
	return err == nil
}

func parentOf(t *testing.T, pid int) int {
	t.Helper()
	text, err := exec.Command("ps", "-o", "ppid=", "-p", strconv.Itoa(pid)).Output()
	if err != nil {
		t.Fatal(err)
	}
	n, _ := strconv.Atoi(strings.TrimSpace(string(text)))
	return n
}
