package main

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"lodge/inventory"
	"lodge/web/client"
	"lodge/web/wire"
)

// terminal opens a session on a terminal and does not wait for it.
func (l *lab) terminal(name string, command ...string) wire.Session {
	l.t.Helper()
	s, err := l.api.OpenSession(context.Background(), at(name), wire.SessionRequest{Kind: inventory.SessionExec,
		SessionArgs: inventory.SessionArgs{Command: command, TTY: true, Stdin: true}}, client.Options{})
	l.must(err)
	return s
}

// testLogins: systemd-logind, who and last inside know of a session on a terminal while it goes on, and of its
// end; the session has what logind gave it, and its end takes all its processes, which logind has in a scope
// of its own; nothing of it stays.
func testLogins(t *testing.T, a *asker) {
	a.await("logind runs", func() bool {
		return strings.HasPrefix(a.inside("systemctl is-active systemd-logind || true"), "active")
	})
	sessions := func() string { return a.inside("loginctl --no-legend list-sessions") }
	a.exec(a.name, "true")
	if out := sessions(); out != "" {
		t.Errorf("a session without a terminal is listed:\n%s", out)
	}
	a.await("a session's environment", func() bool {
		s := a.terminal(a.name, "sh", "-c", "env; cat /proc/self/cgroup")
		out, _, err := a.attach(context.Background(), s.ID)
		a.must(err)
		id := regexp.MustCompile(`(?m)^XDG_SESSION_ID=(\w+)\r$`).FindStringSubmatch(out)
		return id != nil && strings.Contains(out, "XDG_RUNTIME_DIR=/run/user/0\r") &&
			strings.Contains(out, "/session-"+id[1]+".scope/lodge-"+string(s.ID)+"\r")
	})
	for round := range 3 {
		a.await("the sessions before are gone", func() bool { return sessions() == "" })
		s := a.terminal(a.name, "sh", "-c", fmt.Sprintf("setsid sleep 48%d & sleep 48%d", round, round))
		a.await("the session is listed", func() bool { return strings.Contains(sessions(), "pts/") })
		line, id := regexp.MustCompile(`pts/\d+`).FindString(sessions()), strings.Fields(sessions())[0]
		status := "loginctl --no-pager session-status " + id
		a.await("its command is part of it", func() bool {
			return strings.Contains(a.inside(status), fmt.Sprintf("sleep 48%d", round))
		})
		a.says("loginctl", a.inside(status), "lodge; type tty; class user", "TTY: "+line)
		a.says("who", a.inside("who"), "root "+line)
		if out, code := a.exec(a.name, "sh", "-c", "ls /proc/$(loginctl show-session "+id+" -p Leader --value)/fd/"); code == 0 {
			t.Errorf("root inside sees descriptors of the keeper:\n%s", out)
		}
		_, err := a.api.EndSession(context.Background(), s.ID)
		a.must(err)
		if out := a.inside("ls -l /proc/[0-9]*/exe 2>/dev/null | grep /sleep || true"); out != "" {
			t.Errorf("processes are left over:\n%s", out)
		}
		a.await("who tells of the end", func() bool { return !strings.Contains(a.inside("who"), line) })
		a.await("last tells of the end", func() bool {
			out := a.inside("last -w")
			return regexp.MustCompile(`(?m)^root +`+line+` .* - .*\(`).MatchString(out) && !strings.Contains(out, "still logged in")
		})
	}
	a.await("the last session is gone", func() bool { return sessions() == "" })
}
