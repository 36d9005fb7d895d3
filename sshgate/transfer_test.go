package sshgate_test

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"lodge/manager/session/sessiontest"
	"lodge/packaging/need"
)

// noise is data that no compression makes smaller.
func noise(size int) []byte {
	b := make([]byte, size)
	x := uint32(1)
	for i := range b {
		x ^= x << 13
		x ^= x >> 17
		x ^= x << 5
		b[i] = byte(x)
	}
	return b
}

func TestBulkOverRekeys(t *testing.T) {
	l := newLab(t)
	data := noise(16 << 20)
	got := l.run(string(data), l.client("ssh", "-o", "RekeyLimit=4M", "web1@127.0.0.1", "cat")...)
	if got.code != 0 || got.out != string(data) {
		t.Errorf("exit %d, %d bytes, the same: %v; %s", got.code, len(got.out), got.out == string(data), got.err)
	}
	if got := l.run(string(data), l.client("ssh", "web1@127.0.0.1", "head -c 10 | wc -c")...); got.out != "10\n" || got.code != 0 {
		t.Errorf("a command that doesn't read its input: %+v", got)
	}
}

func TestLegacyCopy(t *testing.T) {
	need.Program(t, "scp")
	l := newLab(t)
	l.hasScp()
	data := noise(3 << 20)
	from, back := filepath.Join(l.dir, "there"), filepath.Join(l.dir, "back")
	sessiontest.Must(t, os.WriteFile(from, data, 0o640))
	for _, pair := range [][2]string{{from, "web1@127.0.0.1:/tmp/copy"}, {"web1@127.0.0.1:/tmp/copy", back}} {
		if got := l.run("", append(l.client("scp", "-O"), pair[0], pair[1])...); got.code != 0 {
			t.Fatalf("%+v", got)
		}
	}
	if got, _ := os.ReadFile(back); !bytes.Equal(got, data) {
		t.Errorf("%d bytes came back of %d", len(got), len(data))
	}
}

// hasScp skips none: the container gets the host's own scp, with its libraries.
func (l *lab) hasScp() {
	l.Helper()
	l.give(need.Program(l.T, "scp"))
}

// give copies a program of the host and what it is linked with into the container.
func (l *lab) give(program string) {
	l.Helper()
	out, err := exec.Command("ldd", program).Output()
	sessiontest.Must(l.T, err)
	files := []string{program}
	for line := range bytes.Lines(out) {
		for _, word := range bytes.Fields(line) {
			if bytes.HasPrefix(word, []byte("/")) {
				files = append(files, string(word))
			}
		}
	}
	for _, f := range files {
		to := filepath.Join(l.world.Box.Rootfs, f)
		sessiontest.Must(l.T, os.MkdirAll(filepath.Dir(to), 0o755))
		if out, err := exec.Command("cp", "-L", f, to).CombinedOutput(); err != nil {
			l.Fatalf("%v: %s", err, out)
		}
	}
}

func TestSFTP(t *testing.T) {
	need.Program(t, "sftp")
	l := newLab(t)
	if got := l.run("ls\n", l.client("sftp", "web1@127.0.0.1")...); got.code == 0 {
		t.Errorf("a container without a server serves: %+v", got)
	}
	l.give("/usr/lib/openssh/sftp-server")
	data := noise(5 << 20)
	from, back := filepath.Join(l.dir, "there"), filepath.Join(l.dir, "back")
	sessiontest.Must(t, os.WriteFile(from, data, 0o640))
	script := fmt.Sprintf("put %s /tmp/copy\nget /tmp/copy %s\nbye\n", from, back)
	if got := l.run(script, l.client("sftp", "-b", "-", "web1@127.0.0.1")...); got.code != 0 {
		t.Fatalf("%+v", got)
	}
	if got, _ := os.ReadFile(back); !bytes.Equal(got, data) {
		t.Errorf("%d bytes came back of %d", len(got), len(data))
	}
	if out := l.world.Box.Inside(t, "ls", "-l", "/tmp/copy"); !strings.Contains(out, " ann ") {
		t.Errorf("the file is %q's", out)
	}
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	sessiontest.Must(t, err)
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// TestForwards: both ways, and what is answered only after the end of the question arrives.
func TestForwards(t *testing.T) {
	l := newLab(t)
	l.world.Box.Inside(t, "sh", "-c", "ip link set lo up; (while :; do nc -l -p 7000 -e cat; done) >/dev/null 2>&1 &")
	echo, err := net.Listen("tcp", "127.0.0.1:0")
	sessiontest.Must(t, err)
	defer echo.Close()
	go func() {
		for {
			c, err := echo.Accept()
			if err != nil {
				return
			}
			go func() {
				all, _ := io.ReadAll(c) // answers after the end
				c.Write(append([]byte("host: "), all...))
				c.Close()
			}()
		}
	}()
	near, far := freePort(t), 7100
	argv := l.client("ssh", "-N", "-L", fmt.Sprintf("%d:127.0.0.1:7000", near),
		"-R", fmt.Sprintf("%d:%s", far, echo.Addr()), "-o", "ExitOnForwardFailure=yes", "web1@127.0.0.1")
	cmd := exec.Command(argv[0], argv[1:]...)
	sessiontest.Must(t, cmd.Start())
	defer cmd.Wait()
	defer cmd.Process.Kill()
	if got := ask(t, near, "into the container"); got != "into the container" {
		t.Errorf("-L answered %q", got)
	}
	got := l.world.Box.Inside(t, "sh", "-c", "echo out of it | nc 127.0.0.1 "+strconv.Itoa(far))
	if got != "host: out of it\n" && got != "host: out of it" {
		t.Errorf("-R answered %q", got)
	}
	if _, err := net.DialTimeout("tcp", "127.0.0.1:7000", time.Second); err == nil {
		t.Error("the container's port is the host's, too")
	}
}

func ask(t *testing.T, port int, text string) string {
	t.Helper()
	for range 100 {
		c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			time.Sleep(100 * time.Millisecond)
			continue
		}
		defer c.Close()
		c.SetDeadline(time.Now().Add(20 * time.Second))
		io.WriteString(c, text)
		c.(*net.TCPConn).CloseWrite()
		all, _ := io.ReadAll(c)
		return string(all)
	}
	t.Fatalf("nobody listens on port %d", port)
	return ""
}
