package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"lodge/inventory"
	"lodge/web/client"
	"lodge/web/wire"
)

// TestLimitsLive: limits of I/O and traffic hold at once on what the pool and the network are made of,
// outlive a reboot from inside, and go back after a while though the agent that promised it died.
func TestLimitsLive(t *testing.T) {
	l := newLab(t)
	l.launch("lt-web")
	c := l.container("lt-web")
	veth := hostInterface(c.ID)
	limits := map[string]string{"io.write": "1MiB", "io.read.operations": "100", "network.in": "2MiB",
		"network.out": "3MiB", "memory": "80MiB"}
	l.do(l.updating("lt-web", inventory.UpdateArgs{Settings: limits}))
	l.checkLimits("lt-web", veth, true)
	l.exec("lt-web", "reboot") // which ends it too
	l.await("a new init", func() bool {
		now := l.container("lt-web").Observed.InitPID
		return now != 0 && now != c.Observed.InitPID
	})
	l.await("the limits hold after a reboot", func() bool {
		return cgroupLimit(l.container("lt-web").Observed.InitPID) == fmt.Sprint(80<<20) && tokenBucket(veth)
	})
	l.checkLimits("lt-web", veth, true)

	l.do(l.updating("lt-web", inventory.UpdateArgs{Unset: []string{"io.write", "io.read.operations", "network.in", "network.out"}}))
	l.checkLimits("lt-web", veth, false)
	delete(limits, "memory")
	l.do(l.updating("lt-web", inventory.UpdateArgs{Settings: limits, For: "2s"}))
	l.checkLimits("lt-web", veth, true)
	l.kill()
	l.start()
	l.await("the limits went back", func() bool { return l.container("lt-web").Settings["io.write"] == "" })
	l.settle()
	l.checkLimits("lt-web", veth, false)

	limits["network.out"] = "1MiB"
	l.do(l.updating("lt-web", inventory.UpdateArgs{Settings: limits}))
	l.do(power(l.api.Purge, "lt-web"))
	if rateTable(veth) {
		t.Error("the rules of a container that is gone are left")
	}
	l.checkClean()
}

// hostInterface is the host's end of a container's first interface.
func hostInterface(id inventory.ContainerID) string {
	return (&inventory.Container{ID: id}).HostInterface(0)
}

func tokenBucket(veth string) bool {
	out, _ := exec.Command("tc", "qdisc", "show", "dev", veth).CombinedOutput()
	return strings.Contains(string(out), "qdisc tbf")
}

func rateTable(veth string) bool {
	return exec.Command("nft", "list", "table", "netdev", "lodge_rate_"+veth).Run() == nil
}

// checkLimits looks at what the kernel holds the container to, on the loop device below the pool.
func (l *lab) checkLimits(name, veth string, on bool) {
	l.t.Helper()
	disk, _ := exec.Command("findmnt", "-no", "SOURCE", filepath.Join(l.root, "pools/default")).Output()
	number, err := os.ReadFile(filepath.Join("/sys/class/block", filepath.Base(strings.TrimSpace(string(disk))), "dev"))
	if err != nil {
		l.t.Fatal(err)
	}
	io := ioLimits(l.container(name).Observed.InitPID)
	if got := strings.Contains(io, strings.TrimSpace(string(number))) && strings.Contains(io, "1048576"); got != on {
		l.t.Errorf("limits on disk %s: %q", number, io)
	}
	if tokenBucket(veth) != on || rateTable(veth) != on {
		l.t.Errorf("bucket %t, rules %t; want %t", tokenBucket(veth), rateTable(veth), on)
	}
}

// ioLimits is what the kernel has of a process's limits of I/O, v1 or v2.
func ioLimits(pid int) string {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	var all strings.Builder
	for line := range strings.Lines(string(text)) {
		field := strings.SplitN(strings.TrimSpace(line), ":", 3)
		files, _ := filepath.Glob("/sys/fs/cgroup/" + field[1] + field[2] + "/blkio.throttle.*_device")
		for _, file := range append(files, "/sys/fs/cgroup"+field[2]+"/io.max") {
			value, _ := os.ReadFile(file)
			all.Write(value)
		}
	}
	return all.String()
}

// TestShrinkBelowUse: sizes below what is in use are refused with both figures, and nothing changes.
func TestShrinkBelowUse(t *testing.T) {
	l := newLab(t)
	l.launch("lt-web")
	l.do(l.updating("lt-web", inventory.UpdateArgs{Settings: map[string]string{"memory": "128MiB", "disk": "256MiB"}}))
	if out, code := l.exec("lt-web", "sh", "-c", "mkdir /run/m && mount -t tmpfs none /run/m && dd if=/dev/zero of=/run/m/fill bs=1M count=60 && dd if=/dev/urandom of=/fill bs=1M count=100 && sync"); code != 0 {
		t.Fatal(out)
	}
	l.await("the pool has counted", func() bool { return l.container("lt-web").Observed.DiskBytes > 90<<20 })
	before := l.world()
	for setting, small := range map[string]string{"memory": "32MiB", "disk": "80MiB"} {
		args := inventory.UpdateArgs{Settings: map[string]string{setting: small}}
		_, err := l.try(l.updating("lt-web", args))
		if !errors.Is(err, inventory.ErrState) || !strings.Contains(err.Error(), small) || !strings.Contains(err.Error(), "are in use") {
			t.Errorf("%s to %s: %v", setting, small, err)
		}
		if _, err := l.api.Update(context.Background(), at("lt-web"), args, client.Options{Plan: true}); !errors.Is(err, inventory.ErrState) {
			t.Errorf("its plan: %v", err)
		}
		args = inventory.UpdateArgs{Settings: map[string]string{setting: "240MiB"}}
		l.do(l.updating("lt-web", args))
		l.do(l.updating("lt-web", inventory.UpdateArgs{Settings: map[string]string{"memory": "128MiB", "disk": "256MiB"}}))
	}
	l.unchanged(before)
	if ops := l.operations("container.update"); len(ops) != 5 {
		t.Errorf("there are %d operations, one for each change that was allowed and no other: %v", len(ops), states(ops))
	}
}

func states(ops []wire.Operation) (out []inventory.OperationState) {
	for _, op := range ops {
		out = append(out, op.State)
	}
	return out
}
