package unpack_test

import (
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	"lodge/manager/image/unpack"
)

func TestLint(t *testing.T) {
	file := func(text string, mode fs.FileMode) *fstest.MapFile {
		return &fstest.MapFile{Data: []byte(text), Mode: mode}
	}
	for _, c := range []struct {
		path string
		file *fstest.MapFile
		says string // "" is no finding
	}{
		{"etc/ssh/ssh_host_rsa_key", file("x", 0o600), "SSH host key"},
		{"etc/ssh/sshd_config", file("Port 22", 0o644), ""},
		{"etc/machine-id", file("0123\n", 0o444), "machine id"},
		{"etc/machine-id", file("", 0o444), ""},
		{"var/log/dpkg.log", file("x", 0o644), "a log"},
		{"var/lib/apt/lists/archive_InRelease", file("x", 0o644), "package index"},
		{"var/cache/apt/pkgcache.bin", file("x", 0o644), "cache"},
		{"var/cache/ldconfig/aux-cache", file("x", 0o600), "cache"},
		{"var/lib/systemd/random-seed", file("x", 0o600), "secret"},
		{"tmp", &fstest.MapFile{Mode: fs.ModeDir | fs.ModeSticky | 0o777}, ""},
		{"srv/drop", &fstest.MapFile{Mode: fs.ModeDir | 0o777}, "anyone may write"},
		{"etc/cron.d/x", file("x", 0o666), "anyone may write"},
		{"bin", &fstest.MapFile{Data: []byte("usr/bin"), Mode: fs.ModeSymlink | 0o777}, ""},
		{"mnt/disk", &fstest.MapFile{Mode: fs.ModeDevice | 0o600}, "device node"},
		{"dev/null", &fstest.MapFile{Mode: fs.ModeDevice | fs.ModeCharDevice | 0o666}, ""},
		{"etc/shadow", file("root:*:1:::::\nbin:!:1:::::\n", 0o640), ""},
		{"etc/shadow", file("root:$y$j9T$abc:1:::::\n", 0o640), "password"},
		{"etc/shadow", file("root::1:::::\n", 0o640), "password"},
		{"root/.ssh/id_ed25519", file("-----BEGIN OPENSSH PRIVATE KEY-----\n", 0o600), "private key"},
		{"usr/sbin/policy-rc.d", file("exit 101", 0o755), "services"},
		{"usr/bin/su", file("x", fs.ModeSetuid|0o755), ""},
	} {
		found, err := unpack.Lint(fstest.MapFS{c.path: c.file})
		switch {
		case err != nil:
			t.Errorf("%s: %v", c.path, err)
		case c.says == "" && len(found) > 0:
			t.Errorf("%s: found %v", c.path, found)
		case c.says != "" && (len(found) == 0 || !strings.Contains(found[0].String(), c.says)):
			t.Errorf("%s: found %v, want %q", c.path, found, c.says)
		}
	}
}

func TestParseOSRelease(t *testing.T) {
	for text, want := range map[string][2]string{
		"ID=debian\nVERSION_ID=\"12\"\n":       {"debian", "12"},
		"ID='alpine'\nVERSION_ID=3.20.1":       {"alpine", "3.20.1"},
		"ID=arch\n":                            {"arch", ""},
		"":                                     {"linux", ""},
		"ID=\"$(reboot)\"\nVERSION_ID=\"1;2\"": {"linux", ""},
		"ID=" + strings.Repeat("a", 100) + "\nX=1": {"linux", ""},
		"ID=UPPER": {"linux", ""},
	} {
		if id, version := unpack.ParseOSRelease(text); [2]string{id, version} != want {
			t.Errorf("%.40q gives %s %s, want %v", text, id, version, want)
		}
	}
}

func TestParseApk(t *testing.T) {
	got := unpack.ParseApk(strings.NewReader("C:Q1\nP:musl\nV:1.2.5-r0\nA:x86_64\nF:lib\n\nP:zlib\nV:1.3\n"))
	if len(got) != 2 || got[0].Name != "musl" || got[0].Version != "1.2.5-r0" || got[1].Name != "zlib" {
		t.Errorf("got %v", got)
	}
}
