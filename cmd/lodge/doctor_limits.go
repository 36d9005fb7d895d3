package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// limitsFile is where they are kept, and limitsText what packaging/sysctl.conf says.
const (
	limitsFile = "/etc/sysctl.d/60-lodge.conf"
	limitsText = `# Lodge: limits that are for one desktop by default and are reached by tens of containers with a
# whole userland each. Kernel documentation: admin-guide/sysctl/{fs,kernel}.rst.
fs.inotify.max_user_instances = 8192
fs.inotify.max_user_watches = 1048576
kernel.keys.maxkeys = 20000
kernel.keys.maxbytes = 2000000
net.ipv4.neigh.default.gc_thresh3 = 8192
net.ipv6.neigh.default.gc_thresh3 = 8192
`
)

// A limit is a kernel parameter that should have at least a value.
type limit struct {
	key         string
	want, found int64
	there       bool
}

func (l limit) file() string { return "/proc/sys/" + strings.ReplaceAll(l.key, ".", "/") }

// limits returns those whose names begin with prefix.
func (h *host) limits(prefix string) (all []limit) {
	for s := bufio.NewScanner(strings.NewReader(limitsText)); s.Scan(); {
		key, value, ok := strings.Cut(s.Text(), " = ")
		if !ok || !strings.HasPrefix(key, prefix) {
			continue
		}
		l := limit{key: key}
		l.want, _ = strconv.ParseInt(value, 10, 64)
		found, err := strconv.ParseInt(h.text(l.file()), 10, 64)
		l.found, l.there = found, err == nil
		all = append(all, l)
	}
	return all
}

// checkLimits compares the kernel's limits with what many containers need.
func checkLimits(name, prefix string) func(*host) check {
	return func(h *host) check {
		k := check{Name: name, Verdict: verdictOK}
		var found, low []string
		for _, l := range h.limits(prefix) {
			if !l.there {
				continue // IPv6 may be off
			}
			short := strings.TrimPrefix(l.key, prefix)
			found = append(found, fmt.Sprintf("%s=%d", short, l.found))
			if l.found < l.want {
				low = append(low, fmt.Sprintf("%s=%d", l.key, l.want))
			}
		}
		k.Found = strings.Join(found, " ")
		if len(low) > 0 {
			k.Verdict, k.fix = verdictWarn, func() (string, error) { return h.raise(prefix) }
			k.Advice = "tens of containers reach it; sysctl -w " + strings.Join(low, " ")
		}
		return k
	}
}

// raise keeps all limits for the next boot and sets those of one kind now. It lowers none: what
// the host has more of goes into the file as it is.
func (h *host) raise(prefix string) (string, error) {
	text := limitsText
	for _, l := range h.limits("") {
		if l.there && l.found > l.want {
			text = strings.Replace(text, fmt.Sprintf("%s = %d\n", l.key, l.want),
				fmt.Sprintf("%s = %d\n", l.key, l.found), 1)
		}
	}
	err := os.MkdirAll(filepath.Dir(h.path(limitsFile)), 0o755)
	if err == nil {
		err = os.WriteFile(h.path(limitsFile), []byte(text), 0o644)
	}
	var set []string
	for _, l := range h.limits(prefix) {
		if !l.there || l.found >= l.want {
			continue
		}
		err = errors.Join(err, os.WriteFile(h.path(l.file()),
			[]byte(strconv.FormatInt(l.want, 10)+"\n"), 0o644))
		set = append(set, fmt.Sprintf("%s=%d", l.key, l.want))
	}
	return "set " + strings.Join(set, " ") + ", kept in " + limitsFile, err
}
