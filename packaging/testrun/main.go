// Command testrun reads the output of `go test -json`, runs what failed once more, shows it, checks
// that the tests that have to run did, and ends with one line: N passed, N failed, N skipped.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
)

type event struct {
	Action  string
	Package string
	Test    string
	Output  string
	Elapsed float64
}

func main() {
	if len(os.Args) < 3 {
		fmt.Fprintln(os.Stderr, "usage: go test -json ... | testrun MUST-RUN-FILE go test -json")
		os.Exit(2)
	}
	os.Exit(report(os.Stdin, os.Stdout, os.Args[1], by(os.Args[2:])))
}

// A tally is what a run came to. Tests are named "package.Test"; subtests count as part of theirs, and those
// that passed can be asked for by name.
type tally struct {
	passed, failed, skipped []string
	parts                   []string // subtests that passed
	output                  map[string][]string
	running                 map[string]bool // begun and not ended
}

func newTally() *tally {
	return &tally{output: map[string][]string{}, running: map[string]bool{}}
}

func report(in io.Reader, out io.Writer, mustRun string, run rerun) int {
	t := newTally()
	t.read(in, out)
	unsteady := t.again(run, out)
	for _, name := range t.failed {
		fmt.Fprintf(out, "FAIL %s\n%s", name, strings.Join(t.output[name], ""))
	}
	missing := t.missing(mustRun, out)
	for _, name := range t.skipped {
		fmt.Fprintf(out, "skipped: %s\n", name)
	}
	for _, name := range unsteady {
		fmt.Fprintf(out, "unsteady, passed when run again: %s\n", name)
	}
	fmt.Fprintf(out, "%d passed, %d failed, %d skipped\n", len(t.passed), len(t.failed)+missing,
		len(t.skipped))
	if len(t.failed)+missing > 0 || len(t.passed) == 0 {
		return 1
	}
	return 0
}

// read takes the events of a run in.
func (t *tally) read(in io.Reader, out io.Writer) {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var e event
		if json.Unmarshal(lines.Bytes(), &e) != nil {
			fmt.Fprintln(out, lines.Text()) // a build error of an older go, or something printed beside the stream
			continue
		}
		t.take(e, out)
	}
}

func (t *tally) take(e event, out io.Writer) {
	name := e.Package
	if e.Test != "" {
		test, _, _ := strings.Cut(e.Test, "/")
		name += "." + test
	}
	switch e.Action {
	case "output", "build-output":
		t.output[name] = append(t.output[name], e.Output)
		if e.Action == "build-output" {
			fmt.Fprint(out, e.Output)
		}
	case "run":
		t.running[name] = true
	case "pass", "fail", "skip":
		t.end(e, name, out)
	}
}

func (t *tally) end(e event, name string, out io.Writer) {
	if e.Test == "" { // the package as a whole: it counts only when it failed outside its tests
		if e.Action == "fail" && !slices.ContainsFunc(t.failed,
			func(f string) bool { return strings.HasPrefix(f, name+".") }) {
			t.failed = append(t.failed, name)
		} else if e.Action == "pass" {
			fmt.Fprintf(out, "ok   %s (%.1fs)\n", name, e.Elapsed)
		}
		return
	}
	if strings.Contains(e.Test, "/") {
		if e.Action == "pass" {
			t.parts = append(t.parts, e.Package+"."+e.Test)
		}
		return
	}
	delete(t.running, name)
	switch e.Action {
	case "pass":
		t.passed = append(t.passed, name)
	case "skip":
		t.skipped = append(t.skipped, name)
	case "fail":
		t.failed = append(t.failed, name)
		fmt.Fprintf(out, "failed: %s\n", name)
		return
	}
	delete(t.output, name)
}

// missing counts the tests of the file that did not pass: a test that vanished or was skipped is a
// failure, or nobody would notice.
func (t *tally) missing(file string, out io.Writer) (n int) {
	raw, err := os.ReadFile(file)
	if err != nil {
		fmt.Fprintln(out, err)
		return 1
	}
	for line := range strings.Lines(string(raw)) {
		name := strings.TrimSpace(line)
		folder, test, _ := strings.Cut(name, ".")
		test, _, _ = strings.Cut(test, "/") // the one it is a part of, which has failed as a whole
		if name == "" || name[0] == '#' || slices.Contains(t.passed, name) || slices.Contains(t.parts, name) ||
			slices.Contains(t.failed, folder+"."+test) {
			continue
		}
		fmt.Fprintf(out, "did not run: %s\n", name)
		n++
	}
	return n
}
