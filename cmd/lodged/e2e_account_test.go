package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"lodge/inventory"
	"lodge/packaging/need"
	"lodge/web/client"
)

// A person has a key, and the real ssh.
type person struct {
	*lab
	name, key, ssh string
}

// person makes a user who may do everything in the default project.
func (l *lab) person(name string) person {
	l.t.Helper()
	p := person{lab: l, name: name, key: filepath.Join(l.t.TempDir(), name), ssh: need.Program(l.t, "ssh")}
	output(l.t, need.Program(l.t, "ssh-keygen"), "-q", "-t", "ed25519", "-N", "", "-f", p.key)
	l.do(l.makingUser(name))
	l.lodgeOK("key", "add", "--user", name, p.key+".pub")
	l.lodgeOK("role", "grant", "owner", name, "--on", "project:default")
	return p
}

// in runs a command in a container by ssh.
func (p person) in(address, command string) (out string, code int) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	host, err := p.api.SSHAuthorities(ctx)
	if err != nil || host.Door == nil {
		p.t.Errorf("there is no door: %v", err)
		return "", -1
	}
	port := host.Door.Address[strings.LastIndex(host.Door.Address, ":")+1:]
	cmd := exec.CommandContext(ctx, p.ssh, "-F", "none", "-p", port, "-l", address, "-i", p.key, "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes",
		"-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR", "127.0.0.1", command)
	text, _ := cmd.CombinedOutput()
	return string(text), cmd.ProcessState.ExitCode()
}

// lines are those of a file of a container that contain a word, as the host sees it.
func (l *lab) lines(id inventory.ContainerID, file, word string) string {
	l.t.Helper()
	text, err := os.ReadFile(filepath.Join(l.volume(id), file))
	l.must(err)
	found := ""
	for line := range strings.Lines(string(text)) {
		if strings.Contains(line, word) {
			found += line
		}
	}
	return found
}

// records counts what the journal has of a verb and a result.
func (l *lab) records(verb, result string) (n int) {
	l.t.Helper()
	page, err := l.api.AuditRecords(context.Background(), client.RecordQuery{Verb: verb})
	l.must(err)
	for _, r := range page.Items {
		if r.Kind == inventory.RecordOutcome && r.Result == result {
			n++
		}
	}
	return n
}

// TestAccounts: who comes in as themselves has an account of their own, which is made once, never somebody
// else's, and locked for as long as nothing lets them in.
func TestAccounts(t *testing.T) {
	l := newLab(t)
	l.launch("lt-web")
	id := l.container("lt-web").ID
	ann, user := l.person("ann"), l.person("user") // the image has a user of its own

	const open, locked = "ann:*:60600:60600:made by Lodge:/home/ann:/bin/ash\n", "ann:!*:60600:60600:made by Lodge:/home/ann:/bin/ash\n"
	var all sync.WaitGroup
	for range 3 {
		all.Go(func() {
			if out, code := ann.in("lt-web", "id -u; id -g; pwd; touch mine"); out != "60600\n60600\n/home/ann\n" || code != 0 {
				t.Errorf("at first: %d %s", code, out)
			}
		})
	}
	all.Wait()
	if got := l.lines(id, "etc/passwd", "ann") + l.lines(id, "etc/group", "ann"); got != open+"ann:x:60600:\n" {
		t.Errorf("made: %s", got)
	}
	l.await("that is in the journal", func() bool { return l.records("account.make", "done") > 0 })

	before := l.lines(id, "etc/passwd", "")
	if out, code := user.in("lt-web", "id"); code == 0 || !strings.Contains(out, "an account user that Lodge did not make") {
		t.Errorf("another's account is taken over: %d %s", code, out)
	}
	if out, _ := user.in("user+lt-web", "id -u; pwd"); out != "1000\n/tmp\n" || l.lines(id, "etc/passwd", "") != before {
		t.Errorf("by name: %s%s", out, l.lines(id, "etc/passwd", ""))
	}

	l.do(l.onAccount(l.api.DisableUser, "ann"))
	l.await("ann's account is locked", func() bool { return l.lines(id, "etc/passwd", "ann") == locked })
	l.await("that is in the journal", func() bool { return l.records("account.lock", "done") == 1 })
	l.do(l.onAccount(l.api.EnableUser, "ann"))
	if out, code := ann.in("lt-web", "id -u; ls"); out != "60600\nmine\n" || code != 0 || l.lines(id, "etc/passwd", "ann") != open {
		t.Errorf("back again: %d %s%s", code, out, l.lines(id, "etc/passwd", "ann"))
	}

	// The container keeps its accounts from being edited; the next agent, from which it does not, locks it.
	lock := filepath.Join(l.volume(id), "etc/.pwd.lock")
	l.must(os.Remove(lock))
	l.must(os.Mkdir(lock, 0o755))
	l.lodgeOK("role", "revoke", "owner", "ann", "--on", "project:default")
	l.await("locking fails", func() bool {
		return l.records("account.lock", "done") == 1 && strings.Contains(l.log(), "account is not locked yet")
	})
	l.kill()
	l.must(os.Remove(lock))
	if got := l.lines(id, "etc/passwd", "ann"); got != open {
		t.Errorf("it is locked already: %s", got)
	}
	l.start()
	l.await("the next agent locks it", func() bool { return l.lines(id, "etc/passwd", "ann") == locked })

	// As a snapshot from before would have it.
	passwd := filepath.Join(l.volume(id), "etc/passwd")
	l.must(os.WriteFile(passwd+".old", []byte(strings.Replace(l.lines(id, "etc/passwd", ""), locked, open, 1)), 0o644))
	l.must(os.Rename(passwd+".old", passwd))
	l.await("it is locked again", func() bool { return l.lines(id, "etc/passwd", "ann") == locked })
	if n := l.records("account.make", "done"); n != 1 {
		t.Errorf("%d accounts are said to be made", n)
	}
	l.checkClean()
}
