package inventory_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lodge/inventory"
)

func TestAffinity(t *testing.T) {
	of := func(id, app, env, host string) *inventory.Container {
		return &inventory.Container{ID: inventory.ContainerID(id), Name: id, Project: "default",
			Environment: inventory.Environment(env), HostID: inventory.HostID(host), Labels: map[string]string{"app": app}}
	}
	all := []*inventory.Container{of("p1", "shop", "prod", "h1"), of("p2", "shop", "prod", "h1"),
		of("d1", "shop", "dr", "h1"), of("d2", "shop", "dr", "h2"), of("t1", "shop", "test", "h1"), of("x", "other", "dr", "h1")}
	for _, test := range []struct {
		rule string
		of   int
		want []string
	}{
		{"apart env=prod,dr", 0, []string{"d1"}},
		{"apart env=prod,dr", 2, []string{"p1", "p2"}},
		{"apart env=prod,dr", 3, nil}, // alone on its host
		{"apart env=prod,dr", 4, nil}, // no member
		{"apart env=prod,dr", 5, nil}, // another application
		{"apart env=prod", 0, []string{"p2"}},
		{"together env=prod,dr", 0, []string{"d2"}},
		{"together env=prod", 0, nil},
	} {
		form, members, _ := strings.Cut(test.rule, " ")
		rule, err := inventory.AffinityArgs{App: "shop", Form: form, Members: members}.Affinity()
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, c := range rule.Conflicts(all[test.of], all) {
			got = append(got, c.Name)
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s, %s: %s", test.rule, all[test.of].Name, diff)
		}
		if said := rule.Violation(all[test.of], all); (said == "") != (test.want == nil) {
			t.Errorf("%s, %s: %q", test.rule, all[test.of].Name, said)
		}
	}
}

func TestAffinityRefused(t *testing.T) {
	for _, args := range []inventory.AffinityArgs{
		{App: "Shop", Form: "apart", Members: "env=prod"}, {App: "shop", Form: "near", Members: "env=prod"},
		{App: "shop", Form: "apart", Members: "env"}, {App: "shop", Form: "apart", Members: "env="},
		{App: "shop", Form: "apart", Members: "env=prod,,dr"}, {App: "shop", Form: "apart", Members: "env=prod,prod"},
		{App: "shop", Form: "apart", Members: "no field=x"}, {App: "shop", Form: "apart", Members: "=x"},
	} {
		if rule, err := args.Affinity(); !errors.Is(err, inventory.ErrInvalid) {
			t.Errorf("%+v: %+v %v", args, rule, err)
		}
	}
}
