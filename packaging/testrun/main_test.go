package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// story writes what `go test -json` says: one event for each "ACTION TEST [OUTPUT]".
func story(lines ...string) io.Reader {
	var b strings.Builder
	for _, line := range lines {
		w := append(strings.SplitN(line, " ", 3), "", "")
		fmt.Fprintf(&b, "{\"Action\":%q,\"Package\":\"lodge/a\",\"Test\":%q,\"Output\":%q}\n", w[0], w[1], w[2]+"\n")
	}
	return strings.NewReader(b.String())
}

func TestReport(t *testing.T) {
	begun := []string{"run TestA", "run TestB", "pass TestA", "output TestB --- FAIL: TestB"}
	for name, c := range map[string]struct {
		first  []string
		second []string // what TestB says when run again; nil: it must not be
		code   int
		last   string
	}{
		"all passed":   {[]string{"run TestA", "pass TestA"}, nil, 0, "1 passed, 0 failed, 0 skipped"},
		"nothing ran":  {nil, nil, 1, "0 passed, 0 failed, 0 skipped"},
		"skipped":      {[]string{"run TestA", "pass TestA", "run TestB", "skip TestB"}, nil, 0, "1 passed, 0 failed, 1 skipped"},
		"failed twice": {append(begun, "fail TestB", "fail "), []string{"run TestB", "fail TestB"}, 1, "1 passed, 1 failed, 0 skipped"},
		"failed once":  {append(begun, "fail TestB", "fail "), []string{"run TestB", "pass TestB"}, 0, "2 passed, 0 failed, 0 skipped"},
		"not there when run again": {append(begun, "fail TestB", "fail "), []string{"pass "}, 1,
			"1 passed, 1 failed, 0 skipped"},
		"race":         {append(begun, "output TestB WARNING: DATA RACE", "fail TestB", "fail "), nil, 1, "1 passed, 1 failed, 0 skipped"},
		"died":         {append(begun, "fail TestB", "run TestC", "fail "), nil, 1, "1 passed, 1 failed, 0 skipped"},
		"died at once": {[]string{"run TestA", "fail "}, nil, 1, "0 passed, 1 failed, 0 skipped"},
		"panic":        {append(begun, "fail TestB", "output  panic: oh", "fail "), nil, 1, "1 passed, 1 failed, 0 skipped"},
		"did not compile": {[]string{"run TestA", "pass TestA", "build-output  syntax", "fail "}, nil, 1,
			"1 passed, 1 failed, 0 skipped"},
	} {
		t.Run(name, func(t *testing.T) {
			again := func(pkg, test string) io.Reader {
				if c.second == nil || pkg != "lodge/a" || test != "TestB" {
					t.Errorf("%s of %s was run again", test, pkg)
				}
				return story(c.second...)
			}
			none := filepath.Join(t.TempDir(), "none")
			os.WriteFile(none, nil, 0o600)
			var out strings.Builder
			code := report(story(c.first...), &out, none, again)
			lines := strings.Split(strings.TrimSpace(out.String()), "\n")
			if code != c.code || lines[len(lines)-1] != c.last {
				t.Errorf("code %d, and\n%s", code, out.String())
			}
			if c.code == 0 && strings.Contains(out.String(), "--- FAIL") {
				t.Errorf("it passed, and says\n%s", out.String())
			}
		})
	}
}

func TestReportMustRun(t *testing.T) {
	file := filepath.Join(t.TempDir(), "must-run")
	os.WriteFile(file, []byte("# those\nlodge/a.TestA\nlodge/a.TestGone\n"), 0o600)
	var out strings.Builder
	code := report(story("run TestA", "pass TestA"), &out, file, nil)
	if code != 1 || !strings.Contains(out.String(), "did not run: lodge/a.TestGone\n1 passed, 1 failed") {
		t.Errorf("code %d, and\n%s", code, out.String())
	}
}

// TestMustRun: what the file names has to have passed, parts of tests too; what failed is not told twice.
func TestMustRun(t *testing.T) {
	first := func() io.Reader {
		return story("run TestA", "pass TestA/git", "pass TestA", "run TestB", "fail TestB/one", "fail TestB", "fail ")
	}
	again := func(string, string) io.Reader { return story("run TestB", "pass TestB/one", "pass TestB") }
	failing := func(string, string) io.Reader { return story("run TestB", "fail TestB") }
	for names, missing := range map[string]int{"lodge/a.TestA\nlodge/a.TestA/git\nlodge/a.TestB/one": 0,
		"lodge/a.TestA/rsync": 1, "lodge/a.TestC": 1, "lodge/b.TestA": 1, "# nothing": 0} {
		file := filepath.Join(t.TempDir(), "must-run")
		os.WriteFile(file, []byte(names+"\n"), 0o600)
		var out strings.Builder
		if code := report(first(), &out, file, again); code != missing || strings.Count(out.String(), "did not run: ") != missing {
			t.Errorf("%q: code %d, and\n%s", names, code, out.String())
		}
	}
	file := filepath.Join(t.TempDir(), "must-run")
	os.WriteFile(file, []byte("lodge/a.TestB/one\n"), 0o600)
	var out strings.Builder
	if code := report(first(), &out, file, failing); code != 1 || strings.Contains(out.String(), "did not run") {
		t.Errorf("what failed is told twice: code %d, and\n%s", code, out.String())
	}
}
