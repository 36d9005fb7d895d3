package network_test

import (
	"context"
	"strings"
	"testing"

	"lodge/inventory"
)

func TestNamesFromAContainer(t *testing.T) {
	s, n := setup(t)
	guest := newGuest(t, n, 2)
	ctx := context.Background()
	web := testContainer("web1", "10.86.7.2")
	db := testContainer("db", "10.86.7.3")
	db.Project = "shop"
	if err := s.Publish(ctx, []inventory.Container{web, db}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ query, want string }{
		{"web1.lodge.internal A", "10.86.7.2"},
		{"WEB1.Lodge.Internal A", "10.86.7.2"},
		{"web1.default.lodge.internal A", "10.86.7.2"},
		{"web1.lodge.internal AAAA", "fd4c:86:7::2"},
		{"db.shop.lodge.internal A", "10.86.7.3"},
		{"db.lodge.internal A", ""},
		{"-x 10.86.7.2", "web1.lodge.internal."},
		{"-x 10.86.7.3", "db.shop.lodge.internal."},
		{"-x fd4c:86:7::2", "web1.lodge.internal."},
		{"lodge.internal NS", "lodge.internal."},
		{"+tcp web1.lodge.internal A", "10.86.7.2"},
		{"+search +domain=lodge.internal web1 A", "10.86.7.2"},
	} {
		for _, server := range []string{"10.86.7.1", "fd4c:86:7::1"} {
			args := append([]string{"dig", "+short", "+tries=1", "+time=2", "@" + server}, strings.Fields(c.query)...)
			if got := guest.run(args...); got != c.want {
				t.Errorf("%v: %q, want %q", args, got, c.want)
			}
		}
	}
}
