package policy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"lodge/inventory"
	"lodge/manager/gate"
)

// prepare asks what a new set would do.
func (b *bench) prepare(args inventory.PolicyArgs) (*gate.Draft, error) {
	b.t.Helper()
	raw, err := json.Marshal(args)
	if err != nil {
		b.t.Fatal(err)
	}
	return b.prepareSet(b.t.Context(), &gate.Request{Verb: setVerb, Principal: root, Args: raw})
}

// set carries the set out, as the gate would.
func (b *bench) set(args inventory.PolicyArgs) {
	b.t.Helper()
	d, err := b.prepare(args)
	if err != nil {
		b.t.Fatal(err)
	}
	raw, err := json.Marshal(d.Args)
	if err != nil {
		b.t.Fatal(err)
	}
	run := &gate.Run{Operation: inventory.Operation{ID: inventory.OperationID(inventory.NewID(b.now)), Args: raw, Principal: root}}
	for _, do := range []func(context.Context, *gate.Run) error{b.add, b.add, b.take} { // a step may run again
		if err := do(b.t.Context(), run); err != nil {
			b.t.Fatal(err)
		}
	}
}

const noStops = `@id("no-stops") @reason("prod runs") forbid (principal, action == Action::"container.stop", resource) when { resource.env == "prod" };`

// TestVersions: each set is a version, any can be gone back to, and the one in force is judged by.
func TestVersions(t *testing.T) {
	b := newBench(t)
	stop := func() gate.Verdict { return b.ask(root, "container.stop", inProd("db1")).Verdict }
	first := b.Revision()
	b.set(inventory.PolicyArgs{Text: noStops})
	if stop() != gate.Deny || b.Revision() == first {
		t.Errorf("version 1: stop is %s", stop())
	}
	b.set(inventory.PolicyArgs{Text: ""})
	if stop() != gate.Allow || b.Revision() != first {
		t.Errorf("no policies: stop is %s, the revision is another", stop())
	}
	one := int64(1)
	b.set(inventory.PolicyArgs{Revert: &one})
	if stop() != gate.Deny || len(b.versions) != 3 || b.versions[2].Policies != 1 {
		t.Errorf("back to 1: %+v", b.versions)
	}
	if _, err := b.prepare(inventory.PolicyArgs{Text: noStops, Base: 2}); !errors.Is(err, inventory.ErrStale) {
		t.Errorf("over a version that isn't in force: %v", err)
	}
	again := newBench(t)
	again.Service.Versions = b
	if err := again.Use(t.Context(), table()); err != nil {
		t.Fatal(err)
	}
	if again.Revision() != b.Revision() {
		t.Error("the next agent judges by another set")
	}
}

// TestUnreadableVersionIsClosed: policies that can't be read any more allow nothing but to root with the
// glass broken; containers are still looked after.
func TestUnreadableVersionIsClosed(t *testing.T) {
	b := newBench(t)
	b.versions = []inventory.PolicyVersion{{Version: 1, Text: `@id("x") forbid (principal, action == Action::"container.gone", resource);`}}
	if err := b.Use(t.Context(), table()); err != nil {
		t.Fatal(err)
	}
	glass := root
	glass.Override = true
	for _, c := range []struct {
		who  inventory.Principal
		want gate.Verdict
	}{{root, gate.Deny}, {b.user("ops1", inventory.RoleAdmin), gate.Deny}, {glass, gate.Allow}, {inventory.System("restart"), gate.Allow}} {
		if d := b.ask(c.who, "container.stop", inProd("db1"), because("repair")); d.Verdict != c.want {
			t.Errorf("%s: %+v", c.who.Name, d)
		}
	}
	b.set(inventory.PolicyArgs{Text: noStops})
	if d := b.ask(root, "container.delete", in("dev", "web1")); d.Verdict != gate.Allow {
		t.Errorf("once it is replaced: %+v", d)
	}
}

