package inventory_test

import (
	"errors"
	"strings"
	"testing"

	"lodge/inventory"
)

func TestCheckLine(t *testing.T) {
	for _, good := range []string{"", "shop front", "naïve — 東京 ✓", "a \"b\" <c> & $(d)", strings.Repeat("東", 1000)} {
		if err := inventory.CheckLine("the purpose", good); err != nil {
			t.Errorf("%.60q: %v", good, err)
		}
	}
	for _, bad := range []string{"a\nb", "a\tb", "a\x00", "\x1b[2J", "\u009b2J", "web1\u202egpj", "\u2028", "\xff", "a\x7f",
		strings.Repeat("x", 1001), strings.Repeat("\x1b[31m", 1<<18)} {
		if err := inventory.CheckLine("the purpose", bad); !errors.Is(err, inventory.ErrInvalid) {
			t.Errorf("%.60q: %v", bad, err)
		}
	}
}
