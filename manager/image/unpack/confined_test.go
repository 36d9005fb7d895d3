package unpack_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"lodge/manager/image/unpack"
	"lodge/packaging/need"
)

// TestParserIsConfined looks at the process that reads an archive, while it does: it is nobody in
// namespaces of its own, sees one directory, has no network, may gain nothing and make no other calls
// than its filter lets through.
func TestParserIsConfined(t *testing.T) {
	need.Root(t)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "marker"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	raw := archive(t, system(item{name: "x", body: strings.Repeat("x", 1<<20)}))
	out, in := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		_, err := unpack.Run(context.Background(), unpack.Job{Dir: dir, Source: out})
		ended <- err
	}()
	if _, err := in.Write(raw[:len(raw)/2]); err != nil { // it has read that much: it is sealed
		t.Fatal(err)
	}
	pid := scanChild(t)
	t.Run("status", func(t *testing.T) {
		status := read(t, pid, "status")
		for _, want := range []string{"Seccomp:\t2\n", "NoNewPrivs:\t1\n"} {
			if !strings.Contains(status, want) {
				t.Errorf("it lacks %q:\n%s", want, status)
			}
		}
		for line := range strings.Lines(status) {
			if f := strings.Fields(line); f[0] == "Uid:" && (len(f[1]) < 6 || f[1] != f[2] || f[1] != f[3]) {
				t.Errorf("on the host it is %s", line)
			}
		}
	})
	for _, ns := range []string{"user", "mnt", "pid", "net", "ipc", "uts"} {
		own, err := os.Readlink("/proc/self/ns/" + ns)
		its, err2 := os.Readlink(fmt.Sprintf("/proc/%d/ns/%s", pid, ns))
		if err != nil || err2 != nil || own == its {
			t.Errorf("namespace %s: %s and %s, %v %v", ns, own, its, err, err2)
		}
	}
	if _, err := os.Stat(fmt.Sprintf("/proc/%d/root/marker", pid)); err != nil {
		t.Errorf("its root is not the directory: %v", err)
	}
	if limits := read(t, pid, "limits"); strings.Contains(limits, "Max address space         unlimited") ||
		strings.Contains(limits, "Max file size             unlimited") || strings.Contains(limits, "Max cpu time              unlimited") {
		t.Errorf("it has no limits:\n%s", limits)
	}
	if env := read(t, pid, "environ"); env != "" {
		t.Errorf("it has the environment %q", env)
	}
	in.Write(raw[len(raw)/2:])
	in.Close()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func read(t *testing.T, pid int, name string) string {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", pid, name))
	if err != nil {
		t.Error(err)
	}
	return string(text)
}

// scanChild is the process id of this process's child that is the scan role.
func scanChild(t *testing.T) int {
	t.Helper()
	lists, _ := filepath.Glob("/proc/self/task/*/children")
	for _, list := range lists {
		text, _ := os.ReadFile(list)
		for _, field := range strings.Fields(string(text)) {
			if line, _ := os.ReadFile("/proc/" + field + "/cmdline"); strings.Contains(string(line), "scan\x00unpack") {
				var pid int
				fmt.Sscan(field, &pid)
				return pid
			}
		}
	}
	t.Fatal("there is no child that unpacks")
	return 0
}