// TestCorpus: a set that decides otherwise than every host, or this site, expects is refused.
func TestCorpus(t *testing.T) {
	b := newBench(t)
	b.user("dev1", inventory.RoleOwner)
	b.boxes = []*inventory.Container{inProd("db1")}
	b.expected = []inventory.Expectation{{ID: 1, As: "dev1", Verb: "container.stop", On: "db1", Want: "allow"},
		{ID: 2, As: "dev1", Verb: "container.stop", On: "gone", Want: "deny"},
		{ID: 3, As: "nobody", Verb: "container.stop", On: "db1", Want: "deny"}}
	for what, c := range map[string]struct{ text, want string }{
		"what the site expects": {noStops, "dev1 container.stop db1 is expected to be allow, and would be deny (no-stops)"},
		"auditors read":         {`@id("x") forbid (principal in Role::"auditor", action in Action::"read", resource);`, "role:auditor audit.view is expected to be allow"},
	} {
		t.Run(what, func(t *testing.T) {
			if _, err := b.prepare(inventory.PolicyArgs{Text: c.text}); !errors.Is(err, inventory.ErrInvalid) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %s", err, c.want)
			}
		})
	}
	for window, want := range map[string]string{"nights": "", "days": "site-1.cedar:2: there is no window days"} {
		text := "\n@window(\"" + window + "\") " + strings.Replace(noStops, `"prod"`, `"test"`, 1)
		if _, err := b.prepare(inventory.PolicyArgs{Text: text}); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("waiting for %s: %v", window, err)
		}
	}
	if _, err := b.prepare(inventory.PolicyArgs{Text: strings.Replace(noStops, `"prod"`, `"test"`, 1)}); err != nil {
		t.Errorf("another environment: %v", err)
	}
}

