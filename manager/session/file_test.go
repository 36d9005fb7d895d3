package session_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/iotest"

	"lodge/inventory"
	"lodge/manager/session"
	"lodge/manager/session/sessiontest"
)

func TestFiles(t *testing.T) {
	w, s := newWorld(t)
	poison(t, w)
	t.Run("running", func(t *testing.T) { testFiles(t, w, s) })
	w.Box.Stop()
	t.Run("stopped", func(t *testing.T) { testFiles(t, w, s) })
}

// poison makes what a hostile container would.
func poison(t *testing.T, w *sessiontest.World) {
	t.Helper()
	root := w.Box.Rootfs
	secret := filepath.Join(w.Box.Root, "host-secret")
	sessiontest.Must(t, os.WriteFile(secret, []byte("of the host"), 0o644))
	for link, target := range map[string]string{
		"absolute": secret, "relative": "../../../../../../../../../.." + secret, "folder": w.Box.Root,
		"loop": "loop", "proc": "/proc/self/root" + secret, "passwd": "/etc/passwd",
	} {
		sessiontest.Must(t, os.Symlink(target, filepath.Join(root, "tmp", link)))
	}
	sessiontest.Must(t, syscall.Mkfifo(filepath.Join(root, "tmp/fifo"), 0o666))
	sessiontest.Must(t, syscall.Mknod(filepath.Join(root, "tmp/device"), syscall.S_IFCHR|0o666, 1<<8|3))
	sessiontest.Must(t, os.Mkdir(filepath.Join(root, "tmp/huge"), 0o755))
	for i := range 10_050 {
		f, err := os.Create(filepath.Join(root, "tmp/huge", fmt.Sprint(i)))
		sessiontest.Must(t, err)
		f.Close()
	}
}

func read(s *session.Service, path string) (inventory.FileInfo, string, error) {
	info, content, err := s.ReadFile(sessiontest.Caller("ann"), request("container.file.read", inventory.FileArgs{Path: path}))
	if err != nil {
		return info, "", err
	}
	defer content.Close()
	raw, err := io.ReadAll(content)
	return info, string(raw), err
}

func write(s *session.Service, args inventory.FileArgs, content io.Reader) error {
	return s.WriteFile(sessiontest.Caller("ann"), request("container.file.write", args), content)
}

func testFiles(t *testing.T, w *sessiontest.World, s *session.Service) {
	t.Run("hostile paths", func(t *testing.T) { testHostile(t, s) })
	t.Run("write and read", func(t *testing.T) { testWrite(t, w, s) })
	t.Run("list and delete", func(t *testing.T) { testList(t, s) })
}

func testHostile(t *testing.T, s *session.Service) {
	for path, want := range map[string]error{
		"/tmp/absolute":                    inventory.ErrNotFound,
		"/tmp/relative":                    inventory.ErrNotFound,
		"/tmp/folder/host-secret":          inventory.ErrNotFound,
		"/../../../../../../etc/no-such":   inventory.ErrNotFound,
		"/tmp/loop":                        inventory.ErrInvalid,
		"/tmp/fifo":                        inventory.ErrInvalid,
		"/tmp/device":                      inventory.ErrInvalid,
		"/tmp/huge":                        inventory.ErrInvalid,
		"etc/passwd":                       inventory.ErrInvalid,
		"/" + strings.Repeat("a", 300):     inventory.ErrInvalid,
		"/" + strings.Repeat("abc/", 2000): inventory.ErrInvalid,
	} {
		if _, text, err := read(s, path); !errors.Is(err, want) {
			t.Errorf("read %.40s: %v (%q)", path, err, text)
		}
	}
	if _, text, err := read(s, "/tmp/proc"); err == nil {
		t.Errorf("read over /proc/self/root: %q", text)
	}
	if _, text, err := read(s, "/tmp/passwd"); err != nil || !strings.Contains(text, "ann:x:1000") {
		t.Errorf("a link within the container: %q, %v", text, err)
	}
	if _, err := s.ListFiles(sessiontest.Caller("ann"), request("container.file.list", inventory.FileArgs{Path: "/tmp/huge"})); !errors.Is(err, inventory.ErrInvalid) {
		t.Errorf("list of a huge folder: %v", err)
	}
	for _, path := range []string{"/tmp/fifo", "/tmp/device"} {
		if err := write(s, inventory.FileArgs{Path: path}, strings.NewReader("x")); !errors.Is(err, inventory.ErrExists) {
			t.Errorf("write %s: %v", path, err)
		}
	}
}

