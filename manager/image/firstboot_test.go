package image_test

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
	"golang.org/x/sys/unix"

	"lodge/manager/image"
)

var web1 = image.Identity{
	ID: "0198c0de-0000-7000-8000-000000000001", Hostname: "web1", Domain: "default.lodge.internal",
	Address: netip.MustParseAddr("10.86.0.7"), Nameservers: []netip.Addr{netip.MustParseAddr("10.86.0.1")},
	Search: []string{"lodge.internal"}, Timezone: "Europe/Paris", UserData: "#cloud-config\n",
	SSHKeys: []string{"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPDqOZJNUOKd8i9ZrNUQPhxdY1xm2Bp7bN4bDnBzV3Ns ann@desk"},
}

// rootfs is a tree with what FirstBoot meets in an image of Debian.
func rootfs(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, d := range []string{"etc/ssh", "root", "usr/share/zoneinfo/Europe", "var/lib"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	os.WriteFile(filepath.Join(dir, "usr/share/zoneinfo/Europe/Paris"), []byte("TZif"), 0o644)
	return dir
}

func text(t *testing.T, dir, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Error(err)
	}
	return string(b)
}

func TestFirstBoot(t *testing.T) {
	dir := rootfs(t)
	if err := image.FirstBoot(dir, web1); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"etc/hostname": "web1\n", "etc/machine-id": image.MachineID(web1.ID) + "\n", "etc/timezone": "Europe/Paris\n",
		"var/lib/cloud/seed/nocloud/user-data": "#cloud-config\n",
	} {
		if got := text(t, dir, name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	for name, part := range map[string]string{
		"etc/hosts":                            "10.86.0.7\tweb1.default.lodge.internal web1\n",
		"etc/resolv.conf":                      "search lodge.internal\nnameserver 10.86.0.1\n",
		"root/.ssh/authorized_keys":            "ann@desk\n",
		"var/lib/cloud/seed/nocloud/meta-data": "instance-id: " + string(web1.ID),
	} {
		if got := text(t, dir, name); !strings.Contains(got, part) {
			t.Errorf("%s is %q, want %q in it", name, got, part)
		}
	}
	signer, err := ssh.ParsePrivateKey([]byte(text(t, dir, "etc/ssh/ssh_host_ed25519_key")))
	if err != nil {
		t.Fatal(err)
	}
	keys, err := image.HostKeys(dir)
	if err != nil || len(keys) != 1 || keys[0] != strings.TrimSpace(string(ssh.MarshalAuthorizedKey(signer.PublicKey()))) {
		t.Errorf("the public key is %v, %v", keys, err)
	}
	for name, want := range map[string]uint32{"etc/ssh/ssh_host_ed25519_key": 0o600, "etc/machine-id": 0o444, "root/.ssh": 0o700, "etc/hosts": 0o644} {
		var st unix.Stat_t
		if err := unix.Lstat(filepath.Join(dir, name), &st); err != nil || st.Mode&0o7777 != want {
			t.Errorf("%s has mode %o (%v), want %o", name, st.Mode, err, want)
		}
	}
}

// TestFirstBootAgain: a renamed container keeps its host key, a clone gets its own.
func TestFirstBootAgain(t *testing.T) {
	dir := rootfs(t)
	if err := image.FirstBoot(dir, web1); err != nil {
		t.Fatal(err)
	}
	before := text(t, dir, "etc/ssh/ssh_host_ed25519_key")
	renamed := web1
	renamed.Hostname = "web2"
	if err := image.FirstBoot(dir, renamed); err != nil {
		t.Fatal(err)
	}
	if text(t, dir, "etc/ssh/ssh_host_ed25519_key") != before || text(t, dir, "etc/hostname") != "web2\n" {
		t.Error("renaming made a new host key, or kept the name")
	}
	clone := renamed
	clone.ID = "0198c0de-0000-7000-8000-000000000002"
	if err := image.FirstBoot(dir, clone); err != nil {
		t.Fatal(err)
	}
	if text(t, dir, "etc/ssh/ssh_host_ed25519_key") == before || text(t, dir, "etc/machine-id") == image.MachineID(web1.ID)+"\n" {
		t.Error("the clone has the identity of its origin")
	}
	replaced := clone
	replaced.ID, replaced.HostKey = "0198c0de-0000-7000-8000-000000000003", []byte(before)
	if err := image.FirstBoot(dir, replaced); err != nil || text(t, dir, "etc/ssh/ssh_host_ed25519_key") != before {
		t.Errorf("a key to keep was not kept: %v", err)
	}
}

// TestFirstBootOfAHostileTree: whatever lies under the names, nothing outside changes or blocks.
func TestFirstBootOfAHostileTree(t *testing.T) {
	outside := t.TempDir()
	for _, name := range []string{"victim", "key"} {
		if err := os.WriteFile(filepath.Join(outside, name), []byte("before"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	victim := filepath.Join(outside, "victim")
	for name, prepare := range map[string]func(dir string) error{
		"links to a file": func(dir string) error {
			for _, n := range []string{"etc/hostname", "etc/hosts", "etc/resolv.conf", "etc/machine-id", "etc/localtime",
				"etc/timezone", "etc/ssh/ssh_host_ed25519_key"} {
				if err := os.Symlink(victim, filepath.Join(dir, n)); err != nil {
					return err
				}
			}
			return nil
		},
		"links by dots": func(dir string) error { return os.Symlink("../../../../"+victim, filepath.Join(dir, "etc/hosts")) },
		"link as directory": func(dir string) error {
			os.Remove(filepath.Join(dir, "root"))
			return os.Symlink(outside, filepath.Join(dir, "root"))
		},
		"link as .ssh": func(dir string) error { return os.Symlink(outside, filepath.Join(dir, "root/.ssh")) },
		"link as /etc": func(dir string) error {
			os.RemoveAll(filepath.Join(dir, "etc"))
			return os.Symlink(outside, filepath.Join(dir, "etc"))
		},
		"dangling link": func(dir string) error { return os.Symlink("nowhere", filepath.Join(dir, "root/.ssh")) },
		"hard link": func(dir string) error {
			os.WriteFile(filepath.Join(dir, "inside"), []byte("before"), 0o644)
			return os.Link(filepath.Join(dir, "inside"), filepath.Join(dir, "etc/hosts"))
		},
		"FIFOs": func(dir string) error {
			unix.Mkfifo(filepath.Join(dir, "etc/machine-id"), 0o644)
			unix.Mkfifo(filepath.Join(dir, "usr/share/zoneinfo/fifo"), 0o644)
			return unix.Mkfifo(filepath.Join(dir, "etc/hosts"), 0o644)
		},
		"directories":       func(dir string) error { return os.MkdirAll(filepath.Join(dir, "etc/hosts/deep"), 0o755) },
		"file as directory": func(dir string) error { return os.WriteFile(filepath.Join(dir, "var/lib/cloud"), nil, 0o644) },
		"nothing":           func(dir string) error { return os.RemoveAll(filepath.Join(dir, "etc")) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := rootfs(t)
			if err := prepare(dir); err != nil {
				t.Fatal(err)
			}
			if err := image.FirstBoot(dir, web1); err != nil {
				t.Errorf("first boot: %v", err)
			}
			for _, name := range []string{"victim", "key"} {
				if got := text(t, outside, name); got != "before" {
					t.Errorf("%s outside is %q now", name, got)
				}
			}
			if left, _ := os.ReadDir(outside); len(left) != 2 {
				t.Errorf("outside there is %v", left)
			}
			if got := text(t, dir, "etc/hostname"); got != "web1\n" {
				t.Errorf("the host name is %q", got)
			}
		})
	}
}

func BenchmarkFirstBoot(b *testing.B) {
	dir := b.TempDir()
	os.MkdirAll(filepath.Join(dir, "etc/ssh"), 0o755)
	for b.Loop() {
		os.Remove(filepath.Join(dir, "etc/machine-id"))
		if err := image.FirstBoot(dir, web1); err != nil {
			b.Fatal(err)
		}
	}
}
