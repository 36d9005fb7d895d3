package main

import (
	"context"
	"fmt"

	"lodge/inventory"
	"lodge/web/client"
)

// glass is root with the glass broken: policies of the site that are there don't hold it.
func (l *lab) glass() *client.Client {
	l.t.Helper()
	api, err := client.Dial("unix:" + l.socket())
	l.must(err)
	api.BreakGlass()
	l.t.Cleanup(api.Close)
	return api
}

// settingPolicies makes one policy the site's, which is about nothing that is there.
func (l *lab) settingPolicies(name string) mutation {
	text := fmt.Sprintf("@id(%q) forbid (principal, action == Action::\"container.kill\", resource) when { resource.name == \"%s-x\" };\n", name, name)
	return func(ctx context.Context) (client.Answer, error) {
		return l.glass().SetPolicies(ctx, inventory.PolicyArgs{Text: text}, client.Options{Reason: "a test"})
	}
}

func (l *lab) expecting(name string) mutation {
	return func(ctx context.Context) (client.Answer, error) {
		return l.glass().Expect(ctx, inventory.ExpectArgs{As: "root", Ask: []string{"container.stop", "label.x=" + name}, Want: "allow"},
			client.Options{Reason: "a test"})
	}
}

func init() {
	crashFixtures["policy.set"] = func(l *lab, name string) crashFixture {
		return crashFixture{l.settingPolicies(name), has("policies", name)}
	}
	crashFixtures["policy.expect.add"] = func(l *lab, name string) crashFixture {
		return crashFixture{l.expecting(name), has("expected label.x="+name, "allow")}
	}
	crashFixtures["policy.expect.remove"] = func(l *lab, name string) crashFixture {
		l.do(l.expecting(name))
		all, err := l.api.Expectations(context.Background())
		l.must(err)
		id := all[len(all)-1].ID
		return crashFixture{func(ctx context.Context) (client.Answer, error) {
			return l.glass().Unexpect(ctx, id, client.Options{Reason: "a test"})
		}, lacks("expected label.x=" + name)}
	}
}

// addPolicies puts what the site's policies are, and what is expected of them, into the world.
func (l *lab) addPolicies(w world) {
	l.t.Helper()
	now, err := l.api.Policies(context.Background())
	l.must(err)
	w["policies"] = now.Text
	all, err := l.api.Expectations(context.Background())
	l.must(err)
	for _, e := range all {
		w["expected "+e.On] = e.As + " " + e.Verb + " " + e.Want
	}
}
