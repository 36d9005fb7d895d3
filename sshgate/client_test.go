package sshgate_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"lodge/inventory"
	"lodge/manager/session/sessiontest"
)

func TestCommands(t *testing.T) {
	l := newLab(t)
	for what, c := range map[string]struct {
		user, stdin, command string
		want                 result
	}{
		"output":             {"web1", "", "echo hi", result{out: "hi\n"}},
		"as the caller":      {"web1", "", "id -un", result{out: "ann\n"}},
		"as another":         {"root+web1", "", "id -un; id -G", result{out: "root\n0 2000\n"}},
		"the project's name": {"web1.default", "", "true", result{}},
		"exit status":        {"web1", "", "exit 7", result{code: 7}},
		"no such command":    {"web1", "", "no-such-command 2>/dev/null", result{code: 127}},
		"input":              {"web1", "a\nb\n", "cat", result{out: "a\nb\n"}},
		"both outputs":       {"web1", "", "echo out; echo err >&2", result{out: "out\n", err: "err\n"}},
		"quoting":            {"web1", "", `printf '%s|' 'a b' "it's" "$HOME"`, result{out: "a b|it's|/home/ann|"}},
		"killed":             {"web1", "", "kill -9 $$", result{code: 255}},
		"output closed":      {"web1", "", "echo hi; exec >&- 2>&-; sleep 1; exit 5", result{out: "hi\n", code: 5}},
		"a child holds it":   {"web1", "", "(sleep 2; echo late) & echo started", result{out: "started\nlate\n"}},
		"environment":        {"web1", "", "echo ${FOO:-none} $LC_ALL", result{out: "none C.UTF-8\n"}},
	} {
		t.Run(what, func(t *testing.T) {
			options := []string{"-o", "SendEnv=FOO LC_ALL"}
			got := l.run(c.stdin, append(l.client("ssh", append(options, c.user+"@127.0.0.1")...), c.command)...)
			if got.out != c.want.out || got.code != c.want.code || c.want.err != "" && got.err != c.want.err {
				t.Errorf("%+v, want %+v", got, c.want)
			}
		})
	}
}

func TestWhoIsRefused(t *testing.T) {
	l := newLab(t)
	l.newKey("stranger")
	stranger := []string{"-i", filepath.Join(l.dir, "stranger")}
	for what, c := range map[string]struct {
		user    string
		options []string
	}{
		"a key nobody has":         {"web1", stranger},
		"a container that isn't":   {"web2", nil},
		"a project that isn't":     {"web1.shop", nil},
		"a name that can't be one": {"Root+web1", nil},
	} {
		t.Run(what, func(t *testing.T) {
			args := l.client("ssh", "-l", c.user, "127.0.0.1", "true")
			if c.options != nil {
				args = strings.Split(strings.ReplaceAll(strings.Join(args, "\n"), filepath.Join(l.dir, "ann"), c.options[1]), "\n")
			}
			if got := l.run("", args...); got.code != 255 || !strings.Contains(got.err, "Permission denied (publickey)") {
				t.Errorf("%+v", got)
			}
		})
	}
	l.user.Disabled = time.Now()
	if got := l.ssh("", "web1", "true"); got.code != 255 {
		t.Errorf("a disabled user comes in: %+v", got)
	}
}

func TestTerminal(t *testing.T) {
	l := newLab(t)
	got := l.run("", l.client("ssh", "-tt", "web1@127.0.0.1", "tty; echo $TERM")...)
	lines := strings.Split(strings.ReplaceAll(got.out, "\r", ""), "\n")
	if got.code != 0 || len(lines) < 2 || !strings.HasPrefix(lines[0], "/dev/pts/") || lines[1] != "vt220" {
		t.Errorf("%+v", got)
	}
}

func TestRecords(t *testing.T) {
	l := newLab(t)
	l.ssh("", "web1", "echo the secret word; exit 3")
	found := map[string]inventory.Record{}
	for range 500 {
		for _, r := range l.world.Records() {
			found[r.Verb+" "+string(r.Kind)] = r
		}
		if _, ok := found["container.exec outcome"]; ok {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	in, end := found["ssh.sign-in fact"], found["container.exec outcome"]
	if in.Principal.Name != "ann" || in.Principal.From != "127.0.0.1" || !strings.HasPrefix(in.Principal.Proof, "ssh key SHA256:") {
		t.Errorf("signed in as %+v", in.Principal)
	}
	if end.Result != "exited 3" || end.Principal.User != l.user.ID {
		t.Errorf("outcome %+v", end)
	}
}

func TestSessionsSurviveTheAgent(t *testing.T) {
	l := newLab(t)
	done := make(chan result, 1)
	go func() { done <- l.ssh("", "web1", "echo begun > /tmp/begun; sleep 3; echo ended") }()
	for range 500 {
		if _, err := os.Stat(filepath.Join(l.world.Box.Rootfs, "tmp/begun")); err == nil {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	l.gateway.Abandon() // what the death of the agent leaves of it
	l.gateway = l.open()
	sessiontest.Must(t, l.gateway.Adopt(t.Context()))
	if got := <-done; got.out != "ended\n" || got.code != 0 {
		t.Errorf("%+v", got)
	}
}

func TestManyChannels(t *testing.T) {
	l := newLab(t)
	socket := filepath.Join(l.dir, "mux")
	master := []string{"-o", "ControlMaster=auto", "-o", "ControlPath=" + socket, "-o", "ControlPersist=20"}
	if got := l.run("", l.client("ssh", append(master, "web1@127.0.0.1", "echo first")...)...); got.out != "first\n" {
		t.Fatalf("%+v", got)
	}
	ends := make(chan result, 11)
	// Refused by the master, a client would make a connection of its own.
	alone := slices.Concat(master, []string{"-o", "ControlMaster=no", "-o", "ProxyCommand=false"})
	for n := range 11 {
		argv := l.client("ssh", slices.Concat(alone, []string{"web1@127.0.0.1", "sleep 8; echo done"})...)
		go func() {
			time.Sleep(time.Duration(n) * 50 * time.Millisecond)
			ends <- l.run("", argv...)
		}()
	}
	refused := 0
	for range 11 {
		if got := <-ends; got.code != 0 {
			refused++
		}
	}
	// The first session's channel may still be closing when the eleven come.
	if refused < 1 || refused > 2 {
		t.Errorf("%d of 11 sessions on one connection were refused", refused)
	}
	if got := l.run("", l.client("ssh", append(master, "web1@127.0.0.1", "echo last")...)...); got.out != "last\n" {
		t.Errorf("the connection did not survive: %+v", got)
	}
	l.run("", l.client("ssh", append(master, "-O", "exit", "web1@127.0.0.1")...)...)
}

// TestEndedConnection: whoever loses their right is out at once, whatever their connection does.
func TestEndedConnection(t *testing.T) {
	l := newLab(t)
	done := make(chan result, 1)
	go func() { done <- l.ssh("", "web1", "touch /tmp/begun; sleep 600") }()
	for range 1000 {
		if _, err := os.Stat(filepath.Join(l.world.Box.Rootfs, "tmp/begun")); err == nil {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	began := time.Now()
	if n := l.gateway.EndAll(func(s inventory.Session) bool { return s.Principal.User == l.user.ID }); n != 1 {
		t.Errorf("%d connections are ended", n)
	}
	if got := <-done; got.code != 255 {
		t.Errorf("%+v after %v", got, time.Since(began))
	}
}
