package api_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/user"
	"strings"
	"syscall"
	"testing"

	"lodge/packaging/need"
	"lodge/web/api/apitest"
)

// ownGroup is a group the tests' user is in: it stands for the group lodge.
func ownGroup(t testing.TB) string {
	t.Helper()
	g, err := user.LookupGroupId(fmt.Sprint(os.Getgid()))
	if err != nil {
		t.Fatal(err)
	}
	return g.Name
}

// TestMain lets the test binary run again as another user, to call a socket from there.
func TestMain(m *testing.M) {
	if socket := os.Getenv("LODGE_TEST_CALL"); socket != "" {
		call(socket)
		return
	}
	os.Exit(m.Run())
}

func call(socket string) {
	tr := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return net.Dial("unix", socket) }}
	resp, err := (&http.Client{Transport: tr}).Get("http://lodge/v1/containers")
	if err != nil {
		fmt.Println(err)
		return
	}
	body, _ := io.ReadAll(resp.Body)
	fmt.Printf("%d %s\n", resp.StatusCode, body)
}

// callAs calls the socket from a process with other credentials.
func callAs(t *testing.T, socket string, attr *syscall.SysProcAttr) string {
	t.Helper()
	// The binary lies in a folder only its owner may enter; an open file needs no way there.
	self, err := os.Open("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	defer self.Close()
	cmd := exec.Command("/proc/self/fd/3")
	cmd.ExtraFiles = []*os.File{self}
	cmd.Env = append(os.Environ(), "LODGE_TEST_CALL="+socket)
	cmd.Dir = "/"
	cmd.SysProcAttr = attr
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("call: %v: %s", err, out)
	}
	return string(out)
}

func TestWhoMayCall(t *testing.T) {
	need.Root(t)
	cfg := apitest.New().Config()
	cfg.Group = "daemon"
	cfg.InContainer = func(uid uint32) bool { return uid >= 1_000_000 && uid < 1_065_536 }
	socket := apitest.Serve(t, cfg)
	open := func(path string) { // the socket's own mode is the wiring's business, and must not decide here
		for p := path; len(p) > len(os.TempDir()); p = p[:strings.LastIndex(p, "/")] {
			if err := os.Chmod(p, 0o777); err != nil {
				t.Fatal(err)
			}
		}
	}
	open(socket)
	as := func(uid, gid uint32) *syscall.SysProcAttr {
		return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: gid}}
	}
	daemon, err := user.Lookup("daemon")
	need.That(t, err == nil, "the user daemon")
	var daemonUID uint32
	fmt.Sscan(daemon.Uid, &daemonUID)
	namespace := &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: 0, Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: 0, Size: 1}}}
	for _, c := range []struct {
		who  string
		attr *syscall.SysProcAttr
		says string
	}{
		{"root", as(0, 0), "200 "},
		{"a member of the group", as(daemonUID, daemonUID), "200 "},
		{"another user", as(65534, 65534), "uid 65534 is nobody"},
		{"a uid without a name", as(54321, 54321), "uid 54321 is nobody"},
		{"a container's root", as(1_000_000, 1_000_000), "a process of a container"},
		{"a uid above the containers'", as(2_000_000, 2_000_000), "uid 2000000 is nobody"},
		{"root of another user namespace", namespace, "another user namespace"},
	} {
		got := callAs(t, socket, c.attr)
		if !strings.Contains(got, c.says) {
			t.Errorf("%s got %s", c.who, got)
		}
		if !strings.HasPrefix(c.says, "200") && !strings.HasPrefix(got, "403 ") {
			t.Errorf("%s was not refused with 403: %s", c.who, got)
		}
	}
}
