package lxc

import (
	"strconv"
	"strings"
	"time"

	"lodge/inventory"
)

// memory is what the container uses without the page cache the kernel can drop: what an operator
// has to add when it runs out. (v2: cgroup-v2.rst memory.stat; v1: cgroup-v1/memory.rst 5.2.)
func (p payload) memory() inventory.Bytes {
	usage, stat := "memory.current", []string{"inactive_file", "active_file", "slab_reclaimable"}
	if p.layout.isV1("memory") {
		usage, stat = "memory.usage_in_bytes", []string{"total_inactive_file", "total_active_file"}
	}
	used := p.number("memory", usage)
	text, err := p.read("memory", "memory.stat")
	if err != nil {
		return inventory.Bytes(used)
	}
	for _, name := range stat {
		used -= field(text, name)
	}
	return inventory.Bytes(max(0, used))
}

// cpuTime is the time all its processes, past ones included, have run since its start.
func (p payload) cpuTime() time.Duration {
	if p.layout.isV1("cpuacct") {
		return time.Duration(p.number("cpuacct", "cpuacct.usage"))
	}
	text, err := p.read("cpu", "cpu.stat")
	if err != nil {
		return 0
	}
	return time.Duration(field(text, "usage_usec")) * time.Microsecond
}

// processes counts processes and threads.
func (p payload) processes() int { return int(p.number("pids", "pids.current")) }

func (p payload) number(controller, file string) int64 {
	text, err := p.read(controller, file)
	if err != nil {
		return 0
	}
	n, _ := strconv.ParseInt(text, 10, 64)
	return n
}

// field returns the number after name in a file of "name number" lines, 0 when it is not there.
func field(text, name string) int64 {
	for line := range strings.Lines(text) {
		if rest, ok := strings.CutPrefix(line, name+" "); ok {
			n, _ := strconv.ParseInt(strings.TrimSpace(rest), 10, 64)
			return n
		}
	}
	return 0
}
