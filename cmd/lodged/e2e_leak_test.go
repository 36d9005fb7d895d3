package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"lodge/inventory"
)

// A footprint is what the agent and its containers hold of the host.
type footprint struct{ fds, threads, processes, zombies, mounts, cgroups int }

func (l *lab) footprint(lived []inventory.ContainerID) (f footprint) {
	l.t.Helper()
	own := fmt.Sprintf("/proc/%d/", l.agent.Process.Pid)
	f.fds = count(own + "fd/*")
	f.threads = count(own + "task/*")
	f.processes = count("/proc/[0-9]*")
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range stats {
		stat, _ := os.ReadFile(path)
		if _, rest, _ := strings.Cut(string(stat), ") "); strings.HasPrefix(rest, "Z") {
			f.zombies++
		}
	}
	mounts, err := os.ReadFile("/proc/self/mounts")
	l.must(err)
	f.mounts = strings.Count(string(mounts), "\n")
	f.cgroups = len(l.cgroups(lived...))
	return f
}

func count(pattern string) int {
	all, _ := filepath.Glob(pattern)
	return len(all)
}

// TestNothingLeaks: after many lives of containers the agent holds what it held before.
func TestNothingLeaks(t *testing.T) {
	cycles := 20
	if os.Getenv("LODGE_LONG") == "1" {
		cycles = 200
	}
	l := newLab(t)
	var lived []inventory.ContainerID
	life := func(i int) {
		t.Helper()
		name := fmt.Sprintf("lt-leak%d", i)
		l.do(l.create(tiny(name), false))
		lived = append(lived, l.container(name).ID)
		l.do(power(l.api.Start, name))
		l.exec(name, "true")
		l.do(l.stopping(name, inventory.StopArgs{Kill: true}))
		l.do(power(deleting(l), name))
		l.do(power(l.api.Purge, name))
	}
	for i := range 5 { // caches, pools of connections and threads fill up
		life(i)
	}
	l.api.Close()
	time.Sleep(time.Second)
	before := l.footprint(lived)
	for i := range cycles {
		life(i)
	}
	// Threads of the Go runtime come and stay; what leaks grows with every cycle.
	slack := footprint{fds: 4, threads: 8, processes: 2, zombies: 1, mounts: 0, cgroups: 0}
	after := before
	l.await(fmt.Sprintf("what is held after %d cycles is what was held before, %+v", cycles, before), func() bool {
		l.api.Close()
		time.Sleep(200 * time.Millisecond)
		after = l.footprint(lived)
		t.Logf("%+v", after)
		return after.fds <= before.fds+slack.fds && after.threads <= before.threads+slack.threads &&
			after.processes <= before.processes+slack.processes && after.zombies <= before.zombies+slack.zombies &&
			after.mounts <= before.mounts && after.cgroups <= before.cgroups
	})
	l.checkClean()
}
