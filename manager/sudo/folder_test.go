package sudo

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"lodge/inventory"
	"lodge/packaging/need"
)

const grantID = "0190f5fe-7c00-7a00-8000-000000000001"

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// guestRoot is a root file system with the folder and an account.
func guestRoot(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	must(t, os.MkdirAll(root+folderPath, 0o755))
	must(t, os.WriteFile(root+passwdPath, []byte("root:x:0:0::/:/bin/sh\nann:x:1000:1000::/:/bin/sh\n"), 0o644))
	return root
}

func opened(t *testing.T, root string) *folder {
	t.Helper()
	f, err := openFolder(&inventory.Container{Name: "web1"}, root)
	must(t, err)
	t.Cleanup(f.close)
	return f
}

// TestFolderFollowsNothing: whatever the container puts in the way, nothing outside it is written or
// removed, and nobody waits.
func TestFolderFollowsNothing(t *testing.T) {
	for name, prepare := range map[string]func(root, outside string) error{
		"the folder is a link": func(root, outside string) error {
			return errors.Join(os.Remove(root+folderPath), os.Symlink(outside, root+folderPath))
		},
		"etc is a link": func(root, outside string) error {
			return errors.Join(os.RemoveAll(root+"/etc"), os.MkdirAll(outside+"/sudoers.d", 0o755), os.Symlink(outside, root+"/etc"))
		},
		"the folder is a file": func(root, _ string) error {
			return errors.Join(os.Remove(root+folderPath), os.WriteFile(root+folderPath, nil, 0o644))
		},
		"there is no folder": func(root, _ string) error { return os.Remove(root + folderPath) },
	} {
		t.Run(name, func(t *testing.T) {
			root, outside := guestRoot(t), t.TempDir()
			must(t, prepare(root, outside))
			if _, err := openFolder(&inventory.Container{Name: "web1"}, root); !errors.Is(err, inventory.ErrState) {
				t.Errorf("it is opened: %v", err)
			}
		})
	}
}

// TestPutReplacesWhatIsThere: a link of the file's name is replaced, and what it led to stays.
func TestPutReplacesWhatIsThere(t *testing.T) {
	need.Root(t) // giving a file to root takes that
	root, outside := guestRoot(t), filepath.Join(t.TempDir(), "kept")
	must(t, os.WriteFile(outside, []byte("as it was"), 0o600))
	g := inventory.SudoGrant{ID: grantID, Account: "ann"}
	for _, name := range []string{g.Candidate(), g.File()} {
		must(t, os.Symlink(outside, filepath.Join(root, folderPath, name)))
	}
	f := opened(t, root)
	must(t, f.put(g.Candidate(), g.Sudoers()))
	must(t, f.rename(g.Candidate(), g.File()))
	info, err := os.Lstat(filepath.Join(root, folderPath, g.File()))
	must(t, err)
	if info.Mode() != 0o440 {
		t.Errorf("the file is %v", info.Mode())
	}
	if got, _ := os.ReadFile(outside); string(got) != "as it was" {
		t.Errorf("what a link led to became %q", got)
	}
	if got, err := f.files(); err != nil || !slices.Equal(got, []string{g.File()}) {
		t.Errorf("files: %v, %v", got, err)
	}
	must(t, f.remove(g.File()))
	must(t, f.remove(g.File())) // again
	if got, err := f.files(); err != nil || len(got) > 0 {
		t.Errorf("left: %v, %v", got, err)
	}
}

// TestAccount: an account is one of the container's own list, whatever that is.
func TestAccount(t *testing.T) {
	root := guestRoot(t)
	f := opened(t, root)
	must(t, f.check("ann"))
	for _, account := range []string{"an", "ann:x", "bob", ""} {
		if err := f.check(account); !errors.Is(err, inventory.ErrNotFound) {
			t.Errorf("%q: %v", account, err)
		}
	}
	must(t, os.Remove(root+passwdPath))
	must(t, os.Symlink("/etc/passwd", root+passwdPath)) // of the host, where root is
	if err := f.check("root"); !errors.Is(err, inventory.ErrNotFound) {
		t.Errorf("a link is followed: %v", err)
	}
}

// TestLongest: the shorter of what project and host say holds, and 0s is none at all.
func TestLongest(t *testing.T) {
	for said, want := range map[string]string{"": "8h", "1h": "1h", " 1h": "1h", "2h 1h": "1h", "1h 2h": "1h", "0s 2h": "0s", "2d": "2d"} {
		var above []inventory.Layer
		for value := range strings.SplitSeq(said, " ") {
			above = append(above, inventory.Layer{Values: map[string]string{SettingMax: value}})
		}
		if got := inventory.DurationText(longest(above)); got != want {
			t.Errorf("%q: %s, want %s", said, got, want)
		}
	}
}
