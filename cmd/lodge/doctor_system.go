package main

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"

	"lodge/inventory"
)

func checkLXCFS(h *host) check {
	k := check{Name: "lxcfs", Verdict: verdictOK, Found: "runs"}
	mounted := false
	for _, m := range h.mounts() {
		mounted = mounted || m.kind == "fuse.lxcfs"
	}
	switch {
	case mounted && h.text("/var/lib/lxcfs/proc/meminfo") != "":
		return k
	case mounted:
		k.Found = "mounted, and nobody answers there" // ENOTCONN: it was killed
	case h.program("lxcfs") == "":
		k.Found = "not installed"
	default:
		k.Found = "does not run"
	}
	k.Verdict, k.Advice = verdictFail, "without it free and nproc in a container show the host; "
	switch {
	case h.program("lxcfs") == "":
		k.Advice += "apt-get install lxcfs"
	case h.hasSystemd():
		k.Advice += "systemctl enable --now lxcfs"
		k.fix = func() (string, error) {
			if _, err := h.run("systemctl", "enable", "lxcfs"); err != nil {
				return "", err
			}
			_, err := h.run("systemctl", "restart", "lxcfs")
			return "started lxcfs", err
		}
	default:
		k.Advice += "start it: lxcfs /var/lib/lxcfs"
	}
	return k
}

// subIDs is what the installer gives root: room for 2048 containers.
const subIDs = "root:1000000:134217728"

// An idRange is one line of subuid(5).
type idRange struct {
	owner        string
	first, count int64
}

func parseIDRanges(lines []string) (all []idRange) {
	for _, line := range lines {
		f := strings.Split(strings.TrimSpace(line), ":")
		if len(f) != 3 {
			continue
		}
		first, err1 := strconv.ParseInt(f[1], 10, 64)
		n, err2 := strconv.ParseInt(f[2], 10, 64)
		if err1 == nil && err2 == nil {
			all = append(all, idRange{f[0], first, n})
		}
	}
	return all
}

// checkSubIDs is about /etc/subuid or /etc/subgid: root has to have a range for containers that
// nobody else may use.
func checkSubIDs(file string) func(*host) check {
	return func(h *host) check {
		k := check{Name: file, Verdict: verdictOK}
		all := parseIDRanges(h.lines("/etc/" + file))
		var ours, theirs []idRange
		for _, r := range all {
			if r.owner == "root" || r.owner == "0" {
				ours = append(ours, r)
			} else {
				theirs = append(theirs, r)
			}
		}
		if len(ours) == 0 {
			k.Verdict, k.Found, k.Advice = verdictFail, "no range for root", "add to /etc/"+file+": "+subIDs
			k.fix = func() (string, error) {
				return "added " + subIDs + " to /etc/" + file, h.appendLine("/etc/"+file, subIDs)
			}
			return k
		}
		var room int64
		for _, r := range ours {
			room += r.count / 65536
			for _, t := range theirs {
				if r.first < t.first+t.count && t.first < r.first+r.count {
					k.Verdict = verdictWarn
					k.Advice = fmt.Sprintf("the range of %s lies within root's: give %s another in /etc/%s", t.owner, t.owner, file)
				}
			}
		}
		k.Found = fmt.Sprintf("root has room for %d containers", room)
		if room == 0 {
			k.Verdict, k.Advice = verdictFail, "a container takes 65536 ids; add to /etc/"+file+": "+subIDs
		}
		return k
	}
}

func checkGroup(h *host) check {
	for _, line := range h.lines("/etc/group") {
		if f := strings.Split(line, ":"); len(f) == 4 && f[0] == "lodge" {
			if f[3] == "" {
				return check{Name: "group lodge", Verdict: verdictOK,
					Found: "there, nobody in it: only root reaches the agent"}
			}
			return check{Name: "group lodge", Verdict: verdictOK, Found: "members: " + f[3]}
		}
	}
	return check{Name: "group lodge", Verdict: verdictWarn, Found: "missing",
		Advice: "groupadd --system lodge; its members may use the agent",
		fix: func() (string, error) {
			_, err := h.run("groupadd", "--system", "lodge")
			return "made the group lodge", err
		}}
}

// checkDisk is about where the agent keeps everything. Its pool is a sparse file there: it fails
// when the disk is full, with free space left inside.
func checkDisk(h *host) check {
	root := "/var/lib/lodge"
	if _, at, err := h.agent(); err == nil && at.Root != "" {
		root = at.Root
	}
	k := check{Name: "disk space", Verdict: verdictOK}
	for !h.exists(root) && root != "/" {
		root = filepath.Dir(root)
	}
	total, free, err := h.space(h.path(root))
	if err != nil {
		k.Verdict, k.Found = verdictWarn, err.Error()
		return k
	}
	k.Found = fmt.Sprintf("%s of %s free below %s", inventory.Bytes(free), inventory.Bytes(total), root)
	switch {
	case free < int64(inventory.GiB):
		k.Verdict, k.Advice = verdictFail, "make room: containers and images can't be made any more, and running ones may fail to write"
	case free < int64(10*inventory.GiB) || free < total/20:
		k.Verdict, k.Advice = verdictWarn, "an image takes about 300MiB, a container what is written in it"
	}
	return k
}

// programs are those the agent runs, with the packages that have them.
var programs = []struct{ name, from string }{{"nft", "nftables"}, {"mkfs.btrfs", "btrfs-progs"},
	{"newuidmap", "uidmap"}, {"mke2fs", "e2fsprogs"}}

func checkPrograms(h *host) check {
	k := check{Name: "programs", Verdict: verdictOK}
	var found, missing, packages []string
	for _, p := range programs {
		if h.program(p.name) == "" {
			missing, packages = append(missing, p.name), append(packages, p.from)
			continue
		}
		found = append(found, p.name)
	}
	k.Found = strings.Join(found, ", ")
	if len(missing) > 0 {
		k.Verdict, k.Found = verdictFail, "missing: "+strings.Join(missing, ", ")
		k.Advice = "apt-get install " + strings.Join(packages, " ")
	}
	return k
}

func checkMmdebstrap(h *host) check {
	if p := h.program("mmdebstrap"); p != "" {
		return check{Name: "mmdebstrap", Verdict: verdictOK, Found: p}
	}
	return check{Name: "mmdebstrap", Verdict: verdictWarn, Found: "missing",
		Advice: "images can't be built here, only imported; apt-get install mmdebstrap"}
}
