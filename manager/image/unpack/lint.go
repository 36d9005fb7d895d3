package unpack

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// A Finding is something an image for many containers must not hold.
type Finding struct {
	Path    string `json:"path"`
	Problem string `json:"problem"`
}

func (f Finding) String() string { return "/" + f.Path + ": " + f.Problem }

// maxFindings bounds the list; nobody reads more.
const maxFindings = 100

// A rule judges one file; "" is no objection.
type rule func(fsys fs.FS, p string, info fs.FileInfo) string

var rules = []rule{
	hostKey, machineID, leftovers, worldWritable, deviceNode, password, privateKey, randomSeed,
}

// Lint walks the tree and returns what would make containers of it share a secret or an identity,
// or show that the build did not clean up. It changes nothing.
func Lint(fsys fs.FS) ([]Finding, error) {
	var found []Finding
	err := fs.WalkDir(fsys, ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if p == "dev" || p == "proc" || p == "sys" {
			return fs.SkipDir
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		for _, judge := range rules {
			if problem := judge(fsys, p, info); problem != "" {
				found = append(found, Finding{printable(p), problem})
			}
		}
		if len(found) >= maxFindings {
			return fs.SkipAll
		}
		return nil
	})
	return found, err
}

func printable(p string) string {
	p = strings.ToValidUTF8(p, "?")
	if len(p) > maxText {
		p = strings.ToValidUTF8(p[:maxText-3], "") + "..."
	}
	return p
}

func hostKey(_ fs.FS, p string, _ fs.FileInfo) string {
	if ok, _ := path.Match("etc/ssh/ssh_host_*", p); ok {
		return "an SSH host key would be the same in every container"
	}
	return ""
}

func machineID(_ fs.FS, p string, info fs.FileInfo) string {
	if p == "etc/machine-id" && info.Size() > 0 || p == "var/lib/dbus/machine-id" && info.Mode().IsRegular() {
		return "the machine id would be the same in every container"
	}
	return ""
}

func randomSeed(_ fs.FS, p string, _ fs.FileInfo) string {
	if p == "var/lib/systemd/random-seed" || p == "var/lib/systemd/credential.secret" {
		return "a secret would be the same in every container"
	}
	return ""
}

// clean are directories that hold no file in a fresh image.
var clean = []struct{ dir, what string }{
	{"var/log", "a log of the build"},
	{"var/lib/apt/lists", "a package index that grows old"},
	{"var/cache/apt", "a cache of the build"},
	{"var/cache/ldconfig", "a cache that differs from build to build"},
	{"tmp", "a temporary file of the build"},
	{"var/tmp", "a temporary file of the build"},
	{"run", "a runtime file of the build"},
}

func leftovers(_ fs.FS, p string, info fs.FileInfo) string {
	if info.IsDir() || p == "var/lib/apt/lists/lock" {
		return ""
	}
	for _, c := range clean {
		if strings.HasPrefix(p, c.dir+"/") {
			return c.what
		}
	}
	if p == "usr/sbin/policy-rc.d" {
		return "keeps services from starting"
	}
	return ""
}

func worldWritable(_ fs.FS, p string, info fs.FileInfo) string {
	m := info.Mode()
	switch {
	case m&fs.ModeSymlink != 0 || m.Perm()&0o002 == 0:
		return ""
	case m.IsDir() && m&fs.ModeSticky != 0:
		return ""
	}
	return fmt.Sprintf("anyone may write it (mode %04o)", m.Perm())
}

func deviceNode(_ fs.FS, _ string, info fs.FileInfo) string {
	if info.Mode()&fs.ModeDevice != 0 {
		return "a device node"
	}
	return ""
}

// password finds accounts that can be signed in to with a password, or without one.
func password(fsys fs.FS, p string, _ fs.FileInfo) string {
	if p != "etc/shadow" {
		return ""
	}
	text, err := readSome(fsys, p, 1<<20)
	if err != nil {
		return "can't be read"
	}
	for line := range strings.Lines(text) {
		fields := strings.Split(strings.TrimSpace(line), ":")
		if len(fields) > 1 && !strings.HasPrefix(fields[1], "!") && !strings.HasPrefix(fields[1], "*") {
			return "an account has a password, or needs none"
		}
	}
	return ""
}

// keyPlaces are where a private key would lie that an image must not carry.
var keyPlaces = []string{"root/", "home/", "etc/ssl/private/", "etc/ssh/"}

func privateKey(fsys fs.FS, p string, info fs.FileInfo) string {
	in := func(place string) bool { return strings.HasPrefix(p, place) }
	if !info.Mode().IsRegular() || info.Size() > 64<<10 || !slices.ContainsFunc(keyPlaces, in) {
		return ""
	}
	if text, err := readSome(fsys, p, 64<<10); err == nil && strings.Contains(text, "PRIVATE KEY-----") {
		return "a private key"
	}
	return ""
}
