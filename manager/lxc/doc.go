// Package lxc is the runtime: it turns a container as desired into a liblxc configuration, starts
// and stops it, and measures what the kernel shows of it. It has no policy and keeps no desired
// state.
//
// The agent never calls liblxc. Starting runs lodge-lxc outside the agent; everything else needs
// only the kernel: init's pidfd to signal and to see it die, its cgroups to measure, limit and
// freeze. So no call hangs on a monitor that does not answer, and containers outlive the agent:
// Adopt finds them again by the facts below ROOT/run, the spool of the hooks, or the monitors'
// names.
//
// cgroup v1, v2 and the hybrid of both are served. Paths are taken from /proc/INITPID/cgroup and
// never made from a name: liblxc appends -1, -2, ... to a name that is taken.
package lxc
