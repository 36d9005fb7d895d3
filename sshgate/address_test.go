package sshgate

import "testing"

func TestParseAddress(t *testing.T) {
	for user, want := range map[string]Address{
		"web1":                {Container: "web1", Project: "default"},
		"root+web1":           {Login: "root", Container: "web1", Project: "default"},
		"deploy+web1.shop":    {Login: "deploy", Container: "web1", Project: "shop"},
		"web1.shop":           {Container: "web1", Project: "shop"},
		"_apt+web1":           {Login: "_apt", Container: "web1", Project: "default"},
		"lodge":               {},
		"":                    {},
		"+web1":               {},
		"root+":               {},
		"root+web1+x":         {},
		"-o+web1":             {},
		"0root+web1":          {},
		"Root+web1":           {},
		"root+web1.":          {},
		"root+.shop":          {},
		"root+web1.shop.more": {},
		"root+../../etc":      {},
		"root;reboot+web1":    {},
		"ro\x00ot+web1":       {},
		"web1\n":              {},
	} {
		got, err := ParseAddress(user)
		if got != want || (err == nil) != (want != Address{} || user == "lodge") {
			t.Errorf("%q is %+v, %v; want %+v", user, got, err, want)
		}
	}
}
