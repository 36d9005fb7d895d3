package lxc_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"lodge/inventory"
	"lodge/manager/lxc"
)

// Direct writes are held back at the disk below the root, and the limit comes and goes while the
// container runs. What a neighbour without a limit gets done meanwhile is the measure, not a clock.
func TestIOLimit(t *testing.T) {
	b := newBench(t)
	const writes = `dd if=/dev/zero of=/data bs=64k count=512 oflag=direct 2>/dev/null; echo done > /end; trap 'poweroff -f' PWR; sleep 100000 & wait`
	slow := b.container(writes, map[string]string{"io.write": "64KiB"}) // 32 MiB would take 512 s
	fast := b.container(writes, nil)
	openRootfs(t, slow)
	openRootfs(t, fast)
	disks, err := lxc.DisksOf(slow.Rootfs)
	if err != nil || len(disks) != 1 {
		t.Fatalf("disks %v: %v", disks, err)
	}
	b.start(slow)
	if got := b.ioLimit(slow, "wbps", "write_bps_device"); got != disks[0]+" 65536" {
		t.Errorf("the kernel was told %q", got)
	}
	b.start(fast)
	eventually(t, "the neighbour is done", func() bool { return out(t, fast, "end") == "done" })
	if got := out(t, slow, "end"); got != "" {
		t.Error("a container that may write 64 KiB a second has written 32 MiB as fast as one without a limit")
	}
	slow.Settings = map[string]string{"io.write": "0"}
	if err := b.Apply(t.Context(), slow, []string{"io.write"}); err != nil {
		t.Fatal(err)
	}
	if got := b.ioLimit(slow, "wbps", "write_bps_device"); got != "" {
		t.Errorf("a limit was taken away, and the kernel has %q", got)
	}
	eventually(t, "it is done without the limit", func() bool { return out(t, slow, "end") == "done" })
}

// ioLimit is what the kernel holds the container to: "major:minor value".
func (b *bench) ioLimit(boot inventory.Boot, v2, v1 string) string {
	b.t.Helper()
	pid := b.Observe(boot.Container).InitPID
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	if err != nil {
		b.t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		field := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if field[1] == "blkio" {
			limit, _ := os.ReadFile(filepath.Join("/sys/fs/cgroup/blkio", field[2], "blkio.throttle."+v1))
			return strings.TrimSpace(string(limit))
		}
		limit, err := os.ReadFile(filepath.Join("/sys/fs/cgroup", field[2], "io.max"))
		if field[0] != "0" || err != nil {
			continue
		}
		disk, words, _ := strings.Cut(strings.TrimSpace(string(limit)), " ")
		for word := range strings.FieldsSeq(words) {
			if value, ok := strings.CutPrefix(word, v2+"="); ok && value != "max" {
				return disk + " " + value
			}
		}
	}
	return ""
}

// Limits of processes, of huge pages and the memory kept for a container are what the kernel has.
func TestKernelLimitsInside(t *testing.T) {
	b := newBench(t)
	boot := b.container(`ulimit -Hu > /nproc
ulimit -Sc > /core
`+waits, map[string]string{"kernel.nproc": "50", "kernel.core": "1MiB", "memory": "64MiB", "memory.guarantee": "32MiB"})
	openRootfs(t, boot)
	b.start(boot)
	eventually(t, "the script ran", func() bool { return out(t, boot, "core") != "" })
	if got := out(t, boot, "nproc"); got != "50" {
		t.Errorf("processes of one user: %s", got)
	}
	if got := out(t, boot, "core"); got != strconv.Itoa(1<<20/512) { // dash and busybox count blocks
		t.Errorf("size of a core: %s", got)
	}
	if got := b.memoryFile(boot, "memory.min", "memory.soft_limit_in_bytes"); got != fmt.Sprint(32<<20) {
		t.Errorf("memory kept: %s", got)
	}
	boot.Settings["memory.guarantee"] = "16MiB"
	if err := b.Apply(t.Context(), boot, []string{"memory.guarantee"}); err != nil {
		t.Fatal(err)
	}
	if got := b.memoryFile(boot, "memory.min", "memory.soft_limit_in_bytes"); got != fmt.Sprint(16<<20) {
		t.Errorf("memory kept after the change: %s", got)
	}
}

func (b *bench) memoryFile(boot inventory.Boot, v2, v1 string) string {
	b.t.Helper()
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", b.Observe(boot.Container).InitPID))
	for line := range strings.Lines(string(text)) {
		field := strings.SplitN(strings.TrimSpace(line), ":", 3)
		for _, path := range []string{filepath.Join("/sys/fs/cgroup/memory", field[2], v1), filepath.Join("/sys/fs/cgroup", field[2], v2)} {
			value, err := os.ReadFile(path)
			if err == nil && (field[1] == "memory" || field[0] == "0") {
				return strings.TrimSpace(string(value))
			}
		}
	}
	return "none"
}
