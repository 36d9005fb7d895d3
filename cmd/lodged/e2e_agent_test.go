package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"lodge/inventory"
	"lodge/manager/session/stream"
	"lodge/web/client"
	"lodge/web/wire"
)

const (
	// patience bounds every wait of these tests: much longer than anything takes on a busy machine.
	patience = 90 * time.Second
	tick     = 10 * time.Millisecond
)

// A lab is a root with an agent on it. The agent comes and goes; the root stays until the test ends.
type lab struct {
	t        testing.TB
	root     string
	programs string
	config   string
	poolSize string
	mounted  bool     // the root is a mount of its own
	spares   []string // volumes that are rightly left over: POOL/containers/ID
	api      *client.Client

	agent *exec.Cmd
	ended chan struct{} // closed when the agent has ended
}

// newLab makes a root and starts the shipped agent on it, with the tiny image imported.
func newLab(t testing.TB) *lab {
	t.Helper()
	l := emptyLab(t, "shipped")
	l.start()
	l.importImage("tiny", tinyImage(t, ""))
	return l
}

// emptyLab makes a root without an agent.
func emptyLab(t testing.TB, build string) *lab {
	t.Helper()
	requireRoot(t)
	dir, err := os.MkdirTemp(base, "r")
	if err != nil {
		t.Fatal(err)
	}
	os.Chmod(dir, 0o711)
	l := &lab{t: t, root: filepath.Join(dir, "root"), programs: programs(t, build), poolSize: "1GiB"}
	if l.api, err = client.Dial("unix:" + l.socket()); err != nil {
		t.Fatal(err)
	}
	l.config = filepath.Join(dir, "lodged.yaml")
	text := fmt.Sprintf("root: %s\nclaims: %s\npool_size: %s\ndebug: true\n", l.root, filepath.Join(base, "claims"), l.poolSize)
	if err := os.WriteFile(l.config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.remove(dir) })
	return l
}

func (l *lab) socket() string  { return filepath.Join(l.root, "lodge.sock") }
func (l *lab) logPath() string { return l.config + ".log" }
func (l *lab) lodged() string  { return filepath.Join(l.programs, "lodged") }

// start starts the agent and waits until it answers.
func (l *lab) start(env ...string) {
	l.t.Helper()
	if err := l.tryStart(env...); err != nil {
		l.t.Fatalf("%v\n%s", err, l.log())
	}
}

