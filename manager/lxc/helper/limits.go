package helper

import (
	"strconv"
	"strings"

	lxc "github.com/lxc/go-lxc"
	"golang.org/x/sys/unix"
)

// limits are the resource limits a configuration may hold, by liblxc's name.
var limits = map[string]int{
	"nofile": unix.RLIMIT_NOFILE, "memlock": unix.RLIMIT_MEMLOCK, "core": unix.RLIMIT_CORE,
	"nproc": unix.RLIMIT_NPROC, "stack": unix.RLIMIT_STACK,
}

// lowerLimits brings the limits of the configuration down to those of this process when it lacks
// the capability to raise them (setrlimit(2)): the root of a confined machine may. With the
// capability it changes nothing.
func lowerLimits(c *lxc.Container) error {
	if hasCapability(unix.CAP_SYS_RESOURCE) {
		return nil
	}
	for name, resource := range limits {
		key := "lxc.prlimit." + name
		var own unix.Rlimit
		if err := unix.Getrlimit(resource, &own); err != nil {
			return err
		}
		values := c.ConfigItem(key)
		if len(values) != 1 || values[0] == "" {
			continue
		}
		soft, hard, _ := strings.Cut(values[0], ":")
		value := formatLimit(min(parseLimit(soft), own.Max)) + ":" + formatLimit(min(parseLimit(hard), own.Max))
		if err := c.SetConfigItem(key, value); err != nil {
			return err
		}
	}
	return nil
}

func hasCapability(capability int) bool {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return false
	}
	return data[capability/32].Effective>>(capability%32)&1 == 1
}

func parseLimit(s string) uint64 {
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		return unix.RLIM_INFINITY
	}
	return n
}

func formatLimit(n uint64) string {
	if n == unix.RLIM_INFINITY {
		return "unlimited"
	}
	return strconv.FormatUint(n, 10)
}
