package inventory

import (
	"reflect"
	"testing"
)

// TestImportedCompletes: what the caller says counts, the export fills in the rest, and once is enough.
func TestImportedCompletes(t *testing.T) {
	was := &Imported{Name: "web1", Description: "shop front", Settings: map[string]string{"cpus": "2", "memory": "1GiB"},
		Labels: map[string]string{"team": "shop"}}
	for _, c := range []struct {
		name string
		was  *Imported
		give CreateArgs
		want CreateArgs
	}{
		{"nothing said", was, CreateArgs{}, CreateArgs{Name: "web1", Purpose: "shop front", Settings: was.Settings, Labels: was.Labels}},
		{"all said", was, CreateArgs{Name: "a", Purpose: "b", Settings: map[string]string{"memory": "2GiB"}, Labels: map[string]string{"team": "ops", "x": "y"}},
			CreateArgs{Name: "a", Purpose: "b", Settings: map[string]string{"cpus": "2", "memory": "2GiB"}, Labels: map[string]string{"team": "ops", "x": "y"}}},
		{"an export that says nothing", &Imported{}, CreateArgs{Name: "a"}, CreateArgs{Name: "a", Purpose: "imported from web.tar"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := ImportContainerArgs{CreateArgs: c.give, Source: "web.tar"}
			for range 2 {
				c.was.Complete(&a)
				if !reflect.DeepEqual(a.CreateArgs, c.want) {
					t.Errorf("got %+v, want %+v", a.CreateArgs, c.want)
				}
			}
		})
	}
	if was.Settings["memory"] != "1GiB" || was.Labels["team"] != "shop" {
		t.Errorf("the export itself was changed: %+v", was)
	}
}
