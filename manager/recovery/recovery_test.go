package recovery

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lodge/inventory"
)

func container(id, name string) *inventory.Container {
	return &inventory.Container{ID: inventory.ContainerID(id), Name: name, Project: "default", Pool: "default"}
}

func TestStrays(t *testing.T) {
	web := container("1", "web1")
	fits := Scene{Containers: []*inventory.Container{web}, Roots: map[string][]string{"default": {"1"}},
		Snapshots: []string{"1/s1"}, Recorded: []string{"1/s1"}, Folders: []string{"web1"}, Mounts: []string{"1"}}
	for name, test := range map[string]struct {
		change func(s *Scene)
		want   []string
	}{
		"all fits":               {func(*Scene) {}, nil},
		"a root of nobody's":     {func(s *Scene) { s.Roots["default"] = []string{"1", "2"} }, []string{"root without container 2"}},
		"the root is gone":       {func(s *Scene) { s.Roots["default"], s.Snapshots = nil, nil }, []string{"container without root web1"}},
		"its pool is away":       {func(s *Scene) { s.Roots = nil }, nil},
		"a snapshot of nobody's": {func(s *Scene) { s.Recorded = nil }, []string{"snapshot without record 1/s1"}},
		"past the gate":          {func(s *Scene) { s.Folders = append(s.Folders, "rogue") }, []string{"container past the gate rogue"}},
		"a mount of nobody's":    {func(s *Scene) { s.Mounts = []string{"3"} }, []string{"mount without container 3"}},
		"while it is being made": {func(s *Scene) {
			s.Roots["default"], s.Mounts, s.Folders, s.Busy = []string{"1", "2"}, []string{"2"}, []string{"web1", "new"}, []string{"2"}
		}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			s := fits
			s.Roots = map[string][]string{"default": {"1"}}
			test.change(&s)
			var got []string
			for _, stray := range Strays(s) {
				got = append(got, string(stray.Kind)+" "+stray.Name)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// A container whose root is gone can come back from a snapshot, and the advice says which.
func TestStrayAdvice(t *testing.T) {
	s := Scene{Containers: []*inventory.Container{container("1", "web1")},
		Roots: map[string][]string{"default": nil}, Snapshots: []string{"1/nightly"}, Recorded: []string{"1/nightly"}}
	all := Strays(s)
	if len(all) != 1 || !strings.Contains(all[0].Advice, "snapshot restore web1 nightly") {
		t.Errorf("%+v", all)
	}
}

func TestReadAndWrite(t *testing.T) {
	root := t.TempDir()
	dir := filepath.Join(root, "containers", "we[b]1")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	copied := inventory.Copy{Schema: 3, Event: 7, Tables: map[string][]map[string]any{
		"containers": {{"name": "yes", "revision": 9007199254740993, "labels": `{"a":"1e3"}`, "expires_ns": nil}}}}
	path := filepath.Join(dir, containerFile)
	if err := write(path, container("1", "web1"), copied); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatal(info, err)
	}
	found, err := Read(root)
	if err != nil || len(found.Unread) > 0 {
		t.Fatal(err, found.Unread)
	}
	if diff := cmp.Diff([]inventory.Copy{copied}, found.Containers); diff != "" {
		t.Error(diff)
	}
	// Events alone change nothing, so the file stays; a row does.
	copied.Event++
	if err := write(path, nil, copied); err != nil {
		t.Fatal(err)
	}
	if again, _ := os.Stat(path); !os.SameFile(info, again) {
		t.Error("the file was written for nothing")
	}
	copied.Tables["containers"][0]["name"] = "no"
	if err := write(path, nil, copied); err != nil {
		t.Fatal(err)
	}
	if again, _ := os.Stat(path); os.SameFile(info, again) {
		t.Error("the file was not written")
	}
}

func TestReadDamaged(t *testing.T) {
	root := t.TempDir()
	for name, text := range map[string]string{"a": "format: 1\ncontainer: {}\n", "b": "{{{", "c": ""} {
		dir := filepath.Join(root, "containers", name)
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, containerFile), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	found, err := Read(root)
	if err != nil || len(found.Containers) != 0 || len(found.Unread) != 3 {
		t.Errorf("%v %+v", err, found)
	}
	if lost, err := Any(root); err != nil || !lost {
		t.Error(lost, err)
	}
}
