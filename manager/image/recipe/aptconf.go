package recipe

import (
	"context"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
)

// passed are the options of the host's apt that a build takes over: how to reach an archive, and
// what the host's administrator decided about the age of one (a frozen mirror needs that). None
// of them runs a program or weakens a signature.
var passed = []string{
	"Acquire::Check-Date", "Acquire::Check-Valid-Until", "Acquire::Retries",
	"Acquire::http::Proxy", "Acquire::https::Proxy", "Acquire::http::Timeout",
	"Acquire::https::Timeout", "Acquire::https::CAInfo", "Acquire::ForceIPv4", "Acquire::ForceIPv6",
}

// HostOptions asks the host's apt for its configuration. Without apt there is none.
func HostOptions(ctx context.Context) string {
	cmd := exec.CommandContext(ctx, "apt-config", "dump")
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8"}
	if os.Geteuid() == 0 {
		const nobody = 65534 // it only reads, and nothing of a build runs as root
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	}
	out, err := cmd.Output()
	if err != nil {
		return ""
	}
	return FilterOptions(string(out))
}

// FilterOptions picks the passed options, with those for single hosts
// (Acquire::http::Proxy::HOST), out of what "apt-config dump" prints.
func FilterOptions(dump string) string {
	var b strings.Builder
	for line := range strings.Lines(dump) {
		line = strings.TrimSpace(line)
		key, value, ok := strings.Cut(line, " ")
		value = strings.TrimSuffix(strings.TrimPrefix(value, `"`), `";`)
		isPassed := func(name string) bool {
			return key == name || strings.HasPrefix(key, name+"::") && strings.HasSuffix(name, "::Proxy")
		}
		if !ok || value == "" || strings.ContainsAny(value,
			"\"\\\n") || !slices.ContainsFunc(passed, isPassed) {
			continue
		}
		b.WriteString(key + ` "` + value + "\";\n")
	}
	return b.String()
}
