package inventory

import (
	"errors"
	"reflect"
	"strings"
	"testing"
)

func TestProjectCheck(t *testing.T) {
	good := Project{Name: "shop", Purpose: "the web shop", Owner: "dev1"}
	if err := good.Check(); err != nil {
		t.Error(err)
	}
	for want, spoil := range map[string]func(*Project){
		"may hold only":      func(p *Project) { p.Name = "my_shop" },
		"needs a purpose":    func(p *Project) { p.Purpose = "" },
		"1000 characters":    func(p *Project) { p.Purpose = strings.Repeat("x", 1001) },
		"the owner has to":   func(p *Project) { p.Owner = "a\x1b[31m" },
		"no member":          func(p *Project) { p.Members = []Member{{"dev1", ""}} },
		"no member; write":   func(p *Project) { p.Members = []Member{{"dev 1", "viewer"}} },
		"is a member twice;": func(p *Project) { p.Members = []Member{{"dev1", "viewer"}, {"dev1", "owner"}} },
	} {
		p := *good.Clone()
		spoil(&p)
		if err := p.Check(); !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", p, err, want)
		}
	}
}

func TestMergeMembers(t *testing.T) {
	got := MergeMembers([]Member{{"b", "viewer"}, {"c", "owner"}}, []Member{{"b", "operator"}, {"a", "viewer"}}, []string{"c", "d"})
	if want := []Member{{"a", "viewer"}, {"b", "operator"}}; !reflect.DeepEqual(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

func TestDiffProjects(t *testing.T) {
	before := &Project{Name: "shop", Purpose: "x", Settings: map[string]string{"memory": "1GiB"}}
	after := before.Clone()
	after.Members, after.Settings["memory"] = []Member{{"dev1", "viewer"}}, "2GiB"
	table := NewSettings([]Setting{{Name: "memory", Effect: EffectLive, Risk: RiskLow}})
	got := DiffProjects(before, after, table)
	want := []EffectLine{{Field: "members", After: "dev1=viewer", Effect: EffectLive},
		{Field: "memory", Before: "1GiB", After: "2GiB", Effect: EffectLive, Risk: RiskLow}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%+v", got)
	}
	if before.Settings["memory"] != "1GiB" {
		t.Error("a clone shares its settings")
	}
}

func TestParseQuota(t *testing.T) {
	for _, tt := range []struct {
		name, value string
		want        int64
	}{
		{"containers", "20", 20}, {"containers", "0", 0}, {"cpus", "2.5", 2500}, {"cpus", "0", 0},
		{"memory", "8GiB", int64(8 * GiB)}, {"disk", "0", 0},
		{"containers", "2.5", -1}, {"containers", "-1", -1}, {"cpus", "NaN", -1}, {"cpus", "-1", -1},
		{"cpus", "1e300", -1}, {"memory", "-1GiB", -1}, {"memory", "lots", -1}, {"cats", "1", -1},
	} {
		got, err := ParseQuota(tt.name, tt.value)
		if tt.want < 0 {
			if !errors.Is(err, ErrInvalid) {
				t.Errorf("%s=%s is %d, %v", tt.name, tt.value, got, err)
			}
			continue
		}
		if err != nil || got != tt.want {
			t.Errorf("%s=%s is %d, %v, want %d", tt.name, tt.value, got, err, tt.want)
		}
	}
}

// The nearest layer that has a value wins, and says so.
func TestLayers(t *testing.T) {
	table := NewSettings([]Setting{
		{Name: "cpus", Default: "1", Scopes: []Scope{ScopeContainer, ScopeProject}},
		{Name: "memory", Default: "512MiB", Scopes: []Scope{ScopeContainer, ScopeProject}},
		{Name: "disk", Default: "10GiB", Scopes: []Scope{ScopeContainer}},
		{Name: "trash.keep", Default: "7d", Scopes: []Scope{ScopeProject}}})
	p := Project{Name: "shop", Settings: map[string]string{"memory": "1GiB", "cpus": "2"}}
	layers := []Layer{{"container", map[string]string{"cpus": "3"}}, p.Layer(), {"host", map[string]string{"memory": "4GiB", "disk": "5GiB"}}}
	want := []Value{{"cpus", "3", "container"}, {"disk", "5GiB", "host"}, {"memory", "1GiB", "project shop"}}
	if got := table.Effective(layers...); !reflect.DeepEqual(got, want) {
		t.Errorf("%v", got)
	}
	want = []Value{{"cpus", "2", "project shop"}, {"memory", "1GiB", "project shop"}, {"trash.keep", "7d", "default"}}
	if got := table.InForce(ScopeProject, layers[1:]...); !reflect.DeepEqual(got, want) {
		t.Errorf("%v", got)
	}
}
