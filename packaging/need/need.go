// Package need says what a test takes that not every machine has: a right, a program, a kernel that
// can. Where it is missing the test fails if nothing may be missing: with LODGE_REQUIRE=1, as `make
// test` sets it for root, and with CI set, as the services set it that run tests. Elsewhere, on a
// laptop, it is skipped. No other package skips a test.
package need

import (
	"os"
	"os/exec"
	"testing"
)

// That skips the test, or fails it, unless ok; what is missing reads on from "this test needs".
func That(t testing.TB, ok bool, what string) {
	t.Helper()
	switch {
	case ok:
	case os.Getenv("LODGE_REQUIRE") == "1" || os.Getenv("CI") != "":
		t.Fatalf("this test needs %s; packaging/deps brings the programs, and root the rest", what)
	default:
		t.Skipf("this test needs %s", what)
	}
}

// Root needs the rights of root.
func Root(t testing.TB) {
	t.Helper()
	That(t, os.Geteuid() == 0, "root")
}

// Program needs a program and returns its path; packaging/deps installs those of the distribution.
func Program(t testing.TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	That(t, err == nil, "the program "+name)
	return path
}

// Programs needs all of them.
func Programs(t testing.TB, names ...string) {
	t.Helper()
	for _, name := range names {
		Program(t, name)
	}
}
