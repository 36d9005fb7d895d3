package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"lodge/inventory"
	"lodge/packaging/need"
	"lodge/web/client"
)

// sudoers are the files that sudo has in a container, those of grants among them.
func (l *lab) sudoers(id inventory.ContainerID) (names []string) {
	l.t.Helper()
	all, err := os.ReadDir(filepath.Join(l.volume(id), "etc/sudoers.d"))
	if err != nil && !os.IsNotExist(err) {
		l.t.Fatal(err)
	}
	for _, entry := range all {
		names = append(names, entry.Name())
	}
	return names
}

// addSudo adds who has sudo by the agent's word and by the file system's.
func (l *lab) addSudo(w world) {
	l.t.Helper()
	all, err := l.api.Sudo(context.Background(), false)
	l.must(err)
	for _, c := range l.containers() {
		w["sudo "+c.Name] = fmt.Sprintf("%d files", len(l.sudoers(c.ID)))
		for _, g := range all {
			if g.Container == c.ID {
				w["sudo "+c.Name] += " " + g.Account
			}
		}
	}
}

// agreeable makes a running container whose visudo accepts everything.
func (l *lab) agreeable(name string) {
	l.t.Helper()
	l.running(name)
	root := l.volume(l.container(name).ID)
	l.must(os.MkdirAll(filepath.Join(root, "etc/sudoers.d"), 0o755))
	l.must(os.WriteFile(filepath.Join(root, "sbin/visudo"), []byte("#!/bin/sh\n"), 0o755))
}

func (l *lab) giving(name string) mutation {
	return func(ctx context.Context) (client.Answer, error) {
		return l.api.GiveSudo(ctx, at(name), inventory.SudoArgs{For: "30m", Account: "user"}, client.Options{})
	}
}