// tryStart returns what the agent said if it ends instead of answering.
func (l *lab) tryStart(env ...string) error {
	log, err := os.OpenFile(l.logPath(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	fmt.Fprintln(log, "---- agent starts", env)
	cmd := exec.Command(l.lodged(), "--config", l.config)
	cmd.Env = append(os.Environ(), env...)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan struct{})
	go func() { cmd.Wait(); close(ended) }()
	l.agent, l.ended = cmd, ended
	for until := time.Now().Add(patience); ; time.Sleep(tick) {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		_, err := l.api.Version(ctx)
		cancel()
		if err == nil {
			return nil
		}
		select {
		case <-ended:
			l.agent = nil
			text := strings.TrimSpace(l.log())
			return fmt.Errorf("the agent ended: %s", text[strings.LastIndex(text, "\n")+1:])
		default:
		}
		if time.Now().After(until) {
			return fmt.Errorf("the agent does not answer: %w", err)
		}
	}
}

// kill ends the agent as hard as a power failure.
func (l *lab) kill() { l.signal(syscall.SIGKILL) }

// stop ends the agent in good order.
func (l *lab) stop() { l.signal(syscall.SIGTERM) }

func (l *lab) signal(s syscall.Signal) {
	l.t.Helper()
	if l.agent == nil {
		return
	}
	l.agent.Process.Signal(s)
	l.awaitEnd()
}

// awaitEnd waits until the agent has ended.
func (l *lab) awaitEnd() {
	l.t.Helper()
	select {
	case <-l.ended:
		l.agent = nil
		l.api.Close()
	case <-time.After(patience):
		l.t.Fatalf("the agent does not end\n%s", l.log())
	}
}

// log is the end of what the agents have logged.
func (l *lab) log() string {
	text, _ := os.ReadFile(l.logPath())
	return string(text[max(0, len(text)-6000):])
}

// remove ends everything on the root and takes it away.
func (l *lab) remove(dir string) {
	if l.t.Failed() {
		l.t.Logf("the agent's log:\n%s", l.log())
	}
	if keep := os.Getenv("LODGETEST_E2E_KEEP"); keep != "" && l.t.Failed() {
		exec.Command("cp", l.logPath(), filepath.Join(keep, filepath.Base(dir)+".log")).Run()
	}
	l.stop()
	for range 3 { // a container's init leaves a monitor, which ends by itself
		if killNamed(l.root) == 0 {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	exec.Command(l.lodged(), "release", "--forget", "--config", l.config).Run()
	exec.Command("umount", "-l", filepath.Join(l.root, "pools", "default")).Run()
	if l.mounted {
		syscall.Unmount(l.root, syscall.MNT_DETACH)
	}
	os.RemoveAll(dir)
}

// killNamed kills every process that has text in its command line, with its children: monitors,
// their containers, name servers, sessions. It returns how many there were.
func killNamed(text string) int {
	n := 0
	paths, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, path := range paths {
		line, err := os.ReadFile(path)
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if err != nil || !bytes.Contains(line, []byte(text)) || pid == os.Getpid() {
			continue
		}
		n++
		children, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
		for _, child := range append(strings.Fields(string(children)), strconv.Itoa(pid)) {
			id, _ := strconv.Atoi(child)
			syscall.Kill(id, syscall.SIGKILL)
		}
	}
	return n
}

// lodge runs the command line against the agent.
func (l *lab) lodge(args ...string) (out string, code int) {
	l.t.Helper()
	cmd := exec.Command(filepath.Join(programs(l.t, "lodge"), "lodge"), args...)
	cmd.Env = append(os.Environ(), "LODGE_HOST=unix:"+l.socket())
	text, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		l.t.Fatal(err)
	}
	return string(text), cmd.ProcessState.ExitCode()
}

// mutation is any call of the client that changes something.
type mutation func(ctx context.Context) (client.Answer, error)

// try passes a mutation and returns how its operation ended.
func (l *lab) try(m mutation) (wire.Operation, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	a, err := m(ctx)
	if err != nil {
		return wire.Operation{}, err
	}
	if a.Operation == nil {
		return wire.Operation{}, fmt.Errorf("no operation came of it: %+v", a)
	}
	op, err := l.api.Wait(ctx, a.Operation.ID)
	if err == nil {
		err = op.Err()
	}
	return op, err
}

// do passes a mutation that has to work.
func (l *lab) do(m mutation) wire.Operation {
	l.t.Helper()
	op, err := l.try(m)
	if err != nil {
		l.t.Fatalf("%v\n%s", err, l.log())
	}
	return op
}

func at(name string) inventory.Ref { return inventory.ParseRef(name) }

// arguments of a container of the tiny image.
func tiny(name string) inventory.CreateArgs {
	return inventory.CreateArgs{Name: name, Image: "tiny", Purpose: "an end-to-end test",
		Settings: map[string]string{"disk": "64MiB", "memory": "64MiB", "cpus": "1", "stop.timeout": "10s"}}
}

func (l *lab) create(args inventory.CreateArgs, start bool) mutation {
	return func(ctx context.Context) (client.Answer, error) {
		return l.api.Create(ctx, args, start, client.Options{})
	}
}

// launch makes running containers.
func (l *lab) launch(names ...string) {
	l.t.Helper()
	for _, name := range names {
		l.do(l.create(tiny(name), true))
	}
}

// power is a mutation by a method of the client that takes a container alone.
func power(f func(context.Context, inventory.Ref, client.Options) (client.Answer, error), name string) mutation {
	return func(ctx context.Context) (client.Answer, error) { return f(ctx, at(name), client.Options{}) }
}

func (l *lab) stopping(name string, args inventory.StopArgs) mutation {
	return func(ctx context.Context) (client.Answer, error) {
		return l.api.Stop(ctx, at(name), args, client.Options{})
	}
}

// container returns one as the API shows it.
func (l *lab) container(name string) wire.Container {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	c, err := l.api.Container(ctx, at(name))
	if err != nil {
		l.t.Fatalf("show %s: %v", name, err)
	}
	return c
}

// await waits until what is true.
func (l *lab) await(what string, is func() bool) {
	l.t.Helper()
	for until := time.Now().Add(patience); !is(); time.Sleep(tick) {
		if time.Now().After(until) {
			l.t.Fatalf("waited in vain: %s\n%s", what, l.log())
		}
	}
}

// exec runs a command in a container and returns its output and exit code.
func (l *lab) exec(name string, command ...string) (string, int) {
	l.t.Helper()
	out, code, err := l.tryExec(name, command...)
	if err != nil {
		l.t.Fatalf("exec %v in %s: %v", command, name, err)
	}
	return out, code
}

func (l *lab) tryExec(name string, command ...string) (string, int, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	s, err := l.api.OpenSession(ctx, at(name), wire.SessionRequest{Kind: inventory.SessionExec,
		SessionArgs: inventory.SessionArgs{Command: command}}, client.Options{})
	if err != nil {
		return "", 0, err
	}
	return l.attach(ctx, s.ID)
}

// attach follows a session to its end.
func (l *lab) attach(ctx context.Context, id inventory.SessionID) (string, int, error) {
	conn, err := l.api.Stream(ctx, id, false)
	if err != nil {
		return "", 0, err
	}
	var out bytes.Buffer
	exit, err := stream.Dial(conn).Run(ctx, nil, &out, &out, nil)
	return out.String(), exit.Code, err
}
