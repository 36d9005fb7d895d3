package policy

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"lodge/inventory"
	"lodge/manager/gate"
)

// large is a host with 200 policies of the site and 1 000 bindings, and a user in the middle of it.
func large(t testing.TB) (*bench, inventory.Principal) {
	b := newBench(t)
	var text strings.Builder
	for i := range 200 {
		fmt.Fprintf(&text, `@id("p%d") @hold("1") @role("approver") forbid (principal in Group::"g%d", action in [Action::"container.stop", Action::"container.delete"], resource is Container)
			when { resource.env == "prod" && resource.hasTag("tier") && resource.getTag("tier") == "t%d" && context.hour < 20 };`+"\n", i, i%40, i)
	}
	var me inventory.Principal
	for i := range 250 {
		p := b.user(fmt.Sprint("u", i))
		if i == 120 {
			me = p
		}
	}
	for i := range 40 {
		g := inventory.Group{ID: inventory.GroupID(fmt.Sprint("g", i)), Name: fmt.Sprint("g", i)}
		for _, u := range b.users[i*5 : i*5+50] {
			g.Members = append(g.Members, inventory.GroupMember{User: u.ID})
		}
		b.groups = append(b.groups, g)
	}
	for i := range 1000 {
		on, err := inventory.ParseExtent([]string{"host", "project:p" + fmt.Sprint(i), "selector:label.tier=db"}[i%3])
		if err != nil {
			t.Fatal(err)
		}
		b.bindings = append(b.bindings, inventory.Binding{ID: inventory.BindingID(fmt.Sprint("b", i)), Role: inventory.RoleOperator,
			Subject: inventory.GroupMember{User: b.users[i%250].ID}, On: on})
	}
	b.site(text.String())
	return b, me
}

// BenchmarkReview: at most 200 µs a decision. The directory is made once, as the store keeps it.
func BenchmarkReview(b *testing.B) {
	l, me := large(b)
	d, _ := l.Directory(b.Context())
	l.Service.Estate = kept{l, d}
	for _, verb := range []string{"container.stop", "container.view"} { // thought through, and kept
		b.Run(verb, func(b *testing.B) {
			r, p := &gate.Request{Verb: verb, Principal: me, Container: inProd("db1")}, &inventory.Plan{Verb: verb}
			for b.Loop() {
				if got := l.Review(b.Context(), r, p); got.Verdict != gate.Allow {
					b.Fatal(got)
				}
			}
		})
	}
}

// kept is an estate whose directory is arranged once.
type kept struct {
	*bench
	directory *inventory.Directory
}

func (k kept) Directory(context.Context) (*inventory.Directory, error) { return k.directory, nil }
