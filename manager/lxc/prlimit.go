package lxc

import (
	"strconv"

	"golang.org/x/sys/unix"
)

// A processLimit is one resource limit every process inside begins with (setrlimit(2)).
type processLimit struct {
	name       string // liblxc's
	resource   int
	soft, hard uint64
}

// processLimits are the limits of systemd's defaults (systemd-system.conf(5)), but for the settings.
func (s setup) processLimits() []processLimit {
	const unlimited = unix.RLIM_INFINITY
	memlock, nproc := uint64(s.limits.memlock), uint64(s.limits.nproc)
	if nproc == 0 { // left to the cgroup
		nproc = unlimited
	}
	return []processLimit{
		{"nofile", unix.RLIMIT_NOFILE, 1024, uint64(s.limits.nofile)},
		{"memlock", unix.RLIMIT_MEMLOCK, memlock, memlock},
		{"core", unix.RLIMIT_CORE, uint64(s.limits.core), unlimited},
		{"nproc", unix.RLIMIT_NPROC, nproc, nproc},
		{"stack", unix.RLIMIT_STACK, 8 << 20, unlimited},
	}
}

// limit writes a limit as the host can keep it. Where even PID 1 may not raise limits, in a confined
// machine, those of the host are the most there is, and a start that asked for more would fail.
func (h host) limit(l processLimit) string {
	if !h.raisesLimits {
		var own unix.Rlimit
		if unix.Getrlimit(l.resource, &own) == nil {
			l.soft, l.hard = min(l.soft, own.Max), min(l.hard, own.Max)
		}
	}
	return formatLimit(l.soft) + ":" + formatLimit(l.hard)
}

func formatLimit(n uint64) string {
	if n == unix.RLIM_INFINITY {
		return "unlimited"
	}
	return strconv.FormatUint(n, 10)
}

// raisesLimits reports whether what PID 1 starts can have CAP_SYS_RESOURCE.
func raisesLimits() bool {
	bounding, err := strconv.ParseUint(statusField(1, "CapBnd"), 16, 64)
	return err != nil || bounding>>unix.CAP_SYS_RESOURCE&1 == 1
}
