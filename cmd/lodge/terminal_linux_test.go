package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	osexec "os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lodge/inventory"
	"lodge/packaging/need"
)

// A tty is the command line on a terminal of its own.
type tty struct {
	t      *testing.T
	master *os.File
	cmd    *osexec.Cmd
	seen   strings.Builder
}

// onTerminal runs the test binary as lodge with a pseudo terminal (pty(7)) for everything.
func onTerminal(t *testing.T, a *fakeAgent, env []string, args ...string) *tty {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	need.That(t, err == nil, "pseudo terminals")
	t.Cleanup(func() { master.Close() })
	n, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	slave, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer slave.Close()
	cmd := osexec.Command(os.Args[0])
	cmd.Args = append([]string{"lodge", "--host", "unix:" + a.socket}, args...) // TestMain goes by the name
	cmd.Stdin, cmd.Stdout, cmd.Stderr, cmd.Env = slave, slave, slave, append([]string{"TERM=xterm"}, env...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return &tty{t: t, master: master, cmd: cmd}
}

// until reads until text has been shown.
func (p *tty) until(text string) {
	p.t.Helper()
	buf := make([]byte, 4096)
	for timer := time.AfterFunc(time.Minute, func() { p.cmd.Process.Kill() }); !strings.Contains(p.seen.String(), text); {
		n, err := p.master.Read(buf)
		p.seen.Write(buf[:n])
		if err != nil {
			p.t.Fatalf("%q was never shown: %q", text, p.seen.String())
		}
		timer.Reset(time.Minute)
	}
}

func (p *tty) send(keys string) { io.WriteString(p.master, keys) }

// end returns everything shown and the exit code.
func (p *tty) end() (shown string, code int) {
	done := make(chan struct{})
	go func() { defer close(done); io.Copy(&p.seen, p.master) }()
	err := p.cmd.Wait()
	<-done // EIO: nobody has the other side open any more
	var failed *osexec.ExitError
	if errors.As(err, &failed) {
		code = failed.ExitCode()
	}
	return p.seen.String(), code
}

func terminalAgent(t *testing.T) *fakeAgent {
	t.Helper()
	a := newAgent(t)
	a.world.Add(inventory.Container{Name: "web1", Purpose: "shop"}, inventory.StateRunning)
	if err := a.start(); err != nil {
		t.Fatal(err)
	}
	return a
}

func TestColours(t *testing.T) {
	a := terminalAgent(t)
	p := onTerminal(t, a, nil, "list")
	p.until("shop")
	if !strings.Contains(p.seen.String(), "\x1b[32mrunning\x1b[0m") {
		t.Errorf("no colour: %q", p.seen.String())
	}
	p.end()
	p = onTerminal(t, a, []string{"NO_COLOR=1"}, "list")
	p.until("shop")
	if strings.Contains(p.seen.String(), "\x1b") {
		t.Errorf("colours nobody wants: %q", p.seen.String())
	}
	p.end()
}

func TestConfirm(t *testing.T) {
	a := terminalAgent(t)
	p := onTerminal(t, a, nil, "delete", "web1", "--purge")
	p.until("remove web1 with all data and snapshots for good? [y/N] ")
	p.send("\n")
	p.until("nothing was changed")
	if _, code := p.end(); code != 4 {
		t.Errorf("exit code %d", code)
	}
	p = onTerminal(t, a, nil, "delete", "web1", "--purge")
	p.until("[y/N] ")
	p.send("yes\n")
	p.until("web1 is gone")
	if _, code := p.end(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// TestConsole: Ctrl-C goes to the container, Ctrl-a q leaves, and the session goes on.
func TestConsole(t *testing.T) {
	a := terminalAgent(t)
	p := onTerminal(t, a, nil, "console", "web1")
	p.until("web1 login: ")
	p.send("ro\x03ot\x01\x01")
	p.send("\x01q")
	p.until("left; the session goes on: lodge session attach ")
	if _, code := p.end(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	for _, h := range a.holders.all {
		h.mu.Lock()
		if got := string(h.input); got != "ro\x03ot\x01" && !strings.HasPrefix("ro\x03ot\x01", got) {
			t.Errorf("the container was sent %q", got)
		}
		h.mu.Unlock()
	}
}

// TestConsoleLogOnTerminal: what a container wrote to its console does not steer the terminal it is
// read on; elsewhere it arrives as it is.
func TestConsoleLogOnTerminal(t *testing.T) {
	a := terminalAgent(t)
	p := onTerminal(t, a, nil, "console", "web1", "--log")
	p.until("web1 login: ")
	if shown, code := p.end(); code != 0 || strings.Contains(shown, "\x1b[6n") || strings.Contains(shown, "\x1b]52") {
		t.Errorf("exit %d, shown %q", code, shown)
	}
}
