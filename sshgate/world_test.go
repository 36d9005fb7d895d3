package sshgate_test

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lodge/inventory"
	"lodge/manager/lxc"
	"lodge/manager/session/sessiontest"
	"lodge/packaging/need"
	"lodge/sshgate"
	"lodge/sshgate/worker"
)

// The test binary is what the gateway runs again as workers.
func TestMain(m *testing.M) {
	if os.Args[0] == "lodge-ssh" {
		os.Exit(worker.Main(os.Args[1:]))
	}
	code := sessiontest.Run(m)
	os.RemoveAll(shippedIn)
	os.Exit(code)
}

// A lab is a gateway in front of a real container, and what OpenSSH's client needs to reach it. Ann is
// the one user.
type lab struct {
	*testing.T
	world   *sessiontest.World
	gateway *sshgate.Gateway
	dir     string
	port    int
	user    inventory.User
	keeping sync.Mutex // guards what follows up to others
	kept    map[string][]byte
	signed  []inventory.Certificate
	revoked inventory.Revoked
	trusted []inventory.Authority
	others  []inventory.User
	program string // of workers, where it is not the test itself

	containersOf // what it knows of containers
}

func newLab(t *testing.T) *lab { return newLabOf(t, "") }

// newLabOf is a lab whose workers are another program.
func newLabOf(t *testing.T, program string) *lab {
	t.Helper()
	need.Programs(t, "ssh", "ssh-keygen")
	l := &lab{T: t, world: sessiontest.NewWorld(t), dir: t.TempDir(), program: program, kept: map[string][]byte{}}
	l.box, _ = l.world.Container(t.Context(), inventory.Ref{})
	l.world.Lookup = l.find
	l.user = inventory.User{ID: "0190a000-0000-7000-8000-00000000000a", Name: "ann", Keys: []inventory.SSHKey{l.newKey("ann")}}
	l.gateway = l.open()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	sessiontest.Must(t, err)
	t.Cleanup(func() { listener.Close() })
	l.port = listener.Addr().(*net.TCPAddr).Port
	go l.gateway.Serve(context.Background(), listener)
	t.Cleanup(func() {
		l.gateway.EndAll(func(inventory.Session) bool { return true })
		if words, _ := os.ReadFile(filepath.Join(l.world.Box.Root, "run/ssh/workers.log")); t.Failed() {
			t.Logf("the workers' last words:\n%s", words)
		}
	})
	return l
}

// open makes a gateway on the lab's root: the first, or another agent's.
func (l *lab) open() *sshgate.Gateway {
	l.Helper()
	sessions, gate, err := l.world.Service()
	sessiontest.Must(l.T, err)
	self := l.program
	if self == "" {
		self, err = os.Executable()
		sessiontest.Must(l.T, err)
	}
	sessiontest.Must(l.T, os.MkdirAll(filepath.Join(l.world.Box.Root, "keys"), 0o700))
	g, err := sshgate.New(sshgate.Config{Root: l.world.Box.Root, Program: self, UID: 1_900_000_321, Version: "test",
		Gate: gate, Rights: l, Sessions: sessions, Store: l, Secrets: l, Certificates: l, Names: []string{"lodge-gateway"}, Sockets: l, Unix: l, Settings: l, MostLifetime: func(context.Context) time.Duration { return time.Hour }, Containers: l.containers, Journal: gate,
		Log: slog.New(slog.NewTextHandler(l.Output(), nil)), Now: time.Now})
	sessiontest.Must(l.T, err)
	return g
}

// Own keeps secrets in memory.
func (l *lab) Own(_ context.Context, name, _, _ string, generate func() ([]byte, error)) (value []byte, err error) {
	l.keeping.Lock()
	defer l.keeping.Unlock()
	if l.kept[name] == nil {
		l.kept[name], err = generate()
	}
	return l.kept[name], err
}

// AddCertificate and Certificates keep rows in memory.
func (l *lab) AddCertificate(_ context.Context, c inventory.Certificate, _ time.Time) error {
	l.keeping.Lock()
	defer l.keeping.Unlock()
	l.signed = append(l.signed, c)
	return nil
}

func (l *lab) Certificates(context.Context, inventory.CertificateQuery) ([]inventory.Certificate, error) {
	l.keeping.Lock()
	defer l.keeping.Unlock()
	return slices.Clone(l.signed), nil
}

func (l *lab) Directory(context.Context) (*inventory.Directory, error) {
	l.step("directory")
	l.keeping.Lock()
	defer l.keeping.Unlock()
	return inventory.NewDirectory(append([]inventory.User{l.user}, l.others...), nil, nil, nil).Without(l.revoked).Trusting(l.trusted), nil
}

