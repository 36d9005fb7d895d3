package unpack

import (
	"archive/tar"
	"io"
	"path"
	"strings"

	"lodge/inventory"
)

// What a publish leaves out of a container's root. It is the list of docs/manual.md, Images; Lint
// afterwards judges what is left as it judges a build.

// emptied are directories of which only the folders stay: logs, caches, leases, what belongs to a
// boot, and cloud-init's record of the container it has been through.
var emptied = []string{
	"var/log", "var/lib/apt/lists", "var/cache/apt", "var/cache/ldconfig", "var/cache/man", "var/cache/dnf",
	"var/cache/yum", "var/cache/apk", "var/cache/fontconfig", "var/lib/dhcp", "var/lib/systemd/timers",
	"var/lib/systemd/coredump", "var/crash",
}

// dropped are patterns (path.Match) of files and whole folders: identity, secrets made at first
// boot, histories, and what people left for themselves.
var dropped = []string{
	"tmp/*", "var/tmp/*", "run/*", "var/lib/cloud/*",
	"etc/ssh/ssh_host_*", "etc/hostname", "etc/hosts", "etc/resolv.conf",
	"var/lib/systemd/random-seed", "var/lib/systemd/credential.secret", "var/lib/urandom/random-seed",
	"root/.*_history", "home/*/.*_history", "root/.histfile", "home/*/.histfile",
	"root/.local/share/fish/fish_history", "home/*/.local/share/fish/fish_history",
	"root/.lesshst", "home/*/.lesshst", "root/.viminfo", "home/*/.viminfo", "root/.wget-hsts", "home/*/.wget-hsts",
	"root/.cache", "home/*/.cache", "root/.ssh/authorized_keys", "home/*/.ssh/authorized_keys",
	"root/.ssh/known_hosts*", "home/*/.ssh/known_hosts*", "usr/sbin/policy-rc.d",
}

// blanked are files that stay, without their contents: an empty machine id is one to be made.
const blanked = "etc/machine-id"

// isLeftOut reports whether a publish leaves out an entry, with all that is below it.
func isLeftOut(p string, kind byte) bool {
	for _, pattern := range dropped {
		if ok, _ := path.Match(pattern, p); ok {
			return true
		}
	}
	if p == "var/lib/dbus/machine-id" && kind == tar.TypeReg {
		return true
	}
	if kind == tar.TypeDir {
		return false
	}
	for _, dir := range emptied {
		if strings.HasPrefix(p, dir+"/") {
			return true
		}
	}
	return false
}

// write writes the tree as the order wants it: canonical, cleaned, or as an image of Incus'.
func (o *order) write(w io.Writer) (entries int, size inventory.Bytes, err error) {
	k := newWalk(w, o.Latest, o.Limits)
	k.clean = o.Clean
	if o.Image != "" {
		k.prefix = "rootfs/"
		k.out.header(record{path: metadataName, kind: tar.TypeReg, mode: 0o644, size: int64(len(o.Image))})
		k.out.write([]byte(o.Image))
		k.out.pad(int64(len(o.Image)))
	}
	entries, n, err := k.run(dirFD)
	return entries, inventory.Bytes(n), err
}
