package lxc_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"lodge/inventory"
	"lodge/manager/lxc"
)

const (
	hybridProc = "6:blkio:/lxc.payload.web1-1\n9:name=systemd:/lxc.payload.web1-1/init.scope\n5:cpu,cpuacct:/lxc.payload.web1-1\n4:memory:/lxc.payload.web1-1/system.slice/x\n" +
		"3:cpuset:/lxc.payload.web1-1\n2:freezer:/lxc.payload.web1-1\n1:pids:/lxc.payload.web1-1\n0::/lxc.payload.web1-1/init.scope\n"
	v2Proc = "0::/lodge/lxc.payload.web1/init.scope/lxc.payload.fake\n"
)

// put writes a cgroup file of a fake host.
func put(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func get(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestHierarchies(t *testing.T) {
	hybrid := lxc.NewFakeHost(t.TempDir(), "hybrid")
	if hybrid.PureV2() {
		t.Error("hybrid was taken for v2")
	}
	want := []string{"cgroup/blkio", "cgroup/cpu,cpuacct", "cgroup/cpuset", "cgroup/devices", "cgroup/freezer", "cgroup/memory", "cgroup/pids", "cgroup/systemd", "cgroup/unified"}
	if got := hybrid.Roots(); !slices.Equal(got, want) {
		t.Errorf("roots %v", got)
	}
	if !lxc.NewFakeHost(t.TempDir(), "v2").PureV2() {
		t.Error("v2 was not recognized")
	}
}

// liblxc begins where PID 1 is, which in a container or a service is not the root.
func TestBases(t *testing.T) {
	hybrid, v2 := lxc.NewFakeHost(t.TempDir(), "hybrid"), lxc.NewFakeHost(t.TempDir(), "v2")
	for _, c := range []struct {
		host lxc.FakeHost
		text string
		want []string
	}{
		{hybrid, "9:name=systemd:/init.scope\n5:cpu,cpuacct:/\n4:memory:/ci/job\n0::/a/init.scope\n",
			[]string{"cgroup/memory/ci/job", "cgroup/unified/a"}},
		{v2, "0::/init.scope\n", nil},
		{v2, "0::/ci\n", []string{"cgroup/ci"}},
	} {
		if got := c.host.Bases(c.text); !slices.Equal(got, c.want) {
			t.Errorf("%q gives %v, want %v", c.text, got, c.want)
		}
	}
}

func TestPayloadPath(t *testing.T) {
	hybrid := lxc.NewFakeHost(t.TempDir(), "hybrid")
	p := hybrid.Payload(hybridProc)
	for _, controller := range []string{"cpu", "cpuacct", "memory", "cpuset", "freezer", "pids"} {
		if dir := filepath.Base(filepath.Dir(p.File(controller, "x"))); dir != "lxc.payload.web1-1" {
			t.Errorf("%s is in %s", controller, dir)
		}
	}
	v2 := lxc.NewFakeHost(t.TempDir(), "v2")
	if got, want := v2.Payload(v2Proc).File("memory", "x"), filepath.Join(v2.Dir, "cgroup/lodge/lxc.payload.web1/x"); got != want {
		t.Errorf("a directory made inside leads to %s", got)
	}
}

func TestUsage(t *testing.T) {
	hybrid := lxc.NewFakeHost(t.TempDir(), "hybrid").Payload(hybridProc)
	put(t, hybrid.File("memory", "memory.usage_in_bytes"), "1000\n")
	put(t, hybrid.File("memory", "memory.stat"), "inactive_file 1\ntotal_inactive_file 300\ntotal_active_file 200\n")
	put(t, hybrid.File("cpuacct", "cpuacct.usage"), "2500000000\n")
	put(t, hybrid.File("pids", "pids.current"), "7\n")
	v2 := lxc.NewFakeHost(t.TempDir(), "v2").Payload(v2Proc)
	put(t, v2.File("memory", "memory.current"), "1100\n")
	put(t, v2.File("memory", "memory.stat"), "inactive_file 300\nactive_file 200\nslab_reclaimable 100\n")
	put(t, v2.File("cpu", "cpu.stat"), "usage_usec 2500000\nuser_usec 1\n")
	put(t, v2.File("pids", "pids.current"), "7\n")
	for name, p := range map[string]lxc.FakePayload{"hybrid": hybrid, "v2": v2} {
		if p.Memory() != 500 || p.CPUSeconds() != 2.5 || p.Processes() != 7 {
			t.Errorf("%s: memory %d, cpu %f, processes %d", name, p.Memory(), p.CPUSeconds(), p.Processes())
		}
	}
	if gone := lxc.NewFakeHost(t.TempDir(), "v2").Payload(v2Proc); gone.Memory() != 0 || gone.Processes() != 0 {
		t.Error("a cgroup that has gone uses something")
	}
}

func TestFreezer(t *testing.T) {
	v1 := lxc.NewFakeHost(t.TempDir(), "hybrid").Payload(hybridProc)
	for text, want := range map[string]inventory.State{"THAWED\n": "running", "FREEZING\n": "freezing", "FROZEN\n": "frozen"} {
		put(t, v1.File("freezer", "freezer.state"), text)
		if got := v1.Frozen(); got != want {
			t.Errorf("v1 %q is %s", text, got)
		}
	}
	v2 := lxc.NewFakeHost(t.TempDir(), "v2").Payload(v2Proc)
	for _, test := range []struct {
		freeze, events string
		want           inventory.State
	}{{"0\n", "frozen 0\n", "running"}, {"1\n", "populated 1\nfrozen 0\n", "freezing"}, {"1\n", "populated 1\nfrozen 1\n", "frozen"}} {
		put(t, v2.File("", "cgroup.freeze"), test.freeze)
		put(t, v2.File("", "cgroup.events"), test.events)
		if got := v2.Frozen(); got != test.want {
			t.Errorf("v2 %+v is %s", test, got)
		}
	}
	// A freeze that never completes ends with its context.
	put(t, v2.File("", "cgroup.events"), "frozen 0\n")
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := v2.SetFrozen(ctx, true); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

func TestLiveLimits(t *testing.T) {
	settings := map[string]string{"cpus": "1.5", "memory": "64MiB", "swap": "64MiB", "processes": "99", "cpus.weight": "200",
		"memory.guarantee": "32MiB", "hugepages": "2MiB", "io.write": "1MiB", "io.weight": "50"}
	v2 := lxc.NewFakeHost(t.TempDir(), "v2").Payload(v2Proc)
	for _, f := range []string{"cpuset.cpus", "pids.max", "cpu.max", "cpu.weight", "memory.max", "memory.swap.max", "memory.min",
		"hugetlb.2MB.max", "hugetlb.2MB.rsvd.max", "io.max", "io.weight"} {
		put(t, v2.File("memory", f), "")
	}
	if err := v2.Turn(settings, []int{1, 3}); err != nil {
		t.Fatal(err)
	}
	for f, want := range map[string]string{"cpuset.cpus": "1,3", "pids.max": "99", "cpu.max": "150000 100000", "cpu.weight": "200", "memory.max": "67108864", "memory.swap.max": "67108864",
		"memory.min": "33554432", "hugetlb.2MB.max": "2097152", "io.max": "7:3 rbps=max wbps=1048576 riops=max wiops=max", "io.weight": "50"} {
		if got := get(t, v2.File("memory", f)); got != want {
			t.Errorf("v2 %s is %q", f, got)
		}
	}
	put(t, v2.File("memory", "memory.current"), "99999999\n")
	if err := v2.Turn(settings, []int{1}); !errors.Is(err, inventory.ErrState) || !strings.Contains(err.Error(), "95.4MiB are in use") {
		t.Errorf("memory below its use: %v", err)
	}
	v1 := lxc.NewFakeHost(t.TempDir(), "hybrid").Payload(hybridProc)
	put(t, v1.File("cpuset", "cpuset.cpus"), "0\n")
	put(t, v1.File("cpuset", "child/cpuset.cpus"), "0\n")
	for f, c := range map[string]string{"pids.max": "pids", "cpu.cfs_quota_us": "cpu", "cpu.shares": "cpu", "memory.limit_in_bytes": "memory", "memory.memsw.limit_in_bytes": "memory",
		"memory.soft_limit_in_bytes": "memory", "hugetlb.2MB.max": "hugetlb", "hugetlb.2MB.rsvd.max": "hugetlb", "blkio.throttle.read_bps_device": "blkio",
		"blkio.throttle.write_bps_device": "blkio", "blkio.throttle.read_iops_device": "blkio", "blkio.throttle.write_iops_device": "blkio", "blkio.bfq.weight": "blkio"} {
		put(t, v1.File(c, f), "")
	}
	if err := v1.Turn(settings, []int{1, 2}); err != nil {
		t.Fatal(err)
	}
	if got := get(t, v1.File("blkio", "blkio.throttle.write_bps_device")); got != "7:3 1048576" {
		t.Errorf("v1 writes are held to %q", got)
	}
	if a, b := get(t, v1.File("cpuset", "cpuset.cpus")), get(t, v1.File("cpuset", "child/cpuset.cpus")); !strings.HasPrefix(a, "1,2") || !strings.HasPrefix(b, "1,2") {
		t.Errorf("v1 cpus are %q, inside %q", a, b)
	}
}

func TestSweepLeavesWhatIsInUse(t *testing.T) {
	dir := t.TempDir()
	put(t, filepath.Join(dir, "busy/child/cgroup.procs"), "17\n")
	if err := os.MkdirAll(filepath.Join(dir, "busy/empty"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(dir, "left/a/b"), 0o755); err != nil {
		t.Fatal(err)
	}
	lxc.Sweep([]string{filepath.Join(dir, "busy"), filepath.Join(dir, "left"), filepath.Join(dir, "never")})
	if _, err := os.Stat(filepath.Join(dir, "busy/empty")); err != nil {
		t.Error("an empty cgroup of a live container is gone")
	}
	if _, err := os.Stat(filepath.Join(dir, "left")); err == nil {
		t.Error("the empty tree is still there")
	}
}
