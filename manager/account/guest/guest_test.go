package guest_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"lodge/inventory"
	"lodge/manager/account/guest"
	"lodge/packaging/need"
)

// A root is a root file system in a folder; ids are the container's own, as they are on its disk.
type root struct {
	*testing.T
	dir string
}

func newRoot(t *testing.T, files map[string]string) root {
	t.Helper()
	r := root{t, t.TempDir()}
	for name, text := range files {
		r.put(name, text)
	}
	return r
}

func (r root) put(name, text string) {
	r.Helper()
	path := filepath.Join(r.dir, name)
	r.must(os.MkdirAll(filepath.Dir(path), 0o755))
	r.must(os.WriteFile(path, []byte(text), 0o644))
}

func (r root) must(err error) {
	r.Helper()
	if err != nil {
		r.Fatal(err)
	}
}

func (r root) read(name string) string {
	r.Helper()
	text, err := os.ReadFile(filepath.Join(r.dir, name))
	if err != nil && !os.IsNotExist(err) {
		r.Fatal(err)
	}
	return string(text)
}

func (r root) do(op guest.Op, a guest.Account) (guest.State, error) {
	r.Helper()
	fd, err := unix.Open(r.dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	r.must(err)
	defer unix.Close(fd)
	return guest.Do(fd, op, a)
}

// all is what the files of accounts say, and who there is at home.
func (r root) all() string {
	r.Helper()
	text := ""
	for _, name := range []string{"etc/passwd", "etc/group", "etc/shadow", "etc/gshadow"} {
		text += "== " + name + "\n" + r.read(name)
	}
	names, _ := filepath.Glob(filepath.Join(r.dir, "home/*"))
	hidden, _ := filepath.Glob(filepath.Join(r.dir, "*/.lodge-*"))
	for _, name := range append(names, hidden...) {
		text += "~ " + strings.TrimPrefix(name, r.dir) + "\n"
	}
	return text
}

var (
	ann   = guest.Account{Name: "ann", UID: 60600}
	known = guest.Account{Name: "ann", UID: 60600, Known: true}
)

const (
	plainPasswd = "root:x:0:0:root:/root:/bin/sh\n"
	plainGroup  = "root:x:0:\n"
	plainShadow = "root:*:19000:0:99999:7:::\n"
)

// debian is as Debian's files are; odd lines of others are among them.
func debian() map[string]string {
	return map[string]string{
		"etc/passwd":    plainPasswd + "# a comment: of four:60600:60600\n\n:::broken\nno colon\n+@netgroup::::::\n" + "last:x:70:70::/:/bin/sh",
		"etc/group":     plainGroup + "odd::::\nstaff:x:50:root",
		"etc/shadow":    plainShadow + "last:$y$j9T$a$b:19000",
		"etc/gshadow":   "root:*::\n",
		"etc/skel/.rc":  "alias ll=ls\n",
		"bin/bash":      "",
		"home/.keep":    "",
		"etc/skel/d/in": "not copied",
	}
}

func TestMakeLockUnlock(t *testing.T) {
	need.Root(t)
	r := newRoot(t, debian())
	r.must(os.Chmod(filepath.Join(r.dir, "bin/bash"), 0o755))
	r.must(os.Chmod(filepath.Join(r.dir, "etc/shadow"), 0o640))
	r.must(os.Chown(filepath.Join(r.dir, "etc/shadow"), 0, 42))
	before := r.all()
	if state, err := r.do(guest.OpLook, ann); state != guest.StateMissing || err != nil || r.all() != before {
		t.Errorf("looking: %s %v\n%s", state, err, r.all())
	}
	_, err := r.do(guest.OpMake, known)
	r.must(err)
	want := map[string]string{
		"etc/passwd":    debian()["etc/passwd"] + "\nann:x:60600:60600:made by Lodge:/home/ann:/bin/bash\n",
		"etc/group":     debian()["etc/group"] + "\nann:x:60600:\n",
		"etc/shadow":    debian()["etc/shadow"] + "\nann:*::0:99999:7:::\n",
		"etc/gshadow":   debian()["etc/gshadow"] + "ann:!::\n",
		"home/ann/.rc":  "alias ll=ls\n",
		"home/ann/d/in": "",
	}
	check := func(when string) {
		t.Helper()
		for name, text := range want {
			if got := r.read(name); got != text {
				t.Errorf("%s, %s is %q, want %q", when, name, got, text)
			}
		}
		var st unix.Stat_t
		r.must(unix.Stat(filepath.Join(r.dir, "etc/shadow"), &st))
		if st.Mode&0o7777 != 0o640 || st.Gid != 42 {
			t.Errorf("%s, shadow is %o of group %d", when, st.Mode, st.Gid)
		}
		r.must(unix.Stat(filepath.Join(r.dir, "home/ann"), &st))
		if st.Mode&0o7777 != 0o700 || st.Uid != 60600 || st.Gid != 60600 {
			t.Errorf("%s, the home is %o of %d:%d", when, st.Mode, st.Uid, st.Gid)
		}
	}
	check("made")
	made := r.all()
	for _, op := range []guest.Op{guest.OpMake, guest.OpLook} {
		if state, err := r.do(op, known); state != guest.StateOpen || err != nil || r.all() != made {
			t.Errorf("%s again: %s %v\n%s", op, state, err, r.all())
		}
	}
	for _, password := range []string{"*", "$y$j9T$hash", "!$y$of the guest's own lock"} {
		open := strings.Replace(want["etc/shadow"], "ann:*:", "ann:"+password+":", 1)
		r.put("etc/shadow", open)
		r.must(os.Chmod(filepath.Join(r.dir, "etc/shadow"), 0o640))
		for range 2 {
			_, err := r.do(guest.OpLock, known)
			r.must(err)
		}
		if got, want := r.read("etc/shadow"), strings.Replace(open, "ann:"+password+"::0:99999:7:::", "ann:!"+password+"::0:99999:7::1:", 1); got != want {
			t.Errorf("locked: %q, want %q", got, want)
		}
		if state, err := r.do(guest.OpLook, known); state != guest.StateLocked || err != nil {
			t.Errorf("locked: %s %v", state, err)
		}
		_, err := r.do(guest.OpMake, known)
		r.must(err)
		if got := r.read("etc/shadow"); got != open {
			t.Errorf("unlocked: %q, want %q", got, open)
		}
	}
	r.put("etc/shadow", want["etc/shadow"])
	r.must(os.Chmod(filepath.Join(r.dir, "etc/shadow"), 0o640))
	check("unlocked")
}

// TestWithoutShadow: small systems keep passwords nowhere; the lock is in passwd then.
func TestWithoutShadow(t *testing.T) {
	need.Root(t)
	r := newRoot(t, map[string]string{"etc/passwd": plainPasswd})
	_, err := r.do(guest.OpMake, known)
	r.must(err)
	open := "== etc/passwd\n" + plainPasswd + "ann:*:60600:60600:made by Lodge:/home/ann:/bin/sh\n== etc/group\nann:x:60600:\n== etc/shadow\n== etc/gshadow\n~ /home/ann\n"
	if got := r.all(); got != open {
		t.Errorf("made: %s", got)
	}
	_, err = r.do(guest.OpLock, known)
	r.must(err)
	if got := r.all(); got != strings.Replace(open, "ann:*", "ann:!*", 1) {
		t.Errorf("locked: %s", got)
	}
	_, err = r.do(guest.OpMake, known)
	r.must(err)
	if got := r.all(); got != open {
		t.Errorf("unlocked: %s", got)
	}
}

// TestNeverTakenOver: what Lodge did not make stays as it is, whoever says what of it.
func TestNeverTakenOver(t *testing.T) {
	need.Root(t)
	for _, c := range []struct {
		what  string
		as    guest.Account
		files map[string]string
		kind  error
		says  string
	}{
		{"the name", ann, map[string]string{"etc/passwd": plainPasswd + "ann:x:1000:1000::/home/ann:/bin/sh\n"}, inventory.ErrExists, "did not make"},
		{"the name, behind blanks", ann, map[string]string{"etc/passwd": plainPasswd + " \tann:x:1000:1000::/home/ann:/bin/sh"}, inventory.ErrExists, "did not make"},
		{"name and uid", ann, map[string]string{"etc/passwd": plainPasswd + "ann:x:60600:60600::/home/ann:/bin/sh\n"}, inventory.ErrExists, "did not make"},
		{"a name without more", ann, map[string]string{"etc/passwd": plainPasswd + "ann:\n"}, inventory.ErrExists, "did not make"},
		{"ours with another uid", known, map[string]string{"etc/passwd": plainPasswd + "ann:x:0:0::/home/ann:/bin/sh\n"}, inventory.ErrExists, "did not make"},
		{"ours twice", known, map[string]string{"etc/passwd": "ann:x:60600:60600::/:/bin/sh\nann:x:0:0::/:/bin/sh\n"}, inventory.ErrExists, "did not make"},
		{"the uid", ann, map[string]string{"etc/passwd": plainPasswd + "bob:x:60600:100::/:/bin/sh\n"}, inventory.ErrState, `uid 60600 to "bob"`},
		{"the uid, as strtoul reads it", known, map[string]string{"etc/passwd": plainPasswd + "bob:x: +060600:100::/:/bin/sh\n"}, inventory.ErrState, `uid 60600 to "bob"`},
		{"the gid", known, map[string]string{"etc/passwd": plainPasswd, "etc/group": "wheel:x:60600:bob\n"}, inventory.ErrState, `gid 60600 to group "wheel"`},
		{"the group", ann, map[string]string{"etc/passwd": plainPasswd, "etc/group": "ann:x:60600:\n"}, inventory.ErrState, "group"},
		{"the group's name", known, map[string]string{"etc/passwd": plainPasswd, "etc/group": "ann:x:27:\n"}, inventory.ErrState, "group ann"},
		{"a password", ann, map[string]string{"etc/passwd": plainPasswd, "etc/shadow": "ann:$y$:::::::\n"}, inventory.ErrState, "password"},
		{"a home", known, map[string]string{"etc/passwd": plainPasswd, "home/ann/file": "bob's"}, inventory.ErrState, "/home/ann of somebody else"},
		{"a file for a home", ann, map[string]string{"etc/passwd": plainPasswd, "home/ann": ""}, inventory.ErrState, "/home/ann of somebody else"},
		{"no passwd", ann, map[string]string{"etc/group": plainGroup}, inventory.ErrState, "no /etc/passwd"},
		{"a name that is an option", guest.Account{Name: "-ann", UID: 60600}, nil, inventory.ErrInvalid, "can't be an account"},
		{"a name of two fields", guest.Account{Name: "ann:x", UID: 60600}, nil, inventory.ErrInvalid, "can't be an account"},
		{"root's uid", guest.Account{Name: "ann", UID: 0}, nil, inventory.ErrInvalid, "none of Lodge's"},
	} {
		r := newRoot(t, c.files)
		before := r.all()
		for _, op := range []guest.Op{guest.OpLook, guest.OpMake} {
			if state, err := r.do(op, c.as); !errors.Is(err, c.kind) || !strings.Contains(fmt.Sprint(err), c.says) || state == guest.StateOpen {
				t.Errorf("%s: %s is %s, %v", c.what, op, state, err)
			}
		}
		r.do(guest.OpLock, c.as)
		if after := r.all(); after != before {
			t.Errorf("%s: changed to\n%s", c.what, after)
		}
	}
}

// TestHostileFiles: nothing is followed, nothing waited for, and nothing is read without end.
func TestHostileFiles(t *testing.T) {
	need.Root(t)
	outside := newRoot(t, map[string]string{"passwd": plainPasswd, "etc/passwd": plainPasswd})
	for what, break_ := range map[string]func(r root, path func(string) string){
		"a linked passwd":   func(r root, p func(string) string) { os.Symlink(outside.dir+"/passwd", p("etc/passwd")) },
		"a linked etc":      func(r root, p func(string) string) { os.Remove(p("etc")); os.Symlink(outside.dir+"/etc", p("etc")) },
		"a linked lock":     func(r root, p func(string) string) { r.plain(); os.Symlink(outside.dir+"/new", p("etc/.pwd.lock")) },
		"a fifo":            func(r root, p func(string) string) { unix.Mkfifo(p("etc/passwd"), 0o644) },
		"a fifo for a lock": func(r root, p func(string) string) { r.plain(); unix.Mkfifo(p("etc/.pwd.lock"), 0o644) },
		"a folder":          func(r root, p func(string) string) { os.Mkdir(p("etc/passwd"), 0o755) },
		"a device":          func(r root, p func(string) string) { unix.Mknod(p("etc/passwd"), unix.S_IFCHR|0o644, 1<<8|5) },
		"a file without end": func(r root, p func(string) string) {
			r.plain()
			r.must(os.Truncate(p("etc/passwd"), 1<<40))
		},
		"a linked home": func(r root, p func(string) string) { r.plain(); os.Symlink(outside.dir, p("home")) },
		"a home that is a link": func(r root, p func(string) string) {
			r.plain()
			os.Mkdir(p("home"), 0o755)
			os.Symlink(outside.dir, p("home/ann"))
		},
	} {
		r := newRoot(t, map[string]string{"etc/hostname": "x"})
		os.Remove(filepath.Join(r.dir, "etc/hostname"))
		break_(r, func(name string) string { return filepath.Join(r.dir, name) })
		if state, err := r.do(guest.OpMake, known); err == nil || state == guest.StateOpen {
			t.Errorf("%s: %s %v", what, state, err)
		}
		if text := r.read("etc/group"); !strings.HasSuffix(what, "etc") && text != "" {
			t.Errorf("%s: a group was made: %s", what, text)
		}
	}
	if got := outside.read("passwd") + outside.read("etc/passwd") + outside.read("new"); got != plainPasswd+plainPasswd {
		t.Errorf("outside: %q", got)
	}
}

func (r root) plain() { r.put("etc/passwd", plainPasswd) }

// TestPartsAreFinished: what a crash left of an account that Lodge began is completed, and a home that
// somebody removed or moved is theirs to have done.
func TestPartsAreFinished(t *testing.T) {
	need.Root(t)
	whole := newRoot(t, map[string]string{"etc/passwd": plainPasswd, "etc/group": plainGroup, "etc/shadow": plainShadow})
	_, err := whole.do(guest.OpMake, known)
	whole.must(err)
	for what, undo := range map[string]func(r root){
		"no line of passwd": func(r root) { r.put("etc/passwd", plainPasswd) },
		"a group alone":     func(r root) { r.put("etc/passwd", plainPasswd); r.put("etc/shadow", plainShadow) },
		"no home":           func(r root) { r.must(os.RemoveAll(filepath.Join(r.dir, "home/ann"))) },
	} {
		r := newRoot(t, map[string]string{"etc/passwd": whole.read("etc/passwd"), "etc/group": whole.read("etc/group"), "etc/shadow": whole.read("etc/shadow")})
		r.must(os.MkdirAll(filepath.Join(r.dir, "home/ann"), 0o700))
		r.must(os.Chown(filepath.Join(r.dir, "home/ann"), known.UID, known.UID))
		undo(r)
		if state, err := r.do(guest.OpMake, known); state != guest.StateMissing || err != nil || r.all() != whole.all() {
			t.Errorf("%s: %s %v\n%s", what, state, err, r.all())
		}
	}
	moved := strings.Replace(whole.read("etc/passwd"), "/home/ann", "/srv/ann", 1)
	whole.put("etc/passwd", moved)
	whole.must(os.RemoveAll(filepath.Join(whole.dir, "home/ann")))
	if state, err := whole.do(guest.OpMake, known); state != guest.StateOpen || err != nil || whole.read("etc/passwd") != moved {
		t.Errorf("a home that was moved: %s %v\n%s", state, err, whole.all())
	}
}

// TestLockOfShadow: the lock that useradd takes is waited for.
func TestLockOfShadow(t *testing.T) {
	need.Root(t)
	r := newRoot(t, map[string]string{"etc/passwd": plainPasswd})
	fd, err := unix.Open(filepath.Join(r.dir, "etc/.pwd.lock"), unix.O_WRONLY|unix.O_CREAT|unix.O_CLOEXEC, 0o600)
	r.must(err)
	// Of this descriptor, or it would be this process's own and keep nobody out.
	r.must(unix.FcntlFlock(uintptr(fd), unix.F_OFD_SETLK, &unix.Flock_t{Type: unix.F_WRLCK}))
	done := make(chan error)
	go func() {
		_, err := r.do(guest.OpMake, known)
		done <- err
	}()
	r.put("etc/group", "useradd:x:1000:\n") // it reads only once it has the lock
	unix.Close(fd)
	r.must(<-done)
	if got := r.read("etc/group"); got != "useradd:x:1000:\nann:x:60600:\n" {
		t.Errorf("%q", got)
	}
}
