package lxc_test

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"

	"lodge/manager/lxc"
)

func TestChooseCPUs(t *testing.T) {
	host := []int{0, 1, 2, 3}
	tests := map[string]struct {
		used map[int]int
		keep []int
		n    int
		want []int
	}{
		"none used":             {nil, nil, 2, []int{0, 1}},
		"the least used":        {map[int]int{0: 2, 1: 1, 2: 0, 3: 1}, nil, 2, []int{1, 2}},
		"keeps what it has":     {map[int]int{0: 0, 3: 9}, []int{3}, 2, []int{0, 3}},
		"gives up what is over": {nil, []int{1, 2, 3}, 1, []int{1}},
		"all":                   {nil, nil, 4, host},
		"more than there are":   {nil, nil, 9, host},
		"a CPU that went away":  {nil, []int{7}, 1, []int{0}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got := lxc.ChooseCPUs(host, test.used, test.keep, test.n); !slices.Equal(got, test.want) {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
}

func TestCPUList(t *testing.T) {
	for list, want := range map[string][]int{"0-2,7\n": {0, 1, 2, 7}, "3": {3}, "": nil, "x,1": {1}, "1-x": nil} {
		if got := lxc.ParseCPUs(list); !slices.Equal(got, want) {
			t.Errorf("%q is %v", list, got)
		}
	}
	if got := lxc.FormatCPUs([]int{0, 2}); got != "0,2" {
		t.Error(got)
	}
}

func TestReason(t *testing.T) {
	log := `lxc web1 20261121042836.262 NOTICE   utils - ../src/lxc/utils.c:lxc_switch_uid_gid:1343 - Switched to gid 0
lxc web1 20261121042836.263 ERROR    conf - ../src/lxc/conf.c:setup_resource_limits:3321 - Operation not permitted - Failed to set limit nofile
lxc web1 20261121042836.263 ERROR    start - ../src/lxc/start.c:lxc_spawn:1853 - Failed to setup resource limits
lxc web1 20261121042836.263 ERROR    lxccontainer - ../src/lxc/lxccontainer.c:wait_on_daemonized_start:878 - Received container state "ABORTING" instead of "RUNNING"
lxc web1 20261121042836.267 ERROR    start - ../src/lxc/start.c:__lxc_start:2107 - Failed to spawn container "web1"
`
	if got := lxc.ParseReason(log); got != "Operation not permitted - Failed to set limit nofile; Failed to setup resource limits" {
		t.Error(got)
	}
	for _, empty := range []string{"", " ERROR ", "lxc web1 ERROR x", "garbage\x00\n"} {
		if got := lxc.ParseReason(empty); len(got) > 1 {
			t.Errorf("%q gave %q", empty, got)
		}
	}
}

func TestFindInit(t *testing.T) {
	program := func(dir, name string) {
		path := filepath.Join(dir, name)
		os.MkdirAll(filepath.Dir(path), 0o755)
		os.WriteFile(path, []byte("#!"), 0o755)
	}
	link := func(dir, name, to string) {
		os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755)
		os.Symlink(to, filepath.Join(dir, name))
	}
	tests := map[string]struct {
		make func(dir string)
		path string
		halt unix.Signal
	}{
		"systemd": {func(d string) {
			program(d, "usr/lib/systemd/systemd")
			link(d, "lib", "usr/lib")
			link(d, "sbin/init", "/lib/systemd/systemd")
		}, "/sbin/init", 37},
		"busybox":     {func(d string) { program(d, "bin/busybox"); link(d, "sbin/init", "../bin/busybox") }, "/sbin/init", unix.SIGUSR2},
		"sysvinit":    {func(d string) { program(d, "sbin/init") }, "/sbin/init", unix.SIGPWR},
		"openrc":      {func(d string) { program(d, "sbin/openrc-init"); link(d, "sbin/init", "openrc-init") }, "/sbin/init", unix.SIGTERM},
		"runit":       {func(d string) { program(d, "sbin/runit-init"); link(d, "sbin/init", "runit-init") }, "/sbin/init", unix.SIGCONT},
		"elsewhere":   {func(d string) { program(d, "init") }, "/init", unix.SIGPWR},
		"none":        {func(string) {}, "", 0},
		"no program":  {func(d string) { os.MkdirAll(filepath.Join(d, "sbin/init"), 0o755) }, "", 0},
		"circle":      {func(d string) { link(d, "sbin/init", "init") }, "", 0},
		"leads out":   {func(d string) { link(d, "sbin/init", "../../../../../../../../bin/sh") }, "", 0},
		"not allowed": {func(d string) { program(d, "sbin/init"); os.Chmod(filepath.Join(d, "sbin/init"), 0o644) }, "", 0},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			test.make(dir)
			path, halt, err := lxc.FindInit(dir)
			if path != test.path || halt != int(test.halt) || (err == nil) != (test.path != "") {
				t.Errorf("got %q, signal %d, %v", path, halt, err)
			}
		})
	}
}

// The copy beside a configuration is written while the folder goes. Each attempt that fails has met
// a file made since it began, so as many attempts as there are files are enough.
func TestRemoveFolderSomebodyWritesInto(t *testing.T) {
	const files = lxc.RemoveTries - 1
	for range 200 {
		dir := filepath.Join(t.TempDir(), "web1")
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		writing := make(chan struct{})
		done := make(chan struct{})
		go func() {
			defer close(done)
			for i := range files {
				if os.WriteFile(filepath.Join(dir, strconv.Itoa(i)), nil, 0o600) != nil {
					return
				}
				if i == files/8 {
					close(writing)
				}
			}
		}()
		<-writing
		if err := lxc.RemoveFolder(dir); err != nil {
			t.Fatal(err)
		}
		<-done
	}
}
