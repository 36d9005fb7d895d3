package inventory_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"lodge/inventory"
)

func TestCheckName(t *testing.T) {
	for _, good := range []string{"a", "web1", "shop-front", "9lives", strings.Repeat("a", 63)} {
		if err := inventory.CheckName("container", good); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
	for _, bad := range []string{"", "-web", "web-", "Web", "wéb", "a.b", "..", "a/b", "a_b", "a b", "web\n", strings.Repeat("a", 64),
		"0190a5a0-0000-7000-8000-000000000000", "--plan", "ｗeb"} {
		if err := inventory.CheckName("container", bad); !errors.Is(err, inventory.ErrInvalid) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestParseBytes(t *testing.T) {
	for text, want := range map[string]inventory.Bytes{"512MiB": 512 << 20, "2GiB": 2 << 30, "10GB": 10e9, "1.5GiB": 3 << 29,
		"4096": 4096, "64KiB": 64 << 10, "1TiB": 1 << 40, " 7 MB ": 7e6} {
		if got, err := inventory.ParseBytes(text); err != nil || got != want {
			t.Errorf("%q: %d, %v; want %d", text, got, err, want)
		}
	}
	for _, bad := range []string{"", "0", "-1GiB", "0GiB", "GiB", "NaN", "Inf", "9e30", "9999999999TiB", "1XB", "0x10"} {
		if got, err := inventory.ParseBytes(bad); !errors.Is(err, inventory.ErrInvalid) && bad != "0x10" {
			t.Errorf("%q: %d, %v", bad, got, err)
		}
	}
	for _, b := range []inventory.Bytes{1, 512 << 20, 3 << 29, 1 << 40, 10 << 30} {
		if got, err := inventory.ParseBytes(b.String()); err != nil || got != b {
			t.Errorf("%d is written %s and read as %d, %v", b, b, got, err)
		}
	}
}

func TestParseDuration(t *testing.T) {
	for text, want := range map[string]time.Duration{"30m": 30 * time.Minute, "7d": 168 * time.Hour, "1d12h": 36 * time.Hour, "90s": 90 * time.Second} {
		if got, err := inventory.ParseDuration(text); err != nil || got != want {
			t.Errorf("%q: %s, %v", text, got, err)
		}
	}
	for _, bad := range []string{"", "7", "-1h", "d", "99999999d", "1w"} {
		if got, err := inventory.ParseDuration(bad); err == nil {
			t.Errorf("%q: %s", bad, got)
		}
	}
}

func TestIDsSortByTimeAndAreTold(t *testing.T) {
	now := time.Date(2026, 5, 3, 0, 0, 0, 0, time.UTC)
	last := ""
	for i := range 100 {
		id := inventory.NewID(now.Add(time.Duration(i) * time.Millisecond))
		if !inventory.IsID(id) || id[14] != '7' || !strings.ContainsAny(id[19:20], "89ab") {
			t.Fatalf("%s is no UUIDv7", id)
		}
		if id <= last {
			t.Fatalf("%s does not sort after %s", id, last)
		}
		last = id
	}
	if inventory.IsID("web1") || inventory.IsID(strings.Repeat("x", 36)) {
		t.Error("a name is taken for an id")
	}
}

func TestErrorKindsAreDistinct(t *testing.T) {
	for i, k := range inventory.ErrorKinds {
		err := fmt.Errorf("outer: %w", inventory.Errorf(k.Err, "web1 can't be %s", "stopped"))
		if got, ok := inventory.Kind(err); !ok || got.Name != k.Name {
			t.Errorf("%s comes back as %s", k.Name, got.Name)
		}
		if err.Error() != "outer: web1 can't be stopped" {
			t.Errorf("the kind is repeated to the reader: %s", err)
		}
		if back, ok := inventory.KindNamed(k.Name); !ok || back.Err != k.Err {
			t.Errorf("%s is not found by name", k.Name)
		}
		for _, other := range inventory.ErrorKinds[:i] {
			if other.Name == k.Name {
				t.Errorf("%s is there twice", k.Name)
			}
		}
	}
	if _, ok := inventory.Kind(errors.New("oops")); ok {
		t.Error("an internal error has a kind")
	}
}

var table = inventory.NewSettings([]inventory.Setting{
	{Name: "memory", Type: inventory.TypeBytes, Scopes: []inventory.Scope{inventory.ScopeHost, inventory.ScopeContainer}, Default: "1GiB", Min: "16MiB", Effect: inventory.EffectLive},
	{Name: "cpus", Type: inventory.TypeCPUs, Scopes: []inventory.Scope{inventory.ScopeContainer}, Default: "1", Min: "0.1", Max: "64"},
	{Name: "processes", Type: inventory.TypeInt, Scopes: []inventory.Scope{inventory.ScopeContainer}, Min: "1"},
	{Name: "policy", Type: inventory.TypeEnum, Values: []string{"never", "always"}, Scopes: []inventory.Scope{inventory.ScopeContainer}},
	{Name: "nesting", Type: inventory.TypeBool, Scopes: []inventory.Scope{inventory.ScopeContainer}, Effect: inventory.EffectRestart, Risk: inventory.RiskHigh},
})

func TestSettingsCheck(t *testing.T) {
	good, err := table.Check(inventory.ScopeContainer, map[string]string{"memory": "1024MiB", "cpus": "0.50", "processes": "10", "policy": "always", "nesting": "1"})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"memory": "1GiB", "cpus": "0.5", "processes": "10", "nesting": "true"} {
		if good[name] != want {
			t.Errorf("%s is kept as %q, want %q", name, good[name], want)
		}
	}
	for name, bad := range map[string]string{"memory": "1MiB", "cpus": "65", "processes": "1.5", "policy": "maybe", "nesting": "perhaps", "colour": "red"} {
		if _, err := table.Check(inventory.ScopeContainer, map[string]string{name: bad}); !errors.Is(err, inventory.ErrInvalid) {
			t.Errorf("%s=%s: %v", name, bad, err)
		}
	}
	if _, err := table.Check(inventory.ScopeHost, map[string]string{"cpus": "1"}); !errors.Is(err, inventory.ErrInvalid) {
		t.Errorf("a container's setting on the host: %v", err)
	}
}

func TestEffectiveValuesHaveAnOrigin(t *testing.T) {
	values := table.Effective(
		inventory.Layer{Origin: "container", Values: map[string]string{"cpus": "2"}},
		inventory.Layer{Origin: "host", Values: map[string]string{"cpus": "4", "memory": "2GiB"}})
	got := map[string]string{}
	for _, v := range values {
		got[v.Setting] = v.Value + " " + v.Origin
	}
	for name, want := range map[string]string{"cpus": "2 container", "memory": "2GiB host", "processes": " default"} {
		if got[name] != want {
			t.Errorf("%s: %q, want %q", name, got[name], want)
		}
	}
}

func TestBootOrder(t *testing.T) {
	c := func(name string, after ...string) *inventory.Container {
		return &inventory.Container{Name: name, Project: "default", After: after}
	}
	waves, stuck := inventory.BootOrder([]*inventory.Container{
		c("web", "app"), c("app", "db", "cache"), c("db"), c("cache", "elsewhere"), c("x", "y"), c("y", "x"), c("z", "y")})
	text := ""
	for _, w := range waves {
		for _, m := range w {
			text += m.Name + " "
		}
		text += "| "
	}
	if text != "cache db | app | web | " {
		t.Errorf("waves: %s", text)
	}
	if len(stuck) != 3 || stuck[0].Name != "x" || stuck[2].Name != "z" {
		t.Errorf("stuck: %v", stuck)
	}
}

func TestDiffSaysWhatAChangeTakes(t *testing.T) {
	before := &inventory.Container{Name: "web1", Owner: "a", Settings: map[string]string{"memory": "1GiB"}, Labels: map[string]string{"tier": "web"}}
	after := before.Clone()
	after.Owner, after.Settings["memory"], after.Settings["nesting"] = "b", "2GiB", "true"
	delete(after.Labels, "tier")
	var got []string
	for _, line := range inventory.Diff(before, after, table) {
		got = append(got, fmt.Sprintf("%s:%s>%s:%s", line.Field, line.Before, line.After, line.Effect))
	}
	want := "owner:a>b:live label.tier:web>:live memory:1GiB>2GiB:live nesting:>true:restart"
	if strings.Join(got, " ") != want {
		t.Errorf("got  %s\nwant %s", strings.Join(got, " "), want)
	}
	if before.Settings["memory"] != "1GiB" {
		t.Error("Clone shares a map")
	}
	if lines := inventory.Diff(before, before.Clone(), table); len(lines) != 0 {
		t.Errorf("no change is a change: %v", lines)
	}
}

func TestHostInterfaceFitsTheKernel(t *testing.T) {
	c := &inventory.Container{ID: inventory.ContainerID(inventory.NewID(time.Now()))}
	if a, b := c.HostInterface(0), c.HostInterface(1); len(a) > 15 || a == b {
		t.Errorf("%q and %q", a, b)
	}
}
