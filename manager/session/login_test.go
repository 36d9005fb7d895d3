package session_test

import (
	"testing"

	"lodge/inventory"
	"lodge/manager/session"
)

func TestLoginOf(t *testing.T) {
	const name = session.SettingLogin
	terminal := inventory.Session{Kind: inventory.SessionShell, TTY: true,
		Principal: inventory.Principal{Name: "ann", From: "::ffff:192.0.2.7"}}
	pipes := inventory.Session{Kind: inventory.SessionExec, Principal: inventory.Principal{Name: "ann", From: "unix"}}
	console := inventory.Session{Kind: inventory.SessionConsole, TTY: true}
	set := func(value string) map[string]string { return map[string]string{name: value} }
	for _, tc := range []struct {
		what               string
		own, project, host map[string]string
		row                inventory.Session
		want               string // where from; "-": nothing is told
	}{
		{"a terminal, by default", nil, nil, nil, terminal, "192.0.2.7"},
		{"no terminal, by default", nil, nil, nil, pipes, "-"},
		{"all", nil, nil, set("all"), pipes, ""},
		{"the nearest holds", set("terminal"), set("all"), set("off"), pipes, "-"},
		{"off", nil, set("off"), set("all"), terminal, "-"},
		{"a console asks who it is", set("all"), nil, nil, console, "-"},
	} {
		got := session.LoginOf(tc.own, tc.project, tc.host, tc.row)
		if told := "-"; got != nil {
			if told = got.From; told != tc.want || got.Who != "ann" || got.Wait <= 0 {
				t.Errorf("%s: %+v, want from %q", tc.what, got, tc.want)
			}
		} else if told != tc.want {
			t.Errorf("%s: nothing is told, want from %q", tc.what, tc.want)
		}
	}
}