// DialInside and ListenInside go through the true helper.
func (l *lab) DialInside(ctx context.Context, c *inventory.Container, host string, port int) (*os.File, error) {
	f, _, err := l.socket(ctx, "connect", host, port)
	return f, err
}

func (l *lab) ListenInside(ctx context.Context, c *inventory.Container, host string, port int) (*os.File, int, error) {
	return l.socket(ctx, "listen", host, port)
}

func (l *lab) socket(ctx context.Context, what, host string, port int) (*os.File, int, error) {
	fd, err := unix.PidfdOpen(l.world.Observe(nil).InitPID, 0)
	if err != nil {
		return nil, 0, err
	}
	init := os.NewFile(uintptr(fd), "init")
	defer init.Close()
	return lxc.OpenSocket(ctx, l.world.Box.Helper, init, what, netip.MustParseAddr("127.0.0.1"), host, port)
}

// Layers are the host's settings, and none of a project.
func (l *lab) Layers(ctx context.Context, project string) ([]inventory.Layer, error) {
	return l.world.Layers(ctx, project)
}

// DialUnix, ListenUnix and RemoveUnix go through the true helper.
func (l *lab) DialUnix(ctx context.Context, _ *inventory.Container, s inventory.UnixSocket) (*os.File, error) {
	f, _, err := l.unix(ctx, "connect", s)
	return f, err
}

func (l *lab) ListenUnix(ctx context.Context, _ *inventory.Container, s inventory.UnixSocket) (*os.File, inventory.UnixSocket, error) {
	if s.Agent {
		s.Path = "/tmp"
		return l.unix(ctx, "agent", s)
	}
	return l.unix(ctx, "listen", s)
}

func (l *lab) RemoveUnix(ctx context.Context, _ *inventory.Container, s inventory.UnixSocket) error {
	_, _, err := l.unix(ctx, "remove", s)
	return err
}

func (l *lab) unix(ctx context.Context, what string, s inventory.UnixSocket) (*os.File, inventory.UnixSocket, error) {
	fd, err := unix.PidfdOpen(l.world.Observe(nil).InitPID, 0)
	if err != nil {
		return nil, s, err
	}
	init := os.NewFile(uintptr(fd), "init")
	defer init.Close()
	return lxc.OpenUnix(ctx, l.world.Box.Helper, init, what, s)
}

func (l *lab) newKey(name string, options ...string) inventory.SSHKey {
	l.Helper()
	path := filepath.Join(l.dir, name)
	out, err := exec.Command("ssh-keygen", append([]string{"-q", "-t", "ed25519", "-N", "", "-C", name, "-f", path}, options...)...).CombinedOutput()
	if err != nil {
		l.Fatalf("ssh-keygen: %v\n%s", err, out)
	}
	line, err := os.ReadFile(path + ".pub")
	sessiontest.Must(l.T, err)
	key, err := inventory.ParseSSHKey(string(line))
	sessiontest.Must(l.T, err)
	return key
}

// client is the command line of a program of OpenSSH's up to the host.
func (l *lab) client(program string, options ...string) []string {
	flag := "-p"
	if program != "ssh" {
		flag = "-P"
	}
	args := []string{program, flag, strconv.Itoa(l.port), "-F", "none", "-i", filepath.Join(l.dir, "ann"), "-o", "IdentitiesOnly=yes",
		"-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=accept-new", "-o", "LogLevel=ERROR",
		"-o", "UserKnownHostsFile=" + filepath.Join(l.dir, "known_hosts"), "-o", "ConnectTimeout=20"}
	return append(args, options...)
}

// A result is what a program did.
type result struct {
	out, err string
	code     int
}

// clientTime is for a GiB on a machine that does others besides.
const clientTime = 5 * time.Minute

func (l *lab) run(stdin string, argv ...string) result {
	l.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), clientTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + l.dir, "FOO=bar", "LC_ALL=C.UTF-8", "TERM=vt220"}
	var out, errs bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &out, &errs
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		l.Fatalf("%v: %v", argv, err)
	}
	if ctx.Err() != nil {
		l.Errorf("%v takes too long: %q %q", argv, out.String(), errs.String())
	}
	return result{out.String(), errs.String(), cmd.ProcessState.ExitCode()}
}

// ssh runs a command in the container.
func (l *lab) ssh(stdin, user string, args ...string) result {
	l.Helper()
	return l.run(stdin, append(l.client("ssh", user+"@127.0.0.1"), args...)...)
}
