package liblxc_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"lodge/manager/session/sessiontest"
	"lodge/manager/session/stream"
	"lodge/packaging/need"
)

func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// sumOf runs the command with lxc-attach and returns the digest of what it prints.
func sumOf(t *testing.T, b *sessiontest.Box, command string) string {
	t.Helper()
	return strings.Fields(b.Inside(t, "sh", "-c", command+" | sha256sum"))[0]
}

// bulk prints 200 MB that are not all the same.
const bulk = "i=0; while [ $i -lt 200 ]; do head -c 1000000 /bin/busybox; echo $i; i=$((i+1)); done"

func TestBulkOutput(t *testing.T) {
	b := sessiontest.NewBox(t)
	want := sumOf(t, b, bulk)
	h := open(t, b, stream.Spec{Command: []string{"sh", "-c", bulk}})
	sum := sha256.New()
	exit, err := h.attach().Run(context.Background(), nil, sum, nil, nil)
	if err != nil || exit.Code != 0 {
		t.Fatalf("%+v, %v", exit, err)
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != want {
		t.Errorf("digest %s, want %s", got, want)
	}
	if o := h.outcome(); o.Output < 200_000_000 || o.Lost != 0 || !o.Truncated {
		t.Errorf("outcome %+v", o)
	}
}

func TestBothWays(t *testing.T) {
	b := sessiontest.NewBox(t)
	const size = 64 << 20
	h := open(t, b, stream.Spec{Stdin: true, Command: []string{"cat"}})
	in, out := sha256.New(), sha256.New()
	stdin := io.TeeReader(io.LimitReader(&counting{}, size), in)
	exit, err := h.attach().Run(context.Background(), stdin, out, nil, nil)
	if err != nil || exit.Code != 0 || !bytes.Equal(in.Sum(nil), out.Sum(nil)) {
		t.Errorf("%+v, %v; what came back is the same: %v", exit, err, bytes.Equal(in.Sum(nil), out.Sum(nil)))
	}
}

type counting struct{ n byte }

func (c *counting) Read(b []byte) (int, error) {
	for i := range b {
		c.n += 7
		b[i] = c.n ^ byte(i)
	}
	return len(b), nil
}

// fragile is a connection that breaks after so many bytes either way.
type fragile struct {
	net.Conn
	left atomic.Int64
}

func (f *fragile) use(n int, err error) (int, error) {
	if f.left.Add(-int64(n)) < 0 {
		f.Conn.Close()
	}
	return n, err
}
func (f *fragile) Read(b []byte) (int, error)  { return f.use(f.Conn.Read(b)) }
func (f *fragile) Write(b []byte) (int, error) { return f.use(f.Conn.Write(b)) }

// The agent is only what carries the connection: its death is a broken connection, at any byte.
func TestReattachLosesNothing(t *testing.T) {
	b := sessiontest.NewBox(t)
	const size = 8 << 20
	h := open(t, b, stream.Spec{Stdin: true, Command: []string{"cat"}})
	in, out := sha256.New(), sha256.New()
	stdin := io.TeeReader(io.LimitReader(&counting{}, size), in)
	connect := func(after int) io.ReadWriteCloser {
		f := &fragile{Conn: h.dial(stream.Attach{Principal: "ann"})}
		f.left.Store(int64(after))
		return f
	}
	client := stream.Dial(connect(3))
	for n := 1; ; n++ {
		exit, err := client.Run(context.Background(), stdin, out, nil, nil)
		if err == nil {
			t.Logf("%d connections", n)
			if exit.Code != 0 || hex.EncodeToString(out.Sum(nil)) != hex.EncodeToString(in.Sum(nil)) {
				t.Errorf("%+v; %s came back of %s", exit, hexOf(out), hexOf(in))
			}
			return
		}
		if !errors.Is(err, stream.ErrDetached) || n > 2000 {
			t.Fatalf("connection %d: %v", n, err)
		}
		client.Redial(connect(n * 7919))
	}
}

func hexOf(h hash.Hash) string { return hex.EncodeToString(h.Sum(nil)) }

func TestRunsOnWithoutClient(t *testing.T) {
	b := sessiontest.NewBox(t)
	want := sumOf(t, b, bulk)
	h := open(t, b, stream.Spec{Command: []string{"sh", "-c", bulk}})
	h.outcome() // ended, and nobody was there
	sum := sha256.New()
	exit, err := h.attach().Run(context.Background(), nil, sum, nil, nil)
	if err != nil || exit.Code != 0 || hexOf(sum) != want {
		t.Errorf("%+v, %v, digest %s, want %s", exit, err, hexOf(sum), want)
	}
	for range 200 { // having delivered all, the holder leaves before its grace is over
		if _, err := os.Stat(filepath.Join(b.Root, h.id+".sock")); err != nil {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Error("the holder stays")
}

func TestTerminalKeepsItsTail(t *testing.T) {
	b := sessiontest.NewBox(t)
	h := open(t, b, stream.Spec{TTY: true, Command: []string{"sh", "-c", "seq 1 300000; echo the end"}})
	if o := h.outcome(); o.Lost == 0 {
		t.Errorf("nothing was dropped of %d bytes", o.Output)
	}
	client, gap := h.attach(), false
	client.OnGap = func() { gap = true }
	var out bytes.Buffer
	exit, err := client.Run(context.Background(), nil, &out, nil, nil)
	if err != nil || exit.Code != 0 || !gap || !strings.HasSuffix(out.String(), "300000\r\nthe end\r\n") {
		t.Errorf("%+v, %v, gap %v, %d bytes", exit, err, gap, out.Len())
	}
}

func TestWatchers(t *testing.T) {
	b := sessiontest.NewBox(t)
	h := open(t, b, stream.Spec{Stdin: true, Command: []string{"cat"}})
	keys, typed := io.Pipe()
	outs := make([]*screen, 3)
	ended := make(chan error, 3)
	var welcomed sync.WaitGroup
	for i := range outs {
		outs[i] = &screen{feed: make(chan []byte, 100)}
		c := stream.Dial(h.dial(stream.Attach{Principal: "watcher", ReadOnly: i > 0}))
		welcomed.Add(1)
		c.OnWelcome = func(stream.Welcome) { welcomed.Done() }
		var stdin io.Reader = keys
		if i > 0 {
			stdin = strings.NewReader("a watcher's word")
		}
		go func() {
			_, err := c.Run(context.Background(), stdin, outs[i], nil, nil)
			ended <- err
		}()
		if i == 0 {
			typed.Write([]byte("first\n"))
			outs[0].expect(t, "first")
		}
	}
	other := stream.Dial(h.dial(stream.Attach{Principal: "other"}))
	var refused *stream.Error
	if _, err := other.Run(context.Background(), nil, nil, nil, nil); !errors.As(err, &refused) || refused.Kind != "busy" {
		t.Errorf("a second writer got %v", err)
	}
	welcomed.Wait()
	typed.Write([]byte("second\n"))
	typed.Close()
	for i, out := range outs {
		out.expect(t, "second")
		if err := <-ended; err != nil {
			t.Errorf("client %d: %v", i, err)
		}
	}
	for _, out := range outs {
		if strings.Contains(out.all.String(), "watcher's word") {
			t.Error("a watcher could write")
		}
	}
}

func TestSignals(t *testing.T) {
	b := sessiontest.NewBox(t)
	h := open(t, b, stream.Spec{Command: []string{"sh", "-c", "trap 'echo caught; exit 3' INT; echo ready; while :; do sleep 0.1; done"}})
	client, out := h.attach(), &screen{feed: make(chan []byte, 100)}
	ended := make(chan stream.Exit, 1)
	go func() {
		exit, _ := client.Run(context.Background(), nil, out, nil, nil)
		ended <- exit
	}()
	out.expect(t, "ready")
	sessiontest.Must(t, client.Signal(2))
	out.expect(t, "caught")
	if exit := <-ended; exit.Code != 3 {
		t.Errorf("%+v", exit)
	}
}

func TestKillTakesAllProcesses(t *testing.T) {
	b := sessiontest.NewBox(t)
	h := open(t, b, stream.Spec{Command: []string{"sh", "-c", "setsid sleep 4711 & setsid sleep 4712 & echo ready; wait"}})
	client, out := h.attach(), &screen{feed: make(chan []byte, 100)}
	go client.Run(context.Background(), nil, out, nil, nil)
	out.expect(t, "ready")
	control := h.dial(stream.Attach{Control: true, Principal: "lodged"})
	frame, _ := stream.AppendJSON(nil, stream.TypeKill, stream.Kill{By: "root", Reason: "test"})
	control.Write(frame)
	o := h.outcome()
	if o.EndedBy != "root" || o.Exit.Signal != 9 {
		t.Errorf("outcome %+v", o)
	}
	_, hybrid := os.Stat("/sys/fs/cgroup/unified")
	_, pure := os.Stat("/sys/fs/cgroup/cgroup.controllers")
	need.That(t, hybrid == nil || pure == nil, "cgroup v2: without it, what leaves the process group is not found")
	if left := b.Inside(t, "sh", "-c", "ps | grep 'sleep 471[12]' | grep -v grep; true"); left != "" {
		t.Errorf("left over:\n%s", left)
	}
}

func TestFailureToEnterNamesTheCause(t *testing.T) {
	b := sessiontest.NewBox(t)
	b.Stop()
	exit, _, _ := run(t, b, stream.Spec{Command: []string{"true"}}, nil)
	if exit.Kind != stream.FailedToRun || exit.Code != 125 || !strings.Contains(exit.Message, "enter the container") {
		t.Errorf("%+v", exit)
	}
}

func TestConsole(t *testing.T) {
	b := sessiontest.NewBox(t)
	h := open(t, b, stream.Spec{Kind: "console", TTY: true, Stdin: true})
	out := &screen{feed: make(chan []byte, 1000)}
	watched := &screen{feed: make(chan []byte, 1000)}
	go h.attach().Run(context.Background(), nil, out, nil, nil)
	go stream.Dial(h.dial(stream.Attach{Principal: "x", ReadOnly: true})).Run(context.Background(), nil, watched, nil, nil)
	time.Sleep(300 * time.Millisecond)
	b.Inside(t, "sh", "-c", "echo from the kernel of it all > /dev/console")
	out.expect(t, "kernel of it all")
	watched.expect(t, "kernel of it all")
	log, err := os.ReadFile(filepath.Join(b.LXCPath, b.Name, "console.log"))
	if err != nil || !bytes.Contains(log, []byte("kernel of it all")) {
		t.Errorf("console.log holds %q, %v", log, err)
	}
	exec.Command("lxc-stop", "-P", b.LXCPath, "-n", b.Name, "-k").Run()
	if o := h.outcome(); o.Exit.Kind != stream.Exited {
		t.Errorf("%+v", o.Exit)
	}
}
