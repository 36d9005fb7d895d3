package network

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"lodge/inventory"
	"lodge/network/names"
)

// HostsFile is what the host's programs look names up in first (hosts(5), nsswitch.conf(5)).
const HostsFile = "/etc/hosts"

// maxHosts bounds what is read of it; one that is longer is left alone.
const maxHosts = 8 << 20

// syncHosts makes the block of this agent in the host's hosts file what the setting asks for: the
// names of all containers, or none. Lines of others stay byte for byte. Called with steer held.
func (s *Service) syncHosts(entries []names.Entry) {
	s.mu.Lock()
	wanted := s.options.HostNames
	s.mu.Unlock()
	if !wanted && s.hostsClean {
		return
	}
	block := ""
	if wanted {
		block = hostsBlock(s.cfg.Root, entries)
	}
	if err := replaceHosts(s.cfg.HostsFile, s.cfg.Root, block); err != nil {
		s.log.Warn("the host does not know the containers' names", "file", s.cfg.HostsFile, "err", err)
		return
	}
	s.hostsClean = !wanted
}

func hostsMarks(root string) (begin, end string) {
	return "# lodge " + root + " begin; rewritten whole, don't edit\n", "# lodge " + root + " end\n"
}

func hostsBlock(root string, entries []names.Entry) string {
	begin, end := hostsMarks(root)
	var b strings.Builder
	b.WriteString(begin)
	for _, e := range entries {
		project := cmp.Or(e.Project, inventory.DefaultProject)
		all := e.Name + "." + project + "." + inventory.Domain
		if project == inventory.DefaultProject {
			all = e.Name + "." + inventory.Domain + " " + all
		}
		if e.IPv4.IsValid() {
			fmt.Fprintf(&b, "%s\t%s\n", e.IPv4, all)
		}
		if e.IPv6.IsValid() {
			fmt.Fprintf(&b, "%s\t%s\n", e.IPv6, all)
		}
	}
	b.WriteString(end)
	return b.String()
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
