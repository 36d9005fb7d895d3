package inventory_test

import (
	"errors"
	"testing"

	"lodge/inventory"
)

func TestCheckLine(t *testing.T) {
	for _, good := range []string{"", "shop front", "naïve — 東京 ✓", "a \"b\" <c> & $(d)"} {
		if err := inventory.CheckLine("the purpose", good); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
	for _, bad := range []string{"a\nb", "a\tb", "a\x00", "\x1b[2J", "\u009b2J", "web1\u202egpj", "\u2028", "\xff", "a\x7f"} {
		if err := inventory.CheckLine("the purpose", bad); !errors.Is(err, inventory.ErrInvalid) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}
