package need_test

import (
	"testing"

	"lodge/packaging/need"
)

// told notes how a test was ended.
type told struct {
	testing.TB
	how string
}

func (t *told) Helper()               {}
func (t *told) Fatalf(string, ...any) { t.how = "failed" }
func (t *told) Skipf(string, ...any)  { t.how = "skipped" }

func TestWhatIsMissing(t *testing.T) {
	for _, c := range []struct {
		name, require, ci string
		ok                bool
		want              string
	}{
		{"it is there", "1", "true", true, ""},
		{"make test as root", "1", "", false, "failed"},
		{"a service that runs tests", "", "true", false, "failed"},
		{"a laptop", "", "", false, "skipped"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Setenv("LODGE_REQUIRE", c.require)
			t.Setenv("CI", c.ci)
			got := &told{TB: t}
			if need.That(got, c.ok, "a thing"); got.how != c.want {
				t.Errorf("%q, should be %q", got.how, c.want)
			}
		})
	}
}