// TestBaseSetPassesItsCorpus on a host with nobody but root, and on one with all roles.
func TestBaseSetPassesItsCorpus(t *testing.T) {
	lone, full := newBench(t), newBench(t)
	for _, row := range inventory.Roles {
		full.user("u-"+string(row.Role), row.Role)
	}
	for name, b := range map[string]*bench{"lone": lone, "full": full} {
		a, err := b.around(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := b.replay(t.Context(), a, b.Service.site.Load()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestLockout: a set with which nobody could change the policies any more is refused.
func TestLockout(t *testing.T) {
	for what, c := range map[string]struct {
		text string
		out  bool
	}{
		"everybody":              {`@id("x") forbid (principal is User, action == Action::"policy.set", resource) unless { principal in Role::"admin" && principal.name == "nobody" || principal.name == "role:admin" };`, true},
		"all but one":            {`@id("x") forbid (principal, action == Action::"policy.set", resource) unless { principal.name == "ada" || principal.name == "role:admin" };`, false},
		"by day":                 {`@id("x") forbid (principal, action == Action::"policy.set", resource) when { context.hour > 5 && principal.name != "role:admin" };`, false},
		"more persons than are":  {`@id("x") @hold("3") @role("admin") forbid (principal, action == Action::"policy.set", resource);`, true},
		"as many persons as are": {`@id("x") @hold("1") @role("admin") forbid (principal, action == Action::"policy.set", resource);`, false},
		"nobody may agree":       {`@id("x") forbid (principal, action == Action::"change.approve", resource) unless { principal.name == "role:admin" };`, true},
		"a delay":                {`@id("x") @delay("24h") forbid (principal, action == Action::"policy.set", resource);`, false},
	} {
		t.Run(what, func(t *testing.T) {
			b := newBench(t)
			b.user("ada", inventory.RoleAdmin)
			b.user("bea", inventory.RoleAdmin)
			_, err := b.prepare(inventory.PolicyArgs{Text: c.text})
			if c.out != (err != nil) || c.out && !strings.Contains(err.Error(), "nobody could change them any more") {
				t.Errorf("%v", err)
			}
		})
	}
}

// TestForesees: a plan of another set tells which decisions about the present inventory change.
func TestForesees(t *testing.T) {
	b := newBench(t)
	b.user("dev1", inventory.RoleOperator)
	b.user("ann", inventory.RoleApprover)
	for i := range 7 {
		b.boxes = append(b.boxes, inProd(fmt.Sprint("db", i)), in("dev", fmt.Sprint("web", i)))
	}
	lines := func(text string) string {
		d, err := b.prepare(inventory.PolicyArgs{Text: text})
		if err != nil {
			t.Fatal(err)
		}
		var out []string
		for _, e := range d.Foresees {
			out = append(out, fmt.Sprintf("%s: %s -> %s on %s", e.Field, e.Before, e.After, e.Note))
		}
		return strings.Join(out, "\n")
	}
	want := "root container.stop: allow -> deny on db0, db1, db2, db3, db4 and 2 more\ndev1 container.stop: allow -> deny on db0, db1, db2, db3, db4 and 2 more"
	if got := lines(noStops); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	b.set(inventory.PolicyArgs{Text: noStops})
	held := strings.Replace(noStops, "@reason", `@hold("1") @role("approver") @reason`, 1)
	if got := lines(held); !strings.Contains(got, "dev1 container.stop: deny -> hold: 1 approval by approver on db0") {
		t.Errorf("a hold in place of a forbid:\n%s", got)
	}
	if got := lines(noStops + "\n// a remark\n"); got != "" {
		t.Errorf("the same again:\n%s", got)
	}
	if got := lines(""); !strings.Contains(got, "dev1 container.stop: deny -> allow") {
		t.Errorf("none:\n%s", got)
	}
}

// TestAnswer: what people ask of the policies.
func TestAnswer(t *testing.T) {
	b := newBench(t)
	b.user("dev1", inventory.RoleOperator)
	b.user("own1", inventory.RoleOwner)
	b.user("ann", inventory.RoleApprover)
	b.boxes = []*inventory.Container{inProd("db1"), in("dev", "web1")}
	b.boxes[0].Owner = "somebody"
	b.site(noStops)
	asRoot := inventory.WithPrincipal(t.Context(), root)
	for _, c := range []struct {
		as, ask string
		set     []string
		want    string
	}{
		{"dev1", "delete web1", nil, "allow by base.roles [operator owner]"},
		{"dev1", "delete db1", nil, "deny by base.prod-delete [operator]"},
		{"own1", "delete db1", nil, "hold by base.prod-delete [owner]"},
		{"own1", "container.delete db1", nil, "hold by base.prod-delete [owner]"},
		{"own1", "snapshot restore db1", nil, "hold by base.prod-loss [owner]"},
		{"own1", "stop db1", nil, "deny by no-stops [owner]"},
		{"own1", "stop env=prod,label.tier=db", nil, "deny by no-stops [owner]"},
		{"own1", "update db1", []string{"env=dev"}, "hold by base.prod-leaves [owner]"},
		{"own1", "update db1", []string{"label.a=b"}, "allow by base.roles [owner]"},
		{"role:auditor", "stop web1", nil, "deny by base.auditor [auditor]"},
		{"root", "policy set", nil, "hold by base.policy [admin]"},
	} {
		got, err := b.Answer(asRoot, inventory.PolicyQuestion{As: c.as, Ask: strings.Fields(c.ask), Set: c.set})
		if err != nil {
			t.Errorf("%s %s: %v", c.as, c.ask, err)
			continue
		}
		if text := fmt.Sprintf("%s by %s %v", got.Verdict, got.Policies[0].Name, got.Roles); text != c.want {
			t.Errorf("%s %s: %s (%v), want %s", c.as, c.ask, text, got.Reasons, c.want)
		}
		if got.Verdict != "allow" && len(got.Reasons) == 0 {
			t.Errorf("%s %s: nobody is told why", c.as, c.ask)
		}
	}
	for _, ask := range []string{"explode db1", "delete nothing", "delete db1 web1", "", "delete env=moon"} {
		if _, err := b.Answer(asRoot, inventory.PolicyQuestion{As: "dev1", Ask: strings.Fields(ask)}); err == nil {
			t.Errorf("%q is answered", ask)
		}
	}
	asDev := inventory.WithPrincipal(t.Context(), person(b.users[0]))
	if _, err := b.Answer(asDev, inventory.PolicyQuestion{As: "own1", Ask: []string{"stop", "db1"}}); !errors.Is(err, inventory.ErrDenied) {
		t.Errorf("what another may: %v", err)
	}
	if got, err := b.Answer(asDev, inventory.PolicyQuestion{Ask: []string{"stop", "db1"}}); err != nil || got.As != "dev1" || got.Verdict != "deny" {
		t.Errorf("what oneself may: %+v, %v", got, err)
	}
	b.bindings = b.bindings[1:]
	if _, err := b.Answer(asDev, inventory.PolicyQuestion{Ask: []string{"stop", "db1"}}); !errors.Is(err, inventory.ErrNotFound) {
		t.Errorf("about what one may not see: %v", err)
	}
	if len(b.events) != 0 {
		t.Errorf("asking leaves events: %+v", b.events)
	}
}
