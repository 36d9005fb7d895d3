package network

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"

	"github.com/miekg/dns"
	"golang.org/x/sys/unix"

	"lodge/inventory"
	"lodge/network/names"
)

// HostsFile is what the host's programs look names up in first (hosts(5), nsswitch.conf(5)).
const HostsFile = "/etc/hosts"

// maxHosts bounds what is read of it; one that is longer is left alone.
const maxHosts = 8 << 20

func hostsMarks(root string) (begin, end string) {
	return "# lodge " + root + " begin; rewritten whole, don't edit\n", "# lodge " + root + " end\n"
}

// hostsBlock is every name of the zone that has an address, each address's own name first: backwards the
// first one counts (hosts(5)).
func hostsBlock(root string, z names.Zone) string {
	begin, end := hostsMarks(root)
	var b strings.Builder
	b.WriteString(begin)
	known := map[string][]netip.Addr{}
	line := func(a netip.Addr, own ...string) {
		if !a.IsValid() {
			return
		}
		for _, name := range own {
			known[name] = append(known[name], a)
		}
		fmt.Fprintf(&b, "%s\t%s\n", a, strings.Join(own, " "))
	}
	for _, n := range z.Networks {
		line(n.IPv4.Addr(), z.Domain)
		line(n.IPv6.Addr(), z.Domain)
	}
	for _, e := range z.Entries {
		project := cmp.Or(e.Project, inventory.DefaultProject)
		own := []string{e.Name + "." + project + "." + z.Domain}
		if project == inventory.DefaultProject {
			own = []string{e.Name + "." + z.Domain, own[0]}
		}
		line(e.IPv4, own...)
		line(e.IPv6, own...)
	}
	for _, r := range z.Records {
		addRecord(r, z.Domain, known, line)
	}
	b.WriteString(end)
	return b.String()
}

// addRecord writes the lines of a record somebody added: its address, or those its alias has. Where a
// container has the name, the container counts, as in the zone.
func addRecord(r names.Record, domain string, known map[string][]netip.Addr, line func(netip.Addr, ...string)) {
	rr, err := r.Parse(domain)
	if err != nil {
		return
	}
	name := strings.TrimSuffix(rr.Header().Name, ".")
	// DNS takes any character, the file ends a name at some: "bank.example#" would be another's.
	if strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-_.") != "" {
		return
	}
	switch rr := rr.(type) {
	case *dns.A:
		a, _ := netip.AddrFromSlice(rr.A.To4())
		line(a, name)
	case *dns.AAAA:
		a, _ := netip.AddrFromSlice(rr.AAAA)
		line(a, name)
	case *dns.CNAME:
		if len(known[name]) > 0 {
			return
		}
		for _, a := range known[strings.TrimSuffix(strings.ToLower(rr.Target), ".")] {
			line(a, name)
		}
	}
}

// replaceHosts puts block in the place of the one that is there, or at the end; an empty one goes.
// Agents of one host take turns by a lock on the folder.
func replaceHosts(path, root, block string) error {
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer dir.Close() // which gives the lock back
	if err := unix.Flock(int(dir.Fd()), unix.LOCK_EX); err != nil {
		return err
	}
	was, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) && block == "" {
		return nil
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	now := withBlock(string(was), root, block)
	if now == string(was) {
		return nil
	}
	if len(now) > maxHosts {
		return fmt.Errorf("it would have %d bytes", len(now))
	}
	err = writeFile(path, []byte(now), 0o644)
	if errors.Is(err, unix.EBUSY) {
		// Where this host is a container itself, the file is a mount and can't be replaced.
		return os.WriteFile(path, []byte(now), 0o644)
	}
	return err
}

func withBlock(text, root, block string) string {
	begin, end := hostsMarks(root)
	before, rest, found := strings.Cut(text, begin)
	if found {
		// A block whose end somebody took away is cut where it begins; what follows may be theirs.
		if _, after, ok := strings.Cut(rest, end); ok {
			rest = after
		}
		return before + block + rest
	}
	if block != "" && text != "" && !strings.HasSuffix(text, "\n") {
		text += "\n"
	}
	return text + block
}
