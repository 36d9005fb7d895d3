package inventory

import (
	"errors"
	"testing"
)

func TestParseDependency(t *testing.T) {
	for text, want := range map[string]Dependency{
		"db1":            {Name: "db1"},
		"db1:port=5432":  {Name: "db1", Port: 5432},
		"db1:port=65535": {Name: "db1", Port: 65535},
	} {
		got, err := ParseDependency(text)
		if err != nil || got != want || got.String() != text {
			t.Errorf("%q is %+v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", ":port=1", "db1:", "db1:port", "db1:port=", "db1:port=0", "db1:port=65536", "db1:port=-1",
		"db1:port=22 ", "db1:5432", "db1:ready", "Db1", "a/b", "db1:port=1:port=2"} {
		if d, err := ParseDependency(text); !errors.Is(err, ErrInvalid) {
			t.Errorf("%q is read as %+v, %v", text, d, err)
		}
	}
}

// TestBootOrderReadsConditions: a condition is no part of the name.
func TestBootOrderReadsConditions(t *testing.T) {
	db, web := &Container{Name: "db"}, &Container{Name: "web", After: []string{"db:port=5432"}}
	waves, stuck := BootOrder([]*Container{web, db})
	if len(waves) != 2 || waves[0][0] != db || waves[1][0] != web || len(stuck) != 0 {
		t.Errorf("%v, stuck %v", waves, stuck)
	}
	db.After = []string{"web:port=80"}
	if _, stuck = BootOrder([]*Container{web, db}); len(stuck) != 2 {
		t.Errorf("a circle through conditions is not seen: %v", stuck)
	}
}
