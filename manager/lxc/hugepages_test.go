package lxc_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"lodge/inventory"
	"lodge/packaging/need"
)

// A container gets as many huge pages as its limit says, none without one, and more once it may.
func TestHugepages(t *testing.T) {
	b := newBench(t)
	const pages = 4
	reserveHugepages(t, pages)
	// Beside v1 hierarchies the limit comes a moment after init.
	const first = "while ! test -e /go; do sleep 0.05; done; hugepages 4 > /first; "
	boot := b.container(first+`
trap 'hugepages 4 > /second; poweroff -f' PWR; sleep 100000 & wait`, map[string]string{"hugepages": "2MiB"})
	none := b.container(first+waits, nil)
	for _, rootfs := range []string{boot.Rootfs, none.Rootfs} {
		program := exec.Command("go", "build", "-o", filepath.Join(rootfs, "bin/hugepages"), "./testdata/hugepages")
		program.Env = append(os.Environ(), "CGO_ENABLED=0")
		if text, err := program.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
	}
	openRootfs(t, boot)
	openRootfs(t, none)
	b.start(none)
	touch(t, none, "go")
	eventually(t, "it has tried", func() bool { return out(t, none, "first") != "" })
	if got := out(t, none, "first"); got != "0" {
		t.Errorf("without being allowed any it got %s huge pages", got)
	}
	b.start(boot)
	touch(t, boot, "go")
	eventually(t, "it has tried", func() bool { return out(t, boot, "first") != "" })
	if got := out(t, boot, "first"); got != "1" {
		t.Errorf("of one huge page it got %s", got)
	}
	boot.Settings = map[string]string{"hugepages": "6MiB"}
	if err := b.Apply(t.Context(), boot, []string{"hugepages"}); err != nil {
		t.Fatal(err)
	}
	if err := b.Stop(t.Context(), boot.Container, 20*time.Second, false); err != nil {
		t.Fatal(err)
	}
	if got := out(t, boot, "second"); got != "3" {
		t.Errorf("of three huge pages it got %s", got)
	}
}

// reserveHugepages makes the host have some for the test, and gives them back.
func reserveHugepages(t *testing.T, n int) {
	t.Helper()
	const file = "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages"
	was, err := os.ReadFile(file)
	need.That(t, err == nil, "a kernel with huge pages of 2 MiB")
	had, _ := strconv.Atoi(strings.TrimSpace(string(was)))
	need.That(t, os.WriteFile(file, []byte(strconv.Itoa(had+n)), 0) == nil, "the right to reserve huge pages")
	const control = "/sys/fs/cgroup/unified/cgroup.subtree_control"
	handed, _ := os.ReadFile(control)
	t.Cleanup(func() {
		os.WriteFile(file, was, 0)
		if !strings.Contains(string(handed), "hugetlb") {
			os.WriteFile(control, []byte("-hugetlb"), 0) // crun in a container does not run beside it
		}
	})
	now, _ := os.ReadFile(file)
	need.That(t, strings.TrimSpace(string(now)) == strconv.Itoa(had+n), "a host with room for huge pages")
}

func touch(t *testing.T, boot inventory.Boot, name string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(boot.Rootfs, name), nil, 0o644); err != nil {
		t.Fatal(err)
	}
}
