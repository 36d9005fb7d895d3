package main

import (
	"archive/tar"
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"lodge/inventory"
	"lodge/packaging/need"
)

// TestIntentIsOnDiskBeforeTheHelperRuns watches the system calls of an agent that starts a
// container: the intent is written to the audit segment, fdatasync(2) of that segment returns, and
// only then the helper that starts containers is executed. A figure won by giving this up is none.
func TestIntentIsOnDiskBeforeTheHelperRuns(t *testing.T) {
	require(t)
	bin := build(t)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	a, err := startAgent(ctx, agentConfig{bin: bin, dir: "/var/tmp"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the agent's log ends with %s", a.logTail())
		}
		a.remove()
	})
	b := &bench{agent: a}
	if err := importTiny(ctx, t, b); err != nil {
		t.Fatal(err)
	}
	if err := b.viaAgent().create(ctx, "ordered"); err != nil {
		t.Fatal(err)
	}
	trace := filepath.Join(t.TempDir(), "trace")
	over := follow(t, a.cmd.Process.Pid, trace)
	if err := b.viaAgent().start(ctx, "ordered"); err != nil {
		t.Fatal(err)
	}
	over()
	text, err := os.ReadFile(trace)
	if err != nil {
		t.Fatal(err)
	}
	if err := intentFirst(text, "container.start"); err != nil {
		t.Error(err)
	}
}

// follow writes the system calls of a process and of what it starts to a file, until over is called.
func follow(t *testing.T, pid int, file string) (over func()) {
	t.Helper()
	// -y names the files behind descriptors.
	strace := exec.Command("strace", "-f", "-y", "-s", "4096", "-e", "trace=pwrite64,write,fdatasync,execve", "-o", file, "-p", strconv.Itoa(pid))
	says, err := strace.StderrPipe()
	if err == nil {
		err = strace.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(says).ReadString('\n'); err != nil || !strings.Contains(line, "attached") {
		t.Fatalf("strace says %q (%v)", line, err)
	}
	return func() {
		strace.Process.Signal(os.Interrupt)
		strace.Wait()
	}
}

var (
	segmentWrite = regexp.MustCompile(`^\d+ +pwrite64\((\d+)</[^>]*/audit/\d+\.seg>, (.*)`)
	helperStarts = regexp.MustCompile(`^\d+ +execve\("[^"]*/lodge-lxc", \["[^"]*", "start"`)
)

// intentFirst looks in a trace for the order of the first write of the verb's intent, the sync of
// its file after that, and the helper's execution.
func intentFirst(trace []byte, verb string) error {
	written, synced := "", false
	syncing := map[string]bool{} // threads whose fdatasync has begun after the write
	for lines := bufio.NewScanner(bytes.NewReader(trace)); ; {
		if !lines.Scan() {
			return fmt.Errorf("the helper was never executed (%v)", lines.Err())
		}
		line := lines.Text()
		thread, _, _ := strings.Cut(line, " ")
		switch {
		case written == "" && segmentWrite.MatchString(line) && isIntent(line, verb):
			written = segmentWrite.FindStringSubmatch(line)[1]
		case written != "" && strings.Contains(line, " fdatasync("+written+"<"):
			synced = synced || strings.HasSuffix(line, "= 0")
			syncing[thread] = strings.Contains(line, "<unfinished")
		case syncing[thread] && strings.Contains(line, "fdatasync resumed"):
			synced = synced || strings.HasSuffix(line, "= 0")
		case helperStarts.MatchString(line) && written == "":
			return fmt.Errorf("the helper was executed before the intent was written: %s", line)
		case helperStarts.MatchString(line) && !synced:
			return fmt.Errorf("the helper was executed before the intent was on disk: %s", line)
		case helperStarts.MatchString(line):
			return nil
		}
	}
}

// isIntent finds the record in what strace shows of the written bytes.
func isIntent(line, verb string) bool {
	return strings.Contains(line, `\"`+string(inventory.RecordIntent)+`\"`) && strings.Contains(line, `\"`+verb+`\"`)
}

func TestIntentFirst(t *testing.T) {
	const (
		write = `7 pwrite64(9</r/audit/0000000000000000001.seg>, "{\"kind\":\"intent\",\"verb\":\"container.start\"}"..., 40, 0) = 40` + "\n"
		sync  = `7 fdatasync(9</r/audit/0000000000000000001.seg>) = 0` + "\n"
		begun = `7 fdatasync(9</r/audit/0000000000000000001.seg> <unfinished ...>` + "\n"
		over  = `7 <... fdatasync resumed>) = 0` + "\n"
		bad   = `7 fdatasync(9</r/audit/0000000000000000001.seg>) = -1 EIO (Input/output error)` + "\n"
		run   = `8 execve("/b/lodge-lxc", ["/b/lodge-lxc", "start", "x"], 0x1 /* 2 vars */) = 0` + "\n"
	)
	for _, c := range []struct {
		name, trace string
		ok          bool
	}{
		{"in order", write + sync + run, true},
		{"in two parts", write + begun + over + run, true},
		{"helper while it syncs", write + begun + run + over, false},
		{"sync before the write", sync + write + run, false},
		{"sync failed", write + bad + run, false},
		{"no intent", sync + run, false},
		{"no helper", write + sync, false},
	} {
		if err := intentFirst([]byte(c.trace), "container.start"); (err == nil) != c.ok {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// require skips without what the test needs, and fails where it has to run.
func require(t *testing.T) {
	t.Helper()
	need.Root(t)
	need.Programs(t, "strace", "lxc-start", "mkfs.btrfs", "busybox")
}

// build makes the agent and its helper.
func build(t *testing.T) string {
	t.Helper()
	bin := t.TempDir()
	for _, dir := range []string{bin, filepath.Dir(bin)} { // the agent's unprivileged roles run it too
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	out, err := exec.Command("go", "build", "-o", bin, "lodge/cmd/lodged", "lodge/cmd/lodge-lxc",
		"lodge/cmd/lodge-hook", "lodge/cmd/lodge-ssh").CombinedOutput()
	if err != nil {
		t.Fatalf("go build: %v: %s", err, out)
	}
	return bin
}

// importTiny makes the image of the measurements of busybox alone: the order is the same for any.
func importTiny(ctx context.Context, t *testing.T, b *bench) error {
	t.Helper()
	path, err := exec.LookPath("busybox")
	if err != nil {
		return err
	}
	busybox, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	for _, dir := range []string{"bin", "sbin", "etc", "proc", "sys", "dev", "run", "tmp", "var", "root"} {
		w.WriteHeader(&tar.Header{Name: dir + "/", Typeflag: tar.TypeDir, Mode: 0o755})
	}
	for name, body := range map[string][]byte{
		"bin/busybox": busybox, "etc/passwd": []byte("root:x:0:0:root:/root:/bin/sh\n"), "etc/group": []byte("root:x:0:\n"),
	} {
		w.WriteHeader(&tar.Header{Name: name, Mode: 0o755, Size: int64(len(body))})
		w.Write(body)
	}
	for name, to := range map[string]string{"bin/sh": "busybox", "sbin/init": "../bin/busybox"} {
		w.WriteHeader(&tar.Header{Name: name, Typeflag: tar.TypeSymlink, Linkname: to})
	}
	if err := w.Close(); err != nil {
		return err
	}
	return settle(b.agent.client.ImportImage(ctx, inventory.ImportArgs{Alias: imageName, Source: "busybox"}, &archive, wait))
}
