package main

import (
	"errors"
	"fmt"
	osexec "os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestMain makes the test binary the command line itself when a script runs lodge.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"lodge": main})
}

// TestScripts runs testdata/*.txtar: the true command line as a process of its own, against an
// agent in memory behind a real socket.
//
// Beside testscript's commands there are
//
//	agent start [slow] [held=VERB]   with slow, operations run until 'agent release'
//	agent cut|stop|release|running|written
//	sshd                             see sshd_test.go
//	code N lodge ARGS...             the exit code has to be N
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Setup: func(env *testscript.Env) error {
			a := newAgent(env.T().(testing.TB))
			env.Values["agent"] = a
			env.Setenv("LODGE_HOST", "unix:"+a.socket)
			env.Setenv("TZ", "UTC")
			env.Setenv("XDG_CONFIG_HOME", env.WorkDir+"/config")
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"agent": agentCommand, "code": codeCommand, "sshd": sshdCommand},
	})
}

func agentCommand(ts *testscript.TestScript, _ bool, args []string) {
	a := ts.Value("agent").(*fakeAgent)
	switch args[0] {
	case "start":
		for _, arg := range args[1:] {
			if verb, ok := strings.CutPrefix(arg, "held="); ok {
				a.world.Held[verb] = true
			}
			if arg == "slow" {
				a.world.Slow = make(chan struct{})
			}
		}
		ts.Check(a.start())
	case "stop":
		a.stop()
	case "cut": // and nobody is there for a while
		a.holders.written()
		a.stop()
		close(a.holders.cut)
		time.AfterFunc(500*time.Millisecond, func() { a.start() })
	case "written":
		a.holders.written()
	case "running":
		a.running()
	case "release":
		close(a.world.Slow)
	default:
		ts.Fatalf("agent can't %s", args[0])
	}
}

func codeCommand(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	var failed *osexec.ExitError
	if err := ts.Exec(args[1], args[2:]...); errors.As(err, &failed) {
		got = failed.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("%s: exit code %d, want %d", fmt.Sprint(args[1:]), got, want)
	}
}
