package storagetest

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// fileCapability is security.capability of version 2: cap_net_raw=ep (linux/capability.h).
var fileCapability = []byte{1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}

// fillTree writes a small root file system with one of everything an image may hold.
func fillTree(dir string) error {
	in := func(name string) string { return filepath.Join(dir, name) }
	steps := []func() error{
		func() error { return os.MkdirAll(in("etc/deep/er"), 0o755) },
		func() error { return os.Mkdir(in("tmp"), 0o777) },
		func() error { return os.Chmod(in("tmp"), 0o777|fs.ModeSticky) },
		func() error { return os.WriteFile(in("etc/hostname"), []byte("image\n"), 0o644) },
		func() error { return os.WriteFile(in("etc/shadow"), []byte("root:*\n"), 0o600) },
		func() error { return os.Chown(in("etc/shadow"), 0, 42) },
		func() error { return os.Symlink("hostname", in("etc/link")) },
		func() error { return os.Symlink("/nowhere/at/all", in("etc/dangling")) },
		func() error { return os.Link(in("etc/hostname"), in("etc/deep/er/same")) },
		func() error { return os.WriteFile(in("su"), []byte("#!"), 0o755) },
		func() error { return os.Chmod(in("su"), 0o755|fs.ModeSetuid|fs.ModeSetgid) },
		func() error { return os.WriteFile(in("ping"), []byte("#!"), 0o755) },
		func() error { return unix.Setxattr(in("ping"), "security.capability", fileCapability, 0) },
		func() error { return unix.Setxattr(in("etc"), "user.note", []byte("a\x00b"), 0) },
		func() error { return unix.Setxattr(in("etc/hostname"), "trusted.overlay", []byte("y"), 0) },
		func() error { return unix.Mkfifo(in("fifo"), 0o620) },
		func() error { return unix.Mknod(in("null"), unix.S_IFCHR|0o666, int(unix.Mkdev(1, 3))) },
		func() error { return unix.Mknod(in("socket"), unix.S_IFSOCK|0o755, 0) },
		func() error { return makeSparse(in("sparse")) },
		// Enough for a pool that counts the image's data as the volume's to be noticed.
		func() error { _, err := grow(in("large"), 3*slack); return err },
		func() error { return os.Lchown(in("etc/link"), 1000, 65534) },
		func() error { return os.WriteFile(in("name with\nline and \xff byte"), nil, 0o444) },
		func() error { return os.Chtimes(in("su"), time.Unix(1, 5), time.Unix(981173106, 123456789)) },
	}
	for i, step := range steps {
		if err := step(); err != nil {
			return fmt.Errorf("step %d of the tree: %w", i, err)
		}
	}
	return nil
}

func makeSparse(name string) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.WriteAt([]byte("end"), 1<<30)
	return err
}

// describe gives a line per file: everything that has to be kept of it.
func describe(t *testing.T, dir string) map[string]string {
	t.Helper()
	lines := map[string]string{}
	firstLink := map[uint64]string{}
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, _ := filepath.Rel(dir, path)
		lines[name], err = describeFile(path, name, firstLink)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return lines
}

func describeFile(path, name string, firstLink map[uint64]string) (string, error) {
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		return "", err
	}
	content := ""
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFREG:
		if st.Size < 1<<20 {
			b, err := os.ReadFile(path)
			if err != nil {
				return "", err
			}
			content = string(b)
		}
		if first, ok := firstLink[st.Ino]; ok {
			content = "link to " + first
		} else {
			firstLink[st.Ino] = name
		}
	case unix.S_IFLNK:
		content, _ = os.Readlink(path)
	case unix.S_IFDIR:
		st.Size, st.Nlink = 0, 0 // what a folder's size means is up to the file system
	}
	return fmt.Sprintf("mode %o owner %d:%d links %d size %d device %d mtime %d.%09d content %q attributes %q",
		st.Mode, st.Uid, st.Gid, st.Nlink, st.Size, st.Rdev, st.Mtim.Sec, st.Mtim.Nsec, content, attributes(path)), nil
}

func attributes(path string) []string {
	names := make([]byte, 4096)
	n, err := unix.Llistxattr(path, names)
	if err != nil {
		return nil
	}
	var all []string
	for start, i := 0, 0; i < n; i++ {
		if names[i] != 0 {
			continue
		}
		value := make([]byte, 4096)
		length, err := unix.Lgetxattr(path, string(names[start:i]), value)
		if err == nil {
			all = append(all, string(names[start:i])+"="+string(value[:length]))
		}
		start = i + 1
	}
	slices.Sort(all)
	return all
}

// sameTree compares everything below two folders, times and owners among it.
func sameTree(t *testing.T, got, want map[string]string) {
	t.Helper()
	names := slices.Collect(maps.Keys(want))
	for name := range got {
		if _, ok := want[name]; !ok {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		if got[name] != want[name] {
			t.Errorf("%q is\n\t%s, want\n\t%s", name, got[name], want[name])
		}
	}
}
