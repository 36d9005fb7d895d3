package inventory_test

import (
	"strings"
	"testing"

	"lodge/inventory"
)

func TestDiffLines(t *testing.T) {
	for _, c := range []struct{ before, after, want string }{
		{"", "", ""}, {"a\n", "a\n", ""}, {"", "a\nb\n", "+ a|+ b"}, {"a\nb", "", "- a|- b"},
		{"a\nb\nc\n", "a\nx\nc\nd\n", "  a|- b|+ x|  c|+ d"}, {"a\na\nb", "a\nb", "  a|- a|  b"},
	} {
		if got := strings.Join(inventory.DiffLines(c.before, c.after), "|"); got != c.want {
			t.Errorf("%q to %q: %s, want %s", c.before, c.after, got, c.want)
		}
	}
}
