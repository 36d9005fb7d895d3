package lxc

import (
	"os"
	"strconv"
	"strings"
	"time"
)

// liblxc says RUNNING before init's exec, so an image whose init is missing, not executable or
// broken would count as started. An init is believed once it has done something: run for provenCPU
// since its exec, or waited for something at provenSleeps looks in a row. Load on the host slows an
// init down and this judgement with it. Where the start-host hook was heard, the CPU time is counted
// from then: what liblxc does between the two, some thirty system calls, takes a tenth of provenCPU.
const (
	provenCPU    = 2 * time.Millisecond
	provenSleeps = 3
	proveEvery   = 250 * time.Microsecond
	proveMost    = 100 * time.Millisecond // then it is believed, and Exits tells if it was wrong
)

// prove waits until init is believed to live and makes the run a running one.
func (r *Runtime) prove(c *run) error {
	tick := time.NewTicker(proveEvery)
	defer tick.Stop()
	judge := initJudge{pid: c.init.pid, before: exeOf(c.monitor.pid), atExec: r.cpuBeforeExec(c)}
	for range int(proveMost / proveEvery) {
		select {
		case <-c.dead:
			return errInitDied
		case <-tick.C:
		}
		if judge.look() {
			break
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	select {
	case <-c.dead:
		return errInitDied
	default:
		c.phase = phaseRunning
		return nil
	}
}

// cpuBeforeExec is how long init had run when its start-host hook did; 0 if that was not heard yet.
func (r *Runtime) cpuBeforeExec(c *run) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	if c.hookedInit != c.init {
		return 0
	}
	return c.hookedCPU
}

// An initJudge follows one init through its first moments.
type initJudge struct {
	pid    int
	before string        // the program it was before its exec
	atExec time.Duration // CPU time then or a little before; 0 until it is known
	ran    bool          // exec was seen
	sleeps int
}

// look reports whether init can be believed.
func (j *initJudge) look() bool {
	if !j.ran {
		if exe := exeOf(j.pid); exe == "" || exe == j.before {
			return false
		}
		j.ran = true
		if j.atExec == 0 {
			j.atExec = cpuTimeOf(j.pid)
			return false
		}
	}
	if strings.HasPrefix(statusField(j.pid, "State"), "S") {
		j.sleeps++
	} else {
		j.sleeps = 0
	}
	return j.sleeps >= provenSleeps || cpuTimeOf(j.pid)-j.atExec >= provenCPU
}

func exeOf(pid int) string {
	target, _ := os.Readlink("/proc/" + strconv.Itoa(pid) + "/exe")
	return target
}

// cpuTimeOf is the time the main thread ran (sched-stats.rst, /proc/PID/schedstat), 0 where the
// kernel does not count it.
func cpuTimeOf(pid int) time.Duration {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/schedstat")
	if err != nil {
		return 0
	}
	ns, _, _ := strings.Cut(string(text), " ")
	n, _ := strconv.ParseInt(ns, 10, 64)
	return time.Duration(n)
}
