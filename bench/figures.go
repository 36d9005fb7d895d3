package main

import (
	"slices"
	"time"
)

// A figure is one row of the table.
type figure struct {
	name    string // what -only looks for
	group   string
	what    string // what is measured in the agent's column
	raw     string // what is measured beside it
	records int    // durable records of the agent: audit lines and commits
	aim     time.Duration
	percent int // the aim is so many percent of raw
}

// pageAim is that of a page of the audit journal's records.
const pageAim = 200 * time.Millisecond

// figures are the rows in the order of the table. records counts what is synced: two audit lines
// (intent and outcome), the admission, the end, and each step after the first of a verb that is
// finished rather than undone after a crash; of a session the two lines and its row.
var figures = []figure{
	{name: "limit-fdatasync", group: "limit", what: "append 512 bytes + fdatasync beside the agent's root"},
	{name: "limit-fork", group: "limit", what: "fork + exec of true + wait"},
	{name: "limit-snapshot", group: "limit", what: "the ioctl that makes a subvolume's snapshot"},
	{name: "limit-helper", group: "limit", what: "`lodge-lxc version`: Go and liblxc loaded and left"},

	{name: "create", group: "life", what: "create from a cached image", raw: "lxc-copy -s", records: 4},
	{name: "snapshot", group: "life", what: "snapshot (stopped)", raw: "lxc-snapshot", records: 4},
	{name: "restore", group: "life", what: "restore (stopped; keeps what was)",
		raw: "lxc-snapshot -r", records: 7},
	{name: "clone", group: "life", what: "clone", raw: "lxc-copy -s", records: 4},
	{name: "start", group: "life", what: "start", raw: "lxc-start -d", records: 4},
	{name: "stop", group: "life", what: "clean stop", raw: "lxc-stop", records: 4},
	{name: "kill", group: "life", what: "kill", raw: "lxc-stop -k", records: 4},
	{name: "delete", group: "life", what: "delete (to the trash)", records: 5},
	{name: "purge", group: "life", what: "purge", raw: "lxc-destroy", records: 8},

	{name: "launch", group: "launch", what: "launch", raw: "lxc-copy, lxc-start", records: 4},
	{name: "launch-exec", group: "launch", what: "launch until the first exec has answered",
		raw: "and lxc-attach", records: 11, aim: 120 * time.Millisecond},
	{name: "launch-ssh", group: "launch", what: "launch until sshd answers",
		raw: "until sshd answers", percent: 110},

	{name: "exec", group: "exec", what: "exec of true", raw: "lxc-attach", records: 3},

	{name: "ssh-login", group: "ssh", what: "server's CPU time of one connection that signs in, no session",
		raw: "sshd inside, its processes", percent: 33},
	{name: "ssh-exec", group: "ssh", what: "the same with `true` in it, recorded", raw: "sshd"},
	{name: "ssh-exec-open", group: "ssh", what: "the same, unrecorded", raw: "sshd"},
	{name: "ssh-true", group: "ssh", what: "`ssh root+web1@gw true` from its fork to its end, recorded", raw: "sshd", percent: 80},
	{name: "ssh-true-open", group: "ssh", what: "the same, unrecorded", raw: "sshd", percent: 80},
	{name: "ssh-byte", group: "ssh", what: "exec request to the first byte, recorded", raw: "sshd", aim: 60 * time.Millisecond},
	{name: "ssh-byte-open", group: "ssh", what: "the same, unrecorded", raw: "sshd", aim: 60 * time.Millisecond},
	{name: "ssh-in", group: "ssh", what: "1 GiB of noise into the container, AES-GCM", raw: "sshd", percent: 111},
	{name: "ssh-out", group: "ssh", what: "1 GiB of noise out of it, recorded", raw: "sshd", percent: 111},
	{name: "ssh-out-open", group: "ssh", what: "the same, unrecorded", raw: "sshd", percent: 111},
	{name: "ssh-tty", group: "ssh", what: "a million lines on a terminal, recorded", raw: "sshd", percent: 111},
	{name: "ssh-tty-open", group: "ssh", what: "the same, unrecorded", raw: "sshd", percent: 111},
	{name: "ssh-idle", group: "ssh"},
	{name: "ssh-echo", group: "ssh", what: "echo of a key, 99th percentile, while 200 a second sign in", raw: "sshd",
		aim: 30 * time.Millisecond},

	{name: "death-event", group: "death", what: "init's death until an event says it is down",
		aim: 5 * time.Millisecond},
	{name: "death-state", group: "death", what: "init's death until the API no longer says running",
		aim: 5 * time.Millisecond},

	{name: "attach", group: "volumes", what: "volume attached to a running container",
		aim: 30 * time.Millisecond},
	{name: "detach", group: "volumes", what: "volume detached from it", aim: 30 * time.Millisecond},

	{name: "create-reflink", group: "pools", what: "create on a dir pool that shares extents, without a size",
		raw: "cp --reflink, sync", percent: 120},
	{name: "create-copy", group: "pools", what: "create on a dir pool that has to copy, without a size",
		raw: "tar, tar, sync", percent: 110},
	{name: "clone-10g", group: "pools", what: "clone of a container with 10 GiB in 10 240 files, on btrfs",
		aim: 50 * time.Millisecond},

	{name: "parallel", group: "parallel", what: "20 launched at once, until all have returned",
		raw: "the same, lxc-copy and lxc-start"},
	{name: "parallel-ssh", group: "parallel",
		what: "20 launched at once, until all their sshd answer", raw: "the same"},

	{name: "list-10", group: "scale", what: "list of 10, all running", raw: "lxc-ls --fancy"},
	{name: "list-50", group: "scale", what: "list of 50, all running", raw: "lxc-ls --fancy"},
	{name: "list-200", group: "scale", what: "list of 200, 50 running", raw: "lxc-ls --fancy",
		aim: 25 * time.Millisecond},
	{name: "get-1", group: "scale", what: "API GET of one (running)"},
	{name: "get-200", group: "scale", what: "API GET of 200, 50 running"},
	{name: "apply-50", group: "estate", what: "spec of 50 containers applied that changes nothing",
		aim: 200 * time.Millisecond},
	{name: "recover-200", group: "estate", what: "database of 200 containers made anew: lodged recover",
		aim: 5 * time.Second},
	{name: "rule", group: "rules", what: "one rule added to 1 000 of 200 containers, until it holds",
		aim: 20 * time.Millisecond},
	{name: "rules", group: "rules", what: "the same when the kernel has lost all 1 000, until it has them",
		aim: 150 * time.Millisecond},
	{name: "net-between", group: "rules", what: "1 GiB of TCP from container to container, with those rules",
		raw: "the bridge without any rule", percent: 111},
	{name: "net-host", group: "rules", what: "1 GiB of TCP from the host to a container, with those rules",
		raw: "the bridge without any rule", percent: 111},
	{name: "decision", group: "policies", what: "a delete judged by 200 policies of a site, with 1 000 bindings",
		aim: 200 * time.Microsecond},
	{name: "decision-read", group: "policies", what: "a read judged there, kept from before", aim: 200 * time.Microsecond},

	{name: "event", group: "journal", what: "one durable event in the audit journal",
		raw: "its bytes appended, fdatasync", percent: 120},
	{name: "event-64", group: "journal", what: "15 000 durable events of 64 callers", aim: time.Second},
	{name: "verify", group: "journal", what: "CPU time of verifying 150 000 events", aim: time.Second},

	{name: "find-newest", group: "index", what: "page of 51, of as many events as `-indexed` says: the newest", aim: pageAim},
	{name: "find-actor", group: "index", what: "of a person", aim: pageAim},
	{name: "find-target", group: "index", what: "about a container", aim: pageAim},
	{name: "find-verb", group: "index", what: "of verbs that begin alike", aim: pageAim},
	{name: "find-time", group: "index", what: "of some hours", aim: pageAim},
	{name: "find-outcome", group: "index", what: "of an outcome", aim: pageAim},
	{name: "find-change", group: "index", what: "of a change", aim: pageAim},
	{name: "find-several", group: "index", what: "of a person, a verb, an outcome and a project", aim: pageAim},
	{name: "find-failures", group: "index", what: "of a person, verbs that begin alike and an outcome", aim: pageAim},
	{name: "find-seldom", group: "index", what: "of two that are frequent and seldom meet", aim: pageAim},
	{name: "find-never", group: "index", what: "of two that never meet", aim: pageAim},
	{name: "find-denied", group: "index", what: "of an outcome, a person and a verb", aim: pageAim},
	{name: "find-busy", group: "index", what: "about the busiest container, of a person and an outcome", aim: pageAim},
	{name: "find-busy-seldom", group: "index", what: "about that, of two that seldom meet", aim: pageAim},
	{name: "find-busy-never", group: "index", what: "about that, of two that never meet", aim: pageAim},
	{name: "find-time-seldom", group: "index", what: "of months, a person and an outcome", aim: pageAim},

	{name: "name", group: "names", what: "create asked for until its name is answered", aim: 100 * time.Millisecond},
	{name: "name-gone", group: "names", what: "purge asked for until the name is denied", aim: 100 * time.Millisecond},
	{name: "answers", group: "names", what: "CPU time of 30 000 answers, server on one core, 200 names",
		raw: "dnsmasq", aim: time.Second},
	{name: "memory", group: "scale"},

	{name: "many", group: "many"},
}

func figuresOf(group string) (names []string) {
	for _, f := range figures {
		if f.group == group {
			names = append(names, f.name)
		}
	}
	return names
}

func figureOf(name string) figure {
	return figures[slices.IndexFunc(figures, func(f figure) bool { return f.name == name })]
}

// results are the samples of a run by figure and column, and lines about memory.
type results struct {
	samples map[string]*[columns]sample
	notes   []string
}

func newResults() *results { return &results{samples: map[string]*[columns]sample{}} }

func (r *results) of(figure string) *[columns]sample {
	if r.samples[figure] == nil {
		r.samples[figure] = &[columns]sample{}
	}
	return r.samples[figure]
}

// add keeps a measurement; round 0 warms up and is not kept.
func (r *results) add(figure string, c column, round int, d time.Duration) {
	if s := r.of(figure); round > 0 {
		s[c] = append(s[c], d)
	}
}
