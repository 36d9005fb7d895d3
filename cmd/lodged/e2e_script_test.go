package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestScripts runs testdata/*.txtar: the true command line against the true agent, with real
// containers. $ROOT is the agent's root, $TINY an archive of the image tiny, which is there already.
// Beside testscript's commands there is
//
//	code N lodge ARGS...   the exit code has to be N
func TestScripts(t *testing.T) {
	requireRoot(t)
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Setup: func(env *testscript.Env) error {
			l := newLab(env.T().(testing.TB))
			archive := filepath.Join(env.WorkDir, "tiny.tar")
			env.Setenv("LODGE_HOST", "unix:"+l.socket())
			env.Setenv("ROOT", l.root)
			env.Setenv("TINY", archive)
			env.Setenv("TZ", "UTC")
			env.Setenv("ESCAPE", "\x1b]0;owned\x07\u202e") // a script can't write it
			env.Setenv("PATH", programs(t, "lodge")+":"+os.Getenv("PATH"))
			return os.WriteFile(archive, tinyImage(l.t, "", "another"), 0o644)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"code": codeCommand},
	})
}

func codeCommand(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	var failed *exec.ExitError
	if err := ts.Exec(args[1], args[2:]...); errors.As(err, &failed) {
		got = failed.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("%q: exit code %d, want %d", args[1:], got, want)
	}
}
