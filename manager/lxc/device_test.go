package lxc_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"lodge/inventory"
)

// inside runs a command in the container as its root and returns what it prints.
func (b *bench) inside(boot inventory.Boot, argv ...string) (string, error) {
	b.t.Helper()
	args := append([]string{"-P", filepath.Join(b.root, "containers"), "-n", boot.Container.LXCName(), "--clear-env", "--"}, argv...)
	out, err := exec.Command("lxc-attach", args...).CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

// volume makes a folder that stands for a volume, and the disk that shows it.
func (b *bench) volume(boot *inventory.Boot, name, path string) inventory.Device {
	b.t.Helper()
	dir := filepath.Join(b.root, "volume-"+name)
	if err := os.Mkdir(dir, 0o755); err != nil {
		b.t.Fatal(err)
	}
	if boot.Volumes == nil {
		boot.Volumes = map[string]string{}
	}
	boot.Volumes[name] = dir
	return device(name, "disk", "volume="+name, "path="+path)
}

func device(name, kind string, properties ...string) inventory.Device {
	d := inventory.Device{Name: name, Type: kind, Properties: map[string]string{}}
	for _, p := range properties {
		key, value, _ := strings.Cut(p, "=")
		d.Properties[key] = value
	}
	return d
}

func owner(t *testing.T, path string) uint32 {
	t.Helper()
	info, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Sys().(*syscall.Stat_t).Uid
}

const waitForEver = "while :; do sleep 1; done"

// A device is the same whether the container got it at its start, while it ran, or by its own reboot:
// ids, flags that its root can't change, and content.
func TestDeviceLiveAndAtStart(t *testing.T) {
	b := newBench(t)
	boot := b.container("[ -e /data/reboot-me ] && { rm -f /data/reboot-me; sleep 1; reboot -f; }; "+waitForEver, nil)
	data := b.volume(&boot, "data", "/srv/data")
	fixed := b.volume(&boot, "fixed", "/fixed")
	fixed.Properties["readonly"] = "true"
	scratch := device("scratch", "tmpfs", "path=/scratch", "size=1MiB", "mode=0750")
	all := []inventory.Device{data, fixed, scratch}
	check := func(when string) {
		t.Helper()
		for _, command := range []string{
			"touch /srv/data/from-" + when, "! touch /fixed/x", "! mount -o remount,rw,bind /fixed && ! touch /fixed/x",
			"! mount -o remount,dev,bind /srv/data", "touch /scratch/x && [ $(stat -c %u:%g:%a /scratch) = 0:0:750 ]",
			"! dd if=/dev/zero of=/scratch/big bs=1024 count=1100", "! mount -o remount,size=8m /scratch",
			"[ $(stat -c %u:%g /srv/data) = 0:0 ]",
		} {
			if out, err := b.inside(boot, "/bin/sh", "-c", command); err != nil {
				t.Errorf("%s: %s: %v %s", when, command, err, out)
			}
		}
		file := filepath.Join(boot.Volumes["data"], "from-"+when)
		if uid := owner(t, file); uid != 0 {
			t.Errorf("%s: a file of the container's root is on disk as %d's", when, uid)
		}
	}
	b.start(boot)
	for _, d := range all {
		boot.Container.SetDevice(d)
	}
	b.must(b.Configure(t.Context(), boot))
	for range 2 { // the second time finds it done
		for _, d := range all {
			b.must(b.Attach(t.Context(), boot, d))
		}
	}
	check("live")
	if _, err := b.inside(boot, "reboot", "-f"); err != nil {
		t.Log(err)
	}
	if e := b.exit(); e.Target != "reboot" {
		t.Fatalf("it ended with %+v", e)
	}
	eventually(t, "it runs again", func() bool { return b.Observe(boot.Container).State == inventory.StateRunning })
	check("reboot")
	b.must(b.Kill(t.Context(), boot.Container))
	b.exit()
	b.start(boot)
	check("start")
	for range 2 {
		for _, d := range all {
			b.must(b.Detach(t.Context(), boot, d))
		}
	}
	if out, _ := b.inside(boot, "/bin/sh", "-c", "ls /srv/data /fixed /scratch; cat /proc/mounts"); strings.Contains(out, "from-") ||
		strings.Contains(out, "lodge:") {
		t.Errorf("after the detach: %s", out)
	}
}

func (b *bench) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

// What uses a device keeps it from being taken away, and is named.
func TestDeviceBusy(t *testing.T) {
	b := newBench(t)
	boot := b.container("mkdir -p /data; "+waitForEver, nil)
	data := b.volume(&boot, "data", "/data")
	boot.Container.SetDevice(data)
	b.start(boot)
	user := exec.Command("lxc-attach", "-P", filepath.Join(b.root, "containers"), "-n", boot.Container.LXCName(), "--",
		"/bin/sh", "-c", "cd /data && touch here && sleep 1000")
	b.must(user.Start())
	defer func() { user.Process.Kill(); user.Wait() }()
	eventually(t, "it is in use", func() bool {
		_, err := os.Stat(filepath.Join(boot.Volumes["data"], "here"))
		return err == nil
	})
	err := b.Detach(t.Context(), boot, data)
	if !errors.Is(err, inventory.ErrBusy) || !strings.Contains(err.Error(), "sleep (") {
		t.Fatalf("got %v", err)
	}
	if out, err := b.inside(boot, "ls", "/data"); out != "here" || err != nil {
		t.Errorf("after the refusal: %s %v", out, err)
	}
}

// Where a device is to be, a container may have put a link that leads out of it or into something else.
func TestDeviceTargetLinks(t *testing.T) {
	b := newBench(t)
	boot := b.container(waitForEver, nil)
	for link, to := range map[string]string{"out": "../../../../../../../../tmp", "etc-link": "/etc", "loop": "loop"} {
		b.must(os.Symlink(to, filepath.Join(boot.Rootfs, link)))
	}
	b.must(os.WriteFile(filepath.Join(boot.Rootfs, "file"), nil, 0o644))
	b.start(boot)
	for i, path := range []string{"/out", "/out/x", "/etc-link", "/etc-link/x", "/loop", "/file", "/file/x"} {
		d := b.volume(&boot, "v"+strconv.Itoa(i), path)
		if err := b.Attach(t.Context(), boot, d); !errors.Is(err, inventory.ErrInvalid) {
			t.Errorf("%s: %v", path, err)
		}
	}
	boot.Container.SetDevice(b.volume(&boot, "atstart", "/out/x"))
	b.must(b.Configure(t.Context(), boot))
	b.must(b.Kill(t.Context(), boot.Container))
	b.exit()
	err := b.Start(t.Context(), boot)
	if err == nil || !strings.Contains(err.Error(), "/out/x") {
		t.Errorf("the start with a device at a link: %v", err)
	}
	if entries, _ := filepath.Glob("/tmp/x"); len(entries) > 0 {
		t.Error("it went out of the container")
	}
}

// A folder of the host is given only beneath what the host names, never over a link, and never what is
// the agent's own or the system's: neither asked for plainly nor swapped in after the check.
func TestDeviceHostPath(t *testing.T) {
	b := newBench(t)
	boot := b.container(waitForEver, nil)
	base := t.TempDir()
	for _, dir := range []string{"good", "other"} {
		b.must(os.Mkdir(filepath.Join(base, dir), 0o755))
	}
	b.must(os.Symlink(b.root, filepath.Join(base, "link")))
	good := device("media", "disk", "source="+base+"/good", "path=/media")
	if err := b.Check(t.Context(), boot, good); !errors.Is(err, inventory.ErrDenied) {
		t.Errorf("without storage.host_paths: %v", err)
	}
	boot.HostPaths = []string{base, "/run", b.root, "/proc"}
	for _, source := range []string{base + "/link", base + "/link/run", "/etc", b.root, filepath.Join(b.root, "run"),
		filepath.Dir(b.root), "/run", "/proc/1/root", "/sys", "/dev"} {
		if err := b.Check(t.Context(), boot, device("x", "disk", "source="+source, "path=/x")); !errors.Is(err, inventory.ErrDenied) {
			t.Errorf("%s: %v", source, err)
		}
	}
	b.must(b.Check(t.Context(), boot, good))
	b.must(b.Check(t.Context(), boot, device("all", "disk", "source="+base, "path=/all")))
	boot.Container.SetDevice(good)
	b.start(boot)
	if out, err := b.inside(boot, "/bin/sh", "-c", "ls /media && ! touch /media/x"); err != nil {
		t.Errorf("the host's root's folder: %s %v", out, err)
	}
	b.must(b.Detach(t.Context(), boot, good))
	b.must(b.Check(t.Context(), boot, good))
	b.must(os.Rename(base+"/good", base+"/was"))
	b.must(os.Symlink(b.root, base+"/good"))
	if err := b.Attach(t.Context(), boot, good); !errors.Is(err, inventory.ErrDenied) {
		t.Errorf("swapped for a link after the check: %v", err)
	}
}

// A folder of the host, or one above it, that somebody swaps for a link after the check is not followed:
// neither live nor at a start, however often it is swapped while the agent looks.
func TestHostPathSwapped(t *testing.T) {
	b := newBench(t)
	boot := b.container(waitForEver, nil)
	base, secret := t.TempDir(), t.TempDir()
	for dir, text := range map[string]string{base + "/up/good": "good", secret + "/good": "secret"} {
		b.must(os.MkdirAll(dir, 0o755))
		b.must(os.WriteFile(dir+"/text", []byte(text), 0o644))
	}
	b.must(os.Chmod(base, 0o755))
	b.must(os.Chmod(secret, 0o755))
	boot.HostPaths = []string{base}
	d := device("media", "disk", "source="+base+"/up/good", "path=/media")
	swap := func(path, to string) (back func()) {
		b.must(os.Rename(path, path+".was"))
		b.must(os.Symlink(to, path))
		return func() {
			b.must(os.Remove(path))
			b.must(os.Rename(path+".was", path))
		}
	}
	for what, how := range map[string][2]string{"the folder": {base + "/up/good", secret + "/good"}, "the one above": {base + "/up", secret}} {
		b.must(b.Check(t.Context(), boot, d))
		back := swap(how[0], how[1])
		if err := b.Start(t.Context(), withDevice(boot, d)); err == nil {
			out, _ := b.inside(boot, "/bin/cat", "/media/text")
			t.Errorf("%s is a link at a start: it starts with %q", what, out)
			b.must(b.Kill(t.Context(), boot.Container))
		}
		back()
	}
	b.start(boot)
	for what, how := range map[string][2]string{"the folder": {base + "/up/good", secret + "/good"}, "the one above": {base + "/up", secret}} {
		b.must(b.Check(t.Context(), boot, d))
		back := swap(how[0], how[1])
		if err := b.Attach(t.Context(), boot, d); !errors.Is(err, inventory.ErrDenied) {
			t.Errorf("%s is a link: %v", what, err)
		}
		back()
	}
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			default:
				swap(base+"/up/good", secret+"/good")()
			}
		}
	}()
	given := 0
	for range 40 {
		if err := b.Attach(t.Context(), boot, d); err != nil {
			continue
		}
		given++
		if out, err := b.inside(boot, "/bin/cat", "/media/text"); err != nil || out != "good" {
			t.Errorf("it was given %q, %v", out, err)
		}
		b.must(b.Detach(t.Context(), boot, d))
	}
	close(stop)
	<-stopped
	t.Logf("given %d of 40 times", given)
}

// withDevice is a boot with one more device.
func withDevice(boot inventory.Boot, d inventory.Device) inventory.Boot {
	boot.Container = boot.Container.Clone()
	boot.Container.SetDevice(d)
	return boot
}
