package sshgate_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"lodge/inventory"
	"lodge/manager/session/sessiontest"
)

// trusting is a configuration of the client that knows nothing but the authority: no host key is seen
// for the first time, and none is taken on trust.
func (l *lab) trusting() string {
	l.Helper()
	key, err := l.gateway.HostAuthority(l.Context())
	sessiontest.Must(l.T, err)
	known := filepath.Join(l.dir, "known_authority")
	sessiontest.Must(l.T, os.WriteFile(known, []byte("@cert-authority lodge-gateway,*.lodge.internal "+string(ssh.MarshalAuthorizedKey(key))), 0o600))
	config := filepath.Join(l.dir, "trusting")
	text := fmt.Sprintf("Host gw\n HostName 127.0.0.1\n Port %d\n User lodge\n HostKeyAlias lodge-gateway\nHost *\n IdentityFile %s\n"+
		" IdentitiesOnly yes\n BatchMode yes\n StrictHostKeyChecking yes\n UserKnownHostsFile %s\n LogLevel ERROR\n", l.port, filepath.Join(l.dir, "ann"), known)
	sessiontest.Must(l.T, os.WriteFile(config, []byte(text), 0o600))
	return config
}

// TestJump: ssh -J ends in a judged and recorded session of the container that is named, as the account
// that is named, and the host shows a certificate of that name.
func TestJump(t *testing.T) {
	l := newLab(t)
	config := l.trusting()
	jump := func(to string, args ...string) result {
		return l.run("", append([]string{"ssh", "-F", config, "-J", "gw", to}, args...)...)
	}
	for to, want := range map[string]result{
		"ann@web1.lodge.internal":          {out: "ann\n"},
		"root@web1.lodge.internal":         {out: "root\n"},
		"root@WEB1.default.lodge.internal": {out: "root\n"},
	} {
		if got := jump(to, "id -un"); got.out != want.out || got.code != 0 {
			t.Errorf("%s: %+v", to, got)
		}
	}
	for _, to := range []string{"ann@web2.lodge.internal", "ann@web1.shop.lodge.internal", "9x@web1.lodge.internal", "a+b@web1.lodge.internal"} {
		if got := l.run("", "ssh", "-F", config, "-J", "gw", "-l", strings.Split(to, "@")[0], strings.Split(to, "@")[1], "true"); got.code != 255 || !strings.Contains(got.err, "Permission denied (publickey)") {
			t.Errorf("%s: %+v", to, got)
		}
	}
	data := noise(3 << 20)
	from, back := filepath.Join(l.dir, "there"), filepath.Join(l.dir, "back")
	sessiontest.Must(t, os.WriteFile(from, data, 0o600))
	l.hasScp()
	for _, pair := range [][2]string{{from, "ann@web1.lodge.internal:/tmp/copy"}, {"ann@web1.lodge.internal:/tmp/copy", back}} {
		if got := l.run("", "scp", "-O", "-F", config, "-J", "gw", pair[0], pair[1]); got.code != 0 {
			t.Fatalf("%+v", got)
		}
	}
	if got, _ := os.ReadFile(back); string(got) != string(data) {
		t.Errorf("%d bytes came back of %d", len(got), len(data))
	}
	l.recordedAs("container.exec", "root")
}

// recordedAs waits for an intent of ann's with that account.
func (l *lab) recordedAs(verb, account string) {
	l.Helper()
	for range 300 {
		for _, r := range l.world.Records() {
			if r.Verb == verb && r.Principal.Name == "ann" && strings.Contains(string(r.Detail), `"`+account+`"`) {
				return
			}
		}
		time.Sleep(10 * time.Millisecond)
	}
	l.Errorf("no %s as %s is on record", verb, account)
}

// TestHostCertificates: a client that trusts the authority takes no name the key was not certified for.
func TestHostCertificates(t *testing.T) {
	l := newLab(t)
	config := l.trusting()
	if got := l.run("", "ssh", "-F", config, "-o", "HostKeyAlias=web1.lodge.internal", "-l", "web1", "gw", "true"); got.code != 255 {
		t.Errorf("the gateway passes for another host: %+v", got)
	}
	if got := l.run("", "ssh", "-F", config, "-l", "web1", "gw", "echo hi"); got.out != "hi\n" {
		t.Errorf("%+v", got)
	}
}

// TestMenu: who names no container chooses from those they may reach.
func TestMenu(t *testing.T) {
	l := newLab(t)
	for _, user := range []string{"lodge", "ann"} {
		got := l.ssh("nothing\nroot+web1\nid -un\n", user)
		if got.code != 0 || !strings.Contains(got.out, "  web1\n") || !strings.HasSuffix(got.out, "root\n") ||
			!strings.Contains(got.err, "there is no container nothing you may reach") {
			t.Errorf("%s: %+v", user, got)
		}
	}
	if got := l.ssh("", "lodge", "true"); got.code != 255 || !strings.Contains(got.err, "say which container") {
		t.Errorf("%+v", got)
	}
	l.user.Disabled = time.Now()
	if got := l.ssh("", "lodge"); got.code != 255 || got.out != "" {
		t.Errorf("a disabled user sees the menu: %+v", got)
	}
}

// TestJumpsEnd: disabling a user ends what they reached through a jump.
func TestJumpsEnd(t *testing.T) {
	l := newLab(t)
	config := l.trusting()
	done := make(chan result, 1)
	go func() {
		done <- l.run("", "ssh", "-F", config, "-J", "gw", "ann@web1.lodge.internal", "touch /tmp/begun; sleep 600")
	}()
	for range 1000 {
		if _, err := os.Stat(filepath.Join(l.world.Box.Rootfs, "tmp/begun")); err == nil {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if n := l.gateway.EndAll(func(s inventory.Session) bool { return s.Principal.User == l.user.ID && s.Container != "" }); n != 1 {
		t.Errorf("%d connections are ended", n)
	}
	if got := <-done; got.code != 255 {
		t.Errorf("%+v", got)
	}
}
