package lxc_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"lodge/inventory"
)

// loopDevice makes a block device that begins with text.
func loopDevice(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "disk")
	if err := os.WriteFile(file, append([]byte(text), make([]byte, 1<<20)...), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("losetup", "--find", "--show", file).Output()
	if err != nil {
		t.Fatalf("losetup: %v %s", err, out)
	}
	loop := strings.TrimSpace(string(out))
	t.Cleanup(func() { exec.Command("losetup", "-d", loop).Run() })
	return loop
}

// A node of the host comes and goes while the container runs, works for its root, for reading alone if so
// asked, and is there from the start of the next run on. Without it the device can't be opened.
func TestNodeDevices(t *testing.T) {
	b := newBench(t)
	loop := loopDevice(t, "hello")
	boot := b.container(waitForEver, nil)
	b.start(boot)
	run := func(when, command string) {
		t.Helper()
		if out, err := b.inside(boot, "/bin/sh", "-c", command); err != nil {
			t.Errorf("%s: %s: %v %s", when, command, err, out)
		}
	}
	disk := device("disk", "unix-block", "source="+loop, "path=/dev/disk0", "readonly=true", "mode=0660")
	control := device("control", "unix-char", "source=10:237", "path=/dev/control", "mode=0600")
	boot.Container.Devices = []inventory.Device{control, disk}
	const works = "[ $(dd if=/dev/disk0 bs=5 count=1 2>/dev/null) = hello ] && ! echo x > /dev/disk0 && : < /dev/control && [ $(stat -c %u:%a /dev/control) = 0:600 ]"
	for range 2 {
		for _, d := range boot.Container.Devices {
			if err := b.Attach(t.Context(), boot, d); err != nil {
				t.Fatal(err)
			}
		}
	}
	run("attached", works)
	for range 2 {
		for _, d := range boot.Container.Devices {
			if err := b.Detach(t.Context(), boot, d); err != nil {
				t.Fatal(err)
			}
		}
	}
	run("detached", "[ ! -s /dev/disk0 ] && ! dd if=/dev/disk0 bs=5 count=1 2>&1 | grep hello")
	if err := b.Kill(t.Context(), boot.Container); err != nil {
		t.Fatal(err)
	}
	b.start(boot)
	run("at the start", works)
	if err := b.Kill(t.Context(), boot.Container); err != nil {
		t.Fatal(err)
	}
	if err := b.Remove(t.Context(), boot.Container); err != nil {
		t.Fatal(err)
	}
	if left, _ := filepath.Glob("/dev/lodge/" + string(boot.Container.ID) + "/*"); len(left) > 0 {
		t.Errorf("nodes of a container that is gone: %v", left)
	}
}

// What is no device, of another kind, or the host itself, is refused.
func TestNodesRefused(t *testing.T) {
	b := newBench(t)
	boot := b.container("", nil)
	for source, want := range map[string]error{"/dev/nothing-here": inventory.ErrNotFound, "999:9": inventory.ErrNotFound,
		"/dev/mem": inventory.ErrDenied, "1:1": inventory.ErrDenied, "/dev/stdin": inventory.ErrInvalid, "/dev/fd": inventory.ErrInvalid} {
		if strings.HasPrefix(source, "/dev/mem") {
			if _, err := os.Stat(source); err != nil {
				continue
			}
		}
		err := b.Check(t.Context(), boot, device("d", "unix-char", "source="+source, "path=/dev/d", "mode=0660"))
		if !errors.Is(err, want) {
			t.Errorf("%s: %v", source, err)
		}
	}
}

// A block device that the host itself works on is for no container: by its path or its number, mounted
// before the check or between the check and the attach. It can be taken away all the same.
func TestBlockDeviceOfTheHost(t *testing.T) {
	b := newBench(t)
	boot := b.container(waitForEver, nil)
	b.start(boot)
	loop, at := loopDevice(t, "hello"), t.TempDir()
	if out, err := exec.Command("mkfs.ext4", "-q", "-O", "^has_journal", loop).CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	var st unix.Stat_t
	b.must(unix.Stat(loop, &st))
	number := fmt.Sprintf("%d:%d", unix.Major(st.Rdev), unix.Minor(st.Rdev))
	byPath := device("d", "unix-block", "source="+loop, "path=/dev/d", "mode=0660")
	byNumber := device("n", "unix-block", "source="+number, "path=/dev/n", "mode=0660")
	for _, d := range []inventory.Device{byPath, byNumber} {
		b.must(b.Check(t.Context(), boot, d))
	}
	b.must(b.Attach(t.Context(), boot, byPath))
	b.must(unix.Mount(loop, at, "ext4", unix.MS_RDONLY, ""))
	t.Cleanup(func() { unix.Unmount(at, 0) })
	for _, d := range []inventory.Device{byPath, byNumber} {
		if err := b.Check(t.Context(), boot, d); !errors.Is(err, inventory.ErrDenied) {
			t.Errorf("%s, mounted: %v", d.HostPath(), err)
		}
	}
	if err := b.Attach(t.Context(), boot, byNumber); !errors.Is(err, inventory.ErrDenied) {
		t.Errorf("mounted between the check and the attach: %v", err)
	}
	stopped := b.container(waitForEver, nil)
	if err := b.Start(t.Context(), withDevice(stopped, byNumber)); !errors.Is(err, inventory.ErrDenied) {
		t.Errorf("at a start: %v", err)
	}
	b.must(b.Detach(t.Context(), boot, byPath))
	if out, err := b.inside(boot, "/bin/sh", "-c", "[ ! -b /dev/d ]"); err != nil {
		t.Errorf("after it was taken away: %s", out)
	}
	if left, _ := filepath.Glob("/dev/lodge/probe-*"); len(left) > 0 {
		t.Errorf("left over: %v", left)
	}
}