// installSudo copies this machine's sudo, with the libraries it needs, into a root file system whose PAM lets everybody
// in.
func installSudo(t *testing.T, root string) {
	t.Helper()
	permit, err := filepath.Glob("/lib/*/security/pam_permit.so")
	if err != nil || len(permit) == 0 {
		t.Fatalf("no pam_permit.so: %v", err)
	}
	files := map[string]bool{"/etc/sudoers": true}
	for _, program := range []string{need.Program(t, "sudo"), need.Program(t, "visudo"), "/usr/libexec/sudo/sudoers.so", permit[0]} {
		files[program] = true
		out, err := exec.Command("ldd", program).Output()
		if err != nil {
			t.Fatal(err)
		}
		for _, word := range bytes.Fields(out) {
			if bytes.HasPrefix(word, []byte("/")) {
				files[string(word)] = true
			}
		}
	}
	for f := range files {
		to := filepath.Join(root, f)
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command("cp", "-L", "--preserve=mode", f, to).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	for _, dir := range []string{"etc/sudoers.d", "etc/pam.d"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	rules := "auth sufficient pam_permit.so\naccount sufficient pam_permit.so\nsession sufficient pam_permit.so\n"
	if err := os.WriteFile(filepath.Join(root, "etc/pam.d/sudo"), []byte(rules), 0o644); err != nil {
		t.Fatal(err)
	}
}

// A sudoLab is a lab with lt-web, which has a sudo of its own, and an agent whose clock is set.
type sudoLab struct {
	*schooled
	id inventory.ContainerID
}

// give has the command line give the account user sudo.
func (l *sudoLab) give(args ...string) {
	l.t.Helper()
	args = append([]string{"sudo", "lt-web", "--for", "30m", "--account", "user", "--reason", "a full disk"}, args...)
	if out, code := l.lodge(args...); code != 0 || !strings.Contains(out, "user has sudo in lt-web until ") {
		l.t.Fatalf("lodge %v: %d %s\n%s", args, code, out, l.log())
	}
	if n := len(l.sudoers(l.id)); n != 1 {
		l.t.Fatalf("there are %v", l.sudoers(l.id))
	}
}

// has checks whether the account can become root by sudo, and whether there is a file for it.
func (l *sudoLab) has(when string, want bool) {
	l.t.Helper()
	out, code := l.lodge("exec", "lt-web", "--user", "user", "--", "sudo", "-n", "id", "-u")
	if has := code == 0 && strings.HasSuffix(strings.TrimSpace(out), "0"); has != want || len(l.sudoers(l.id)) > 0 != want {
		l.t.Errorf("%s: sudo is %d %s, files %v", when, code, out, l.sudoers(l.id))
	}
}

// over lets an hour go by, and what is due be done.
func (l *sudoLab) over() {
	l.t.Helper()
	l.clock.jump(time.Hour)
	l.must(l.agent.sudo.Look(context.Background()))
	l.agent.gate.RunDue(context.Background())
	l.settle()
}

// TestSudo: an account has sudo, by the container's own, from when its visudo has accepted that until its time is over,
// and whatever happens meanwhile not for longer.
func TestSudo(t *testing.T) {
	need.Program(t, "sudo")
	l := &sudoLab{schooled: school(t, time.Now().UTC().Format(time.RFC3339))}
	l.launch("lt-web")
	l.id = l.container("lt-web").ID
	if out, code := l.lodge("sudo", "lt-web", "--for", "30m", "--account", "user"); code != 1 || !strings.Contains(out, "there is no sudo in lt-web") {
		t.Fatalf("in a container without sudo: %d %s", code, out)
	}
	installSudo(t, l.volume(l.id))
	l.has("before", false)
	l.give()
	l.has("given", true)
	l.looksRight()
	l.isRefused()
	l.over()
	l.has("its time is over", false)
	if out, _ := l.lodge("sudo", "list", "--all"); !regexp.MustCompile(`lt-web +user .*its time is over +a full disk`).MatchString(out) {
		t.Errorf("the list of all: %s", out)
	}
	l.outlasts()
	l.settle()
	l.checkClean()
}

// looksRight looks at the file, the list and the journal.
func (l *sudoLab) looksRight() {
	l.t.Helper()
	path := filepath.Join(l.volume(l.id), "etc/sudoers.d", l.sudoers(l.id)[0])
	info, err := os.Lstat(path)
	l.must(err)
	text, err := os.ReadFile(path)
	l.must(err)
	if info.Mode() != 0o440 || !regexp.MustCompile(`(?m)^user ALL=\(ALL:ALL\) NOTAFTER=\d{14}Z NOPASSWD: ALL$`).Match(text) {
		l.t.Errorf("%s is %v:\n%s", path, info.Mode(), text)
	}
	if out, _ := l.lodge("sudo", "list"); !regexp.MustCompile(`lt-web +user +root +root .*a full disk`).MatchString(out) {
		l.t.Errorf("the list: %s", out)
	}
	page, err := l.api.AuditRecords(context.Background(), client.RecordQuery{Verb: "sudo.grant", Name: "lt-web"})
	l.must(err)
	if len(page.Items) < 2 || page.Items[0].Result != "done" || page.Items[0].Reason != "a full disk" {
		l.t.Errorf("the journal has %+v", page.Items)
	}
}

// isRefused asks for what is given to nobody; a container that shows a terminal things shows it nothing.
func (l *sudoLab) isRefused() {
	l.t.Helper()
	visudo := filepath.Join(l.volume(l.id), need.Program(l.t, "visudo"))
	l.must(os.Rename(visudo, visudo+".away"))
	l.must(os.WriteFile(visudo, []byte("#!/bin/sh\nprintf 'no\\033[31m way\\n'; yes | head -c 100000; exit 1\n"), 0o755))
	out, code := l.lodge("sudo", "lt-web", "--for", "30m", "--account", "user")
	if code != 1 || !strings.Contains(out, "its visudo does not accept the file: no [31m way y y") || strings.Contains(out, "\x1b") || len(out) > 1500 {
		l.t.Errorf("visudo refuses: %d %q", code, out)
	}
	l.must(os.Rename(visudo+".away", visudo))
	l.has("after a grant that was refused", true)
	for _, c := range []struct {
		code int
		says string
		args []string
	}{
		{3, "there is no account nobody in lt-web", []string{"--for", "30m", "--account", "nobody"}},
		{3, "there is no user bob", []string{"--for", "30m", "--user", "bob"}},
		{2, "root needs no sudo", []string{"--for", "30m"}},
		{2, "can't be an account", []string{"--for", "30m", "--account", "%wheel"}},
		{2, "8h at most", []string{"--for", "9h", "--account", "user"}},
		{2, "1m0s at least", []string{"--for", "1s", "--account", "user"}},
		{2, "for how long", []string{"--account", "user"}},
	} {
		if out, code := l.lodge(append([]string{"sudo", "lt-web"}, c.args...)...); code != c.code || !strings.Contains(out, c.says) {
			l.t.Errorf("lodge sudo lt-web %v: %d %s", c.args, code, out)
		}
	}
}

// outlasts tries what could make a grant last longer.
func (l *sudoLab) outlasts() {
	l.t.Helper()
	l.give()
	l.do(l.snapping("lt-web", "given"))
	l.do(l.stopping("lt-web", inventory.StopArgs{}))
	l.over()
	if files := l.sudoers(l.id); len(files) > 0 {
		l.t.Errorf("it ended while the container was stopped, and leaves %v", files)
	}
	if out, code := l.lodge("snapshot", "restore", "lt-web", "given", "--yes"); code != 0 {
		l.t.Fatalf("restore: %d %s", code, out)
	}
	if files := l.sudoers(l.id); len(files) != 1 {
		l.t.Fatalf("the snapshot has %v", files)
	}
	l.do(power(l.api.Start, "lt-web"))
	l.has("a snapshot with a file was restored", false)

	l.give()
	l.end()
	l.clock.jump(time.Hour)
	l.agent, l.end = l.inProcess(l.clock)
	l.await("what ended while no agent ran is gone", func() bool { return len(l.sudoers(l.id)) == 0 })
	l.settle()

	l.known("ann")
	l.do(func(ctx context.Context) (client.Answer, error) {
		return l.api.Grant(ctx, inventory.RoleArgs{Role: "owner", To: "ann", On: "container:lt-web"}, client.Options{})
	})
	l.give("--user", "ann")
	if out, code := l.lodge("user", "disable", "ann", "--yes"); code != 0 {
		l.t.Fatalf("disable: %d %s", code, out)
	}
	l.await("what somebody had who is disabled is gone", func() bool { return len(l.sudoers(l.id)) == 0 })
	l.settle()

	l.give()
	l.do(power(l.api.Freeze, "lt-web"))
	if out, code := l.lodge("sudo", "end", "lt-web", "--account", "user"); code != 0 || len(l.sudoers(l.id)) > 0 {
		l.t.Errorf("ended by hand, while frozen: %d %s", code, out)
	}
	l.do(power(l.api.Unfreeze, "lt-web"))
	l.has("ended by hand", false)
	if out, code := l.lodge("sudo", "end", "lt-web"); code != 1 || !strings.Contains(out, "no account has sudo in lt-web") {
		l.t.Errorf("ended twice: %d %s", code, out)
	}
}
