package main

import (
	"archive/tar"
	"bytes"
	"fmt"
	"strings"
	"testing"

	"lodge/inventory"
	"lodge/manager/lxc"
)

// withSystemd is a system whose files say that it starts systemd of some version; it starts busybox.
func withSystemd(t testing.TB, version int) []byte {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	copyTar(t, w, bytes.NewReader(tinyImage(t, "")), func(h *tar.Header) bool { return h.Name != "sbin/init" })
	copyTar(t, w, bytes.NewReader(tarOf(t, tarEntry{tar.Header{Name: "usr/lib/systemd/systemd", Mode: 0o755}, "#!/bin/sh\nexec /bin/busybox init\n"},
		tarEntry{tar.Header{Name: "lib/systemd", Typeflag: tar.TypeSymlink, Linkname: "../usr/lib/systemd"}, ""},
		tarEntry{tar.Header{Name: fmt.Sprintf("usr/lib/systemd/libsystemd-shared-%d.so", version)}, ""},
		link("sbin/init", "../usr/lib/systemd/systemd"))), func(*tar.Header) bool { return true })
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// TestInitAndControlGroups: the version of an image's systemd is on record, and one that can't run on this
// host's control groups is refused in the plan, by whichever way it would come.
func TestInitAndControlGroups(t *testing.T) {
	l := newLab(t)
	bad, fine, why := 258, 252, "boot the host with systemd.unified_cgroup_hierarchy=1"
	if lxc.Cgroups() == inventory.CgroupsV2 {
		bad, why = 229, "knows control groups v1 alone"
	}
	for _, version := range []int{bad, fine} {
		l.importImage(fmt.Sprintf("systemd-%d", version), withSystemd(t, version))
		if out := l.run("image", "show", fmt.Sprintf("systemd-%d", version)); !strings.Contains(out, fmt.Sprintf("systemd %d", version)) {
			t.Errorf("the record:\n%s", out)
		}
	}
	create := []string{"--purpose", "x", "--disk", "64MiB", "--memory", "64MiB"}
	for _, command := range [][]string{{"create", "--plan"}, {"create"}, {"launch"}} {
		args := append(append(command, fmt.Sprintf("systemd-%d", bad), "lt-bad"), create...)
		if out, code := l.lodge(args...); code != 1 || !strings.Contains(out, why) {
			t.Errorf("%v: %d %s", command, code, out)
		}
	}
	export := saved(t, incusExport(t, withSystemd(t, bad)))
	before := l.world()
	if out, code := l.lodge("import", export, "lt-bad", "--disk", "64MiB"); code != 1 || !strings.Contains(out, why) {
		t.Errorf("import: %d %s", code, out)
	}
	l.unchanged(before)
	l.run(append([]string{"launch", fmt.Sprintf("systemd-%d", fine), "lt-fine"}, create...)...)
	if out, code := l.exec("lt-fine", "hostname"); out != "lt-fine\n" || code != 0 {
		t.Errorf("hostname: %q, %d", out, code)
	}
	if lxc.Cgroups() != inventory.CgroupsV2 {
		l.importImage("systemd-257", withSystemd(t, 257))
		if out := l.run(append([]string{"create", "systemd-257", "lt-warned", "--plan"}, create...)...); !strings.Contains(out, "obsolete") {
			t.Errorf("the plan does not warn:\n%s", out)
		}
	}
	l.settle()
	l.checkClean()
}