func testWrite(t *testing.T, w *sessiontest.World, s *session.Service) {
	uid, gid := 1000, 2001
	args := inventory.FileArgs{Path: "/srv/app/conf/a b", Mode: "4750", UID: &uid, GID: &gid, Parents: true}
	content := strings.Repeat("0123456789abcdef", 100_000)
	sessiontest.Must(t, write(s, args, strings.NewReader(content)))
	info, text, err := read(s, args.Path)
	if err != nil || text != content || info.Mode != "4750" || info.UID != uid || info.GID != gid || info.Size != int64(len(content)) {
		t.Errorf("read back %d bytes, %+v, %v", len(text), info, err)
	}
	st, err := os.Stat(filepath.Join(w.Box.Rootfs, args.Path))
	sessiontest.Must(t, err)
	if sys := st.Sys().(*syscall.Stat_t); sys.Uid != 1000 {
		t.Errorf("on disk it belongs to %d; ids there are the container's", sys.Uid)
	}
	sessiontest.Must(t, write(s, inventory.FileArgs{Path: args.Path}, strings.NewReader("short")))
	if info, text, _ := read(s, args.Path); text != "short" || info.Mode != "4750" || info.UID != uid {
		t.Errorf("a replaced file lost its owner or mode: %q %+v", text, info)
	}
	broken := io.MultiReader(strings.NewReader("half"), iotest.ErrReader(errors.New("gone")))
	if err := write(s, inventory.FileArgs{Path: args.Path}, broken); !errors.Is(err, inventory.ErrInvalid) {
		t.Errorf("broken content: %v", err)
	}
	if _, text, _ := read(s, args.Path); text != "short" {
		t.Errorf("broken content left %q", text)
	}
	sessiontest.Must(t, write(s, inventory.FileArgs{Path: "/tmp/absolute"}, strings.NewReader("mine")))
	if raw, _ := os.ReadFile(filepath.Join(w.Box.Root, "host-secret")); string(raw) != "of the host" {
		t.Fatalf("a link led out: %q", raw)
	}
	os.Remove(filepath.Join(w.Box.Rootfs, "tmp/absolute"))
	sessiontest.Must(t, os.Symlink(filepath.Join(w.Box.Root, "host-secret"), filepath.Join(w.Box.Rootfs, "tmp/absolute")))
	if err := write(s, inventory.FileArgs{Path: "/tmp/absent/file"}, bytes.NewReader(nil)); !errors.Is(err, inventory.ErrNotFound) {
		t.Errorf("without its folder: %v", err)
	}
	left, _ := filepath.Glob(filepath.Join(w.Box.Rootfs, "srv/app/conf/.lodge-*"))
	if len(left) > 0 {
		t.Errorf("left over: %v", left)
	}
}

func testList(t *testing.T, s *session.Service) {
	mkdir := inventory.FileArgs{Path: "/srv/list/sub", Directory: true, Parents: true}
	sessiontest.Must(t, write(s, mkdir, nil))
	sessiontest.Must(t, write(s, inventory.FileArgs{Path: "/srv/list/file"}, strings.NewReader("12345")))
	files, err := s.ListFiles(sessiontest.Caller("ann"), request("container.file.list", inventory.FileArgs{Path: "/srv/list"}))
	if err != nil || len(files) != 2 || files[0].Name != "file" || files[0].Size != 5 || files[1].Type != "directory" || files[1].Mode != "0755" {
		t.Errorf("%+v, %v", files, err)
	}
	files, err = s.ListFiles(sessiontest.Caller("ann"), request("container.file.list", inventory.FileArgs{Path: "/tmp/loop"}))
	if err != nil && !errors.Is(err, inventory.ErrInvalid) {
		t.Errorf("list of a link: %+v, %v", files, err)
	}
	remove := func(args inventory.FileArgs) error {
		return s.DeleteFile(sessiontest.Caller("ann"), request("container.file.delete", args))
	}
	for _, tc := range []struct {
		args inventory.FileArgs
		want error
	}{
		{inventory.FileArgs{Path: "/srv/list"}, inventory.ErrInvalid},
		{inventory.FileArgs{Path: "/srv/list", Directory: true}, inventory.ErrState},
		{inventory.FileArgs{Path: "/"}, inventory.ErrInvalid},
		{inventory.FileArgs{Path: "/srv/list/file"}, nil},
		{inventory.FileArgs{Path: "/srv/list/file"}, inventory.ErrNotFound},
		{inventory.FileArgs{Path: "/srv/list/sub", Directory: true}, nil},
		{inventory.FileArgs{Path: "/srv/list", Directory: true}, nil},
	} {
		if err := remove(tc.args); !errors.Is(err, tc.want) {
			t.Errorf("delete %s: %v, want %v", tc.args.Path, err, tc.want)
		}
	}
}
