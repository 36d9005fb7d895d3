package main

import (
	"bytes"
	"reflect"
	"strings"
	"testing"

	"lodge/inventory"
)

// TestSpecText: whatever a spec holds comes back from its text, alone and among others.
func TestSpecText(t *testing.T) {
	odd := []string{"x", "true", "1e3", "null", "~", "- a", "a: b # c", "'", `"`, " blank ", "2026-05-03", "0x1f", "é", "{}", "*a", "!b", "%c", "|"}
	var all inventory.Specs
	for _, text := range odd {
		no := false
		all.Volumes = append(all.Volumes, inventory.VolumeSpec{Kind: "volume", Name: text, Project: "shop", Size: text, Pool: text, Purpose: text, Owner: text, Backup: &no, Shared: true})
		all.Containers = append(all.Containers, inventory.Spec{Name: text, Project: "shop", Image: text, Purpose: text, Owner: text, Environment: text,
			DataClass: text, Labels: map[string]string{text: text, "empty": ""}, CPUs: text, Memory: text, Disk: text,
			Settings: map[string]string{text: text}, Pool: text, Network: text, IP: text, After: []string{text, "b"}, Intent: inventory.Intent(text),
			Devices: map[string]map[string]string{text: {"type": text, text: text}}})
	}
	all.Containers = append(all.Containers, inventory.Spec{Name: "least", Project: "shop", Purpose: "x"})
	var b bytes.Buffer
	if err := writeSpecs(&b, all); err != nil {
		t.Fatal(err)
	}
	got, err := readSpecs(b.Bytes(), "default")
	if err != nil || !reflect.DeepEqual(got, all) {
		t.Errorf("%v\n got %+v\nwant %+v", err, got, all)
	}
}

func TestReadSpecs(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"", ""}, {"---\n---\n", ""}, {"# nothing\n", ""}, {"[]", ""},
		{"name: a", "p/a"}, {"name: a\n---\n- name: b\n- {name: c, project: q}\n---\n", "p/a p/b q/c"},
		{"name: a\nmemroy: 1GiB", "!line 2: there is no field memroy"},
		{"- name: a\n- name: b\n  lables: {}", "!line 3: there is no field lables"},
		{"name: a\n---\nname: b\n\nafter: db1", "!line 5: a str `db1` can't stand here"},
		{"name: a\nname: b", "!line 2: mapping key \"name\" already defined at line 1"},
		{"name: [a", "!line 1: did not find"}, {"just words", "!a str `just words` can't stand here"},
		{"settings: {a: {b: c}}", "!line 1: a map can't stand here"},
		{"kind: volume\nname: v\n---\n- name: a\n- {kind: volume, name: w, project: q}\n- {kind: container, name: b}", "volume p/v volume q/w p/a p/b"},
		{"kind: volume\nname: v\nimage: x", "!line 3: there is no field image"}, {"name: a\nsize: 1GiB", "!line 2: there is no field size"},
		{"kind: floppy\nname: a", `!line 1: there is no kind "floppy"; there are container and volume`},
		{"name: a\ndevices:\n  d: {type: tmpfs, path: /x, readonly: true, size: 64}", "p/a"},
		{"name: a\ndevices:\n  d: tmpfs", "!line 3: a str `tmpfs` can't stand here"},
	} {
		got, err := readSpecs([]byte(tt.text), "p")
		if part, wrong := strings.CutPrefix(tt.want, "!"); wrong {
			if err == nil || !strings.Contains(err.Error(), part) || strings.Contains(err.Error(), "\n") || codeOf(err) != inventory.ExitUsage {
				t.Errorf("%q: %v, want %q", tt.text, err, part)
			}
			continue
		}
		var names []string
		for _, v := range got.Volumes {
			names = append(names, "volume "+v.Project+"/"+v.Name)
		}
		for _, s := range got.Containers {
			names = append(names, s.Project+"/"+s.Name)
		}
		if strings.Join(names, " ") != tt.want || err != nil {
			t.Errorf("%q: %v, %v", tt.text, names, err)
		}
	}
}

func FuzzReadSpecs(f *testing.F) {
	f.Add("name: a\n---\n- {name: b}\n")
	f.Add("a: &a [*a]")
	f.Add("- &v {kind: volume, name: a}\n- *v\n- {<<: *v, kind: container}")
	f.Fuzz(func(t *testing.T, text string) {
		specs, err := readSpecs([]byte(text), "p")
		if err != nil {
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("more than a line: %v", err)
			}
			return
		}
		var b bytes.Buffer
		if err := writeSpecs(&b, specs); err != nil {
			t.Fatal(err)
		}
		again, err := readSpecs(b.Bytes(), "p")
		if err != nil || len(entries(again)) != len(entries(specs)) {
			t.Errorf("%v became %v: %v", specs, again, err)
		}
	})
}
