package inventory

import (
	"errors"
	"strings"
	"testing"
	"time"
)

// TestSudoers: the file gives one account everything, without a password it doesn't have, until its end.
func TestSudoers(t *testing.T) {
	g := SudoGrant{ID: "0190f5fe-7c00-7a00-8000-000000000001", Account: "ann",
		Until: time.Date(2026, 3, 1, 13, 30, 15, 5e8, time.FixedZone("", 3600))}
	want := "# Given by Lodge until 2026-03-01T12:30:15Z, and removed by it then.\n" +
		"ann ALL=(ALL:ALL) NOTAFTER=20260301123015Z NOPASSWD: ALL\n"
	if got := g.Sudoers(); got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if strings.Contains(g.File(), ".") || !strings.Contains(g.Candidate(), ".") {
		t.Errorf("sudo reads names without a dot alone: %s, %s", g.File(), g.Candidate())
	}
}

// TestSudoFiles: what people have put there is never taken for ours.
func TestSudoFiles(t *testing.T) {
	g := SudoGrant{ID: "0190f5fe-7c00-7a00-8000-000000000001"}
	for name, want := range map[string]bool{g.File(): true, g.Candidate(): true, "lodge-admins": false, "README": false,
		"lodge-": false, "90-" + g.File(): false, g.File() + "~": false, "": false} {
		if IsSudoFile(name) != want {
			t.Errorf("%q: %v", name, !want)
		}
	}
}

// TestSudoAccounts: nothing that means something in sudoers is an account.
func TestSudoAccounts(t *testing.T) {
	for _, name := range []string{"ann", "_apt", "deploy-2", "ann.lee", strings.Repeat("a", 32)} {
		if err := CheckSudoAccount(name); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
	for _, name := range []string{"", "root", "ALL", "Ann", "%wheel", "#1000", "+net", "!ann", "ann,bob", "ann bob", "ann\nbob", `ann\`, `"ann"`,
		"-ann", ".ann", "1ann", "ann=", "ann:x", "ann ALL=(ALL) ALL #", "änn", strings.Repeat("a", 33)} {
		if err := CheckSudoAccount(name); !errors.Is(err, ErrInvalid) {
			t.Errorf("%q: %v", name, err)
		}
	}
}
