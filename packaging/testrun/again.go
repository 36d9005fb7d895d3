package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
)

// maxAgain is how many failed tests are run a second time: what breaks more than that is broken.
const maxAgain = 3

// A rerun runs one test of a package once more, and returns the output of `go test -json`.
type rerun func(pkg, test string) io.Reader

// by runs a test by the command that ran all of them.
func by(command []string) rerun {
	return func(pkg, test string) io.Reader {
		words := append(slices.Clone(command), "-count=1", "-run", "^"+test+"$", pkg)
		cmd := exec.Command(words[0], words[1:]...)
		cmd.Stderr = os.Stderr
		out, _ := cmd.Output() // that it failed is in the output
		return strings.NewReader(string(out))
	}
}

// again runs the tests that failed once more, each by itself. One that passes then is counted as
// passed and named as unsteady, with what it said: it is a bug in the test or in what it tests, but
// it is no reason to throw away the work of a day. A data race stays failed, and so does all of a
// package that died in the middle: what it had not come to yet never ran.
func (t *tally) again(run rerun, out io.Writer) (unsteady []string) {
	if len(t.failed) > maxAgain {
		return nil
	}
	for _, name := range slices.Clone(t.failed) {
		pkg, test, isTest := strings.Cut(name, ".Test")
		said := strings.Join(t.output[name], "")
		if !isTest || t.died(pkg) || strings.Contains(said, "DATA RACE") {
			continue
		}
		second := newTally()
		second.read(run(pkg, "Test"+test), io.Discard)
		if len(second.failed) > 0 || !slices.Equal(second.passed, []string{name}) {
			continue
		}
		unsteady = append(unsteady, name)
		t.failed = slices.DeleteFunc(t.failed, func(f string) bool { return f == name })
		t.passed, t.parts = append(t.passed, name), append(t.parts, second.parts...)
		fmt.Fprintf(out, "failed once: %s\n%s", name, strings.ReplaceAll(said, "--- FAIL:", "--- failed once:"))
	}
	return unsteady
}

// died tells whether a package's tests ended before their time.
func (t *tally) died(pkg string) bool {
	for name := range t.running {
		if strings.HasPrefix(name, pkg+".") {
			return true
		}
	}
	return strings.Contains(strings.Join(t.output[pkg], ""), "panic: ")
}
