package network_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"lodge/inventory"
	"lodge/network"
)

// claimHost is a host with its own claims folder and account files.
type claimHost struct {
	dir      string
	occupied []netip.Prefix
}

func newClaimHost(t *testing.T, subuid string) *claimHost {
	t.Helper()
	h := &claimHost{dir: t.TempDir()}
	for _, name := range []string{"subuid", "subgid"} {
		if err := os.WriteFile(filepath.Join(h.dir, name), []byte(subuid), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return h
}

func (h *claimHost) config(root string) network.ClaimConfig {
	return network.ClaimConfig{
		Root: filepath.Join(h.dir, root), DefaultRoot: filepath.Join(h.dir, "main"), Dir: filepath.Join(h.dir, "claims"),
		ResolvConf: filepath.Join(h.dir, "resolv.conf"), Subuid: filepath.Join(h.dir, "subuid"),
		Subgid: filepath.Join(h.dir, "subgid"), IDRanges: 16,
		Occupied: func(...string) ([]netip.Prefix, error) { return h.occupied, nil },
	}
}

func claim(t *testing.T, cfg network.ClaimConfig) network.Claims {
	t.Helper()
	c, err := network.Claim(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestClaimOfTheDefaultRoot(t *testing.T) {
	h := newClaimHost(t, "alice:100000:65536\n")
	os.WriteFile(filepath.Join(h.dir, "resolv.conf"), []byte("nameserver 10.86.0.53\n"), 0o644)
	c := claim(t, h.config("main"))
	if c.Bridge != "lodge0" || c.IPv4.String() != "10.86.1.1/24" || c.IDBase != 1_000_000 || c.IDRanges != 15 {
		t.Errorf("claimed %+v", c)
	}
	if c.RoleID != c.IDBase+15*network.IDsPerContainer {
		t.Errorf("the roles' ids %d are not behind the containers'", c.RoleID)
	}
	for _, name := range []string{"subuid", "subgid"} {
		text, _ := os.ReadFile(filepath.Join(h.dir, name))
		if string(text) != "alice:100000:65536\nroot:1000000:1048576\n" {
			t.Errorf("%s is %q", name, text)
		}
	}
	// Whatever happens to the host, the claims stay.
	h.occupied = []netip.Prefix{netip.MustParsePrefix("10.86.1.0/24")}
	os.RemoveAll(filepath.Join(h.dir, "claims"))
	if again := claim(t, h.config("main")); !reflect.DeepEqual(again, c) {
		t.Errorf("claimed %+v first and %+v after a reboot", c, again)
	}
	if text, _ := os.ReadFile(filepath.Join(h.dir, "subuid")); strings.Count(string(text), "root:") != 1 {
		t.Errorf("reserved more than once: %q", text)
	}
}

// An agent that starts again on a full disk can write nothing.
func TestClaimWritesNothingAnew(t *testing.T) {
	h := newClaimHost(t, "")
	first := claim(t, h.config("main"))
	files, _ := filepath.Glob(filepath.Join(h.dir, "*", "*.json"))
	var before []os.FileInfo
	for _, path := range files {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		before = append(before, info)
	}
	if len(before) < 2 {
		t.Fatalf("the claims are kept in %v", files)
	}
	if again := claim(t, h.config("main")); !reflect.DeepEqual(again, first) {
		t.Errorf("claimed %+v, then %+v", first, again)
	}
	for i, path := range files {
		if now, err := os.Stat(path); err != nil || !os.SameFile(before[i], now) || !now.ModTime().Equal(before[i].ModTime()) {
			t.Errorf("%s was written again", path)
		}
	}
}

func TestClaimKeepsClearOfOthers(t *testing.T) {
	h := newClaimHost(t, "bob:1000000:65536\ncarol:3000000:10\nnonsense\nroot:1065536:5\n")
	h.occupied = []netip.Prefix{netip.MustParsePrefix("10.86.0.0/23")}
	c := claim(t, h.config("other"))
	if c.Bridge == "lodge0" || c.IPv4.String() != "10.86.2.1/24" || c.IDBase != 1_131_072 {
		t.Errorf("claimed %+v", c)
	}
}

// Agents that start at the same time never get the same value.
func TestClaimsAtTheSameTime(t *testing.T) {
	h := newClaimHost(t, "")
	roots := []string{"main", "a", "b", "c", "d", "e", "f", "g"}
	claims := make([]network.Claims, len(roots))
	var wg sync.WaitGroup
	for i, root := range roots {
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			var err error
			if claims[i], err = network.Claim(ctx, h.config(root)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for i, a := range claims {
		for _, b := range claims[:i] {
			if a.Bridge == b.Bridge || a.IPv4.Overlaps(b.IPv4) || a.IPv6.Overlaps(b.IPv6) ||
				a.IDBase < b.RoleID+network.IDsPerContainer && b.IDBase < a.RoleID+network.IDsPerContainer {
				t.Errorf("both claimed: %+v and %+v", a, b)
			}
		}
	}
	if claims[0].Bridge != "lodge0" {
		t.Errorf("the default root got %s", claims[0].Bridge)
	}
}

func TestClaimOfACopy(t *testing.T) {
	h := newClaimHost(t, "")
	claim(t, h.config("a"))
	if err := os.CopyFS(filepath.Join(h.dir, "b"), os.DirFS(filepath.Join(h.dir, "a"))); err != nil {
		t.Fatal(err)
	}
	_, err := network.Claim(context.Background(), h.config("b"))
	if !errors.Is(err, inventory.ErrExists) || !strings.Contains(err.Error(), filepath.Join(h.dir, "a")) {
		t.Errorf("a copy of a root claimed: %v", err)
	}
	// A root that was moved is no copy.
	if err := os.RemoveAll(filepath.Join(h.dir, "a")); err != nil {
		t.Fatal(err)
	}
	claim(t, h.config("b"))
}

func TestReleaseGivesBack(t *testing.T) {
	before := "alice:100000:65536\n"
	h := newClaimHost(t, before)
	first := claim(t, h.config("a"))
	if err := network.Release(context.Background(), h.config("a")); err != nil {
		t.Fatal(err)
	}
	if text, _ := os.ReadFile(filepath.Join(h.dir, "subuid")); string(text) != before {
		t.Errorf("subuid is %q", text)
	}
	second := claim(t, h.config("b"))
	if second.IPv4 != first.IPv4 || second.IDBase != first.IDBase || second.Bridge != first.Bridge {
		t.Errorf("released %+v and claimed %+v", first, second)
	}
	if err := network.Release(context.Background(), h.config("never")); err != nil {
		t.Errorf("releasing nothing: %v", err)
	}
}

func TestClaimOfAChosenSubnet(t *testing.T) {
	h := newClaimHost(t, "")
	cfg := h.config("a")
	cfg.IPv4 = netip.MustParsePrefix("10.9.0.1/20")
	if c := claim(t, cfg); c.IPv4 != cfg.IPv4 {
		t.Errorf("claimed %v", c.IPv4)
	}
	cfg = h.config("b")
	cfg.IPv4 = netip.MustParsePrefix("10.9.8.1/24")
	if _, err := network.Claim(context.Background(), cfg); !errors.Is(err, inventory.ErrExists) {
		t.Errorf("a subnet of another agent was claimed: %v", err)
	}
}

func TestClaimRefusesATornFile(t *testing.T) {
	h := newClaimHost(t, "")
	claim(t, h.config("a"))
	path := filepath.Join(h.dir, "a", "claims.json")
	if err := os.WriteFile(path, []byte(`{"bridge":`), 0o600); err != nil {
		t.Fatal(err)
	}
	// Claiming anew would move every container to other addresses and ids.
	if _, err := network.Claim(context.Background(), h.config("a")); !errors.Is(err, inventory.ErrInvalid) {
		t.Errorf("got %v", err)
	}
}

func TestClaimGivesUpWhenIDsAreOut(t *testing.T) {
	h := newClaimHost(t, "root:0:4294967295\n")
	_, err := network.Claim(context.Background(), h.config("a"))
	if !errors.Is(err, inventory.ErrQuota) {
		t.Errorf("got %v", err)
	}
}

// More networks of two agents of one host never share a bridge or a subnet, nor do a third agent's first.
func TestClaimNetworks(t *testing.T) {
	h := newClaimHost(t, "")
	ctx := t.Context()
	claim(t, h.config("main"))
	claim(t, h.config("other"))
	taken := map[string]bool{}
	for _, root := range []string{"main", "other", "main"} {
		name := fmt.Sprintf("lab%d", len(taken))
		c, err := network.ClaimNetwork(ctx, h.config(root), name, netip.Prefix{})
		if err != nil {
			t.Fatal(err)
		}
		if taken[c.Bridge] || taken[c.IPv4.String()] {
			t.Errorf("%s of %s has %+v, which another has too", name, root, c)
		}
		taken[c.Bridge], taken[c.IPv4.String()] = true, true
		if again, err := network.ClaimNetwork(ctx, h.config(root), name, netip.Prefix{}); err != nil || again != c {
			t.Errorf("claimed again it is %+v, %v", again, err)
		}
	}
	for _, n := range claim(t, h.config("third")).Networks() {
		if taken[n.Bridge] || taken[n.IPv4.String()] {
			t.Errorf("a third agent has %+v", n)
		}
	}
	main := claim(t, h.config("main"))
	if _, err := network.ClaimNetwork(ctx, h.config("other"), "thief", main.IPv4); !errors.Is(err, inventory.ErrExists) {
		t.Errorf("the subnet of another agent: %v", err)
	}
	moved, err := network.ClaimNetwork(ctx, h.config("main"), main.More[0].Name, netip.MustParsePrefix("10.200.0.1/24"))
	if err != nil || moved.Bridge != main.More[0].Bridge || moved.IPv4.String() != "10.200.0.1/24" {
		t.Errorf("another subnet: %+v, %v", moved, err)
	}
	for range 2 {
		if err := network.UnclaimNetwork(ctx, h.config("main"), moved.Name); err != nil {
			t.Fatal(err)
		}
	}
	if left := claim(t, h.config("main")).More; len(left) != 1 || left[0].Name == moved.Name {
		t.Errorf("left are %+v", left)
	}
}
