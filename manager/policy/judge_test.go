package policy

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cedar-policy/cedar-go"
	"github.com/cedar-policy/cedar-go/x/exp/ast"

	"lodge/inventory"
	"lodge/manager/gate"
)

func (b *bench) someQuestion(t testing.TB) *question {
	a, err := b.around(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return ask(&gate.Request{Verb: "container.stop", Principal: root, Container: inProd("db1")},
		&inventory.Plan{Verb: "container.stop"}, b.lang.verbs["container.stop"], a)
}

// TestPolicyThatFailsDenies: Cedar leaves out a policy it can't evaluate; here that is a deny for
// whatever was asked, an error in the log and an event.
func TestPolicyThatFailsDenies(t *testing.T) {
	b := newBench(t)
	b.site(`@id("overflows") forbid (principal, action == Action::"container.stop", resource)
		when { 9223372036854775807 + context.hour > 0 && resource.env == "prod" };`)
	d := b.ask(root, "container.stop", in("dev", "web1"))
	if d.Verdict != gate.Deny || !slices.Contains(d.Policies, "overflows") || !strings.Contains(d.Reasons[0], "can't be evaluated") {
		t.Errorf("%+v", d)
	}
	if len(b.events) != 1 || b.events[0].Type != "policy.error" || b.events[0].Name != "web1" {
		t.Errorf("the events are %+v", b.events)
	}
	b.ask(root, "container.stop", in("dev", "web1"))
	if len(b.events) != 1 {
		t.Errorf("the same again within a minute is told again: %d events", len(b.events))
	}
	if d := b.ask(root, "container.delete", in("dev", "web1")); d.Verdict != gate.Allow {
		t.Errorf("what it isn't about: %+v", d)
	}
}

// TestMissingAttributeDenies: the proof that led to the rule (an attribute is gone, the forbid that
// asks for it errs, and Cedar alone says allow), and what the wrapper makes of it.
func TestMissingAttributeDenies(t *testing.T) {
	b := newBench(t)
	list, err := parse("x", `@id("x") forbid (principal, action, resource) when { resource.colour == "red" };`)
	if err != nil {
		t.Fatal(err)
	}
	rules := append(slices.Clone(b.base.rules), &rule{id: "x", policy: list[0], head: (*ast.Policy)(list[0].AST())})
	now, q := newSet(1, "", rules), b.someQuestion(t)
	alone, _ := cedar.Authorize(now, &entities{question: q, actions: b.lang.actions, made: cedar.EntityMap{}}, q.cedar())
	if alone != cedar.Allow {
		t.Fatal("Cedar alone denies it: the proof is void")
	}
	if f := judge(b.lang, now, q); f.Verdict != gate.Deny || len(f.errors) != 1 {
		t.Errorf("%+v", f)
	}
}

// TestGroupsThatHoldEachOther don't lead a decision round, and their members are in both.
func TestGroupsThatHoldEachOther(t *testing.T) {
	b := newBench(t)
	dev := b.user("dev1", inventory.RoleOperator)
	b.groups = []inventory.Group{
		{ID: "g1", Name: "web", Members: []inventory.GroupMember{{User: dev.User}, {Group: "g2"}}},
		{ID: "g2", Name: "db", Members: []inventory.GroupMember{{Group: "g1"}}}}
	b.site(`@id("db-stays") forbid (principal in Group::"db", action == Action::"container.stop", resource);`)
	if d := b.ask(dev, "container.stop", inProd("db1")); d.Verdict != gate.Deny {
		t.Errorf("%+v", d)
	}
	if d := b.ask(b.user("dev2", inventory.RoleOperator), "container.stop", inProd("db1")); d.Verdict != gate.Allow {
		t.Errorf("who is in neither: %+v", d)
	}
}

// TestOwner: entities are references of their type; one that was text, or a record, would match nothing
// without a word.
func TestOwner(t *testing.T) {
	b := newBench(t)
	dev, other := b.user("dev1", inventory.RoleOperator), b.user("dev2", inventory.RoleOperator)
	b.site(`@id("own") forbid (principal, action == Action::"container.stop", resource)
		unless { resource.owner == principal || principal in resource.owner_group };`)
	for _, c := range []struct {
		who   inventory.Principal
		owner string
		want  gate.Verdict
	}{{dev, "dev1", gate.Allow}, {other, "dev1", gate.Deny}, {other, "web", gate.Allow}} {
		b.groups = []inventory.Group{{ID: "g1", Name: "web", Members: []inventory.GroupMember{{User: other.User}}}}
		box := inProd("db1")
		box.Owner = c.owner
		if d := b.ask(c.who, "container.stop", box); d.Verdict != c.want {
			t.Errorf("%s on one of %s: %+v", c.who.Name, c.owner, d)
		}
	}
}

// TestConditionsCombine: the union of the approvers, the strictest of the rest, and nothing that is met.
func TestConditionsCombine(t *testing.T) {
	b := newBench(t)
	dev := b.user("dev1", inventory.RoleOperator)
	ann, bob := b.user("ann", inventory.RoleApprover), b.user("bob", inventory.RoleApprover)
	owner := b.user("olga", inventory.RoleOwner)
	admin := b.user("ada", inventory.RoleAdmin)
	stop := `forbid (principal, action == Action::"container.stop", resource) when { resource.env == "prod" };`
	b.site(`@id("one") @hold("1") @role("approver") ` + stop + `@id("two") @hold("2") @role("approver") ` + stop +
		`@id("admin") @hold("1") @role("admin") @delay("2h") ` + stop + `@id("later") @delay("24h") ` + stop +
		`@id("night") @window("nights") ` + stop)
	want := func(d gate.Decision, needs ...inventory.Condition) {
		t.Helper()
		for i := range d.Needs {
			d.Needs[i].Policy = ""
		}
		less := func(x, y inventory.Condition) int { return strings.Compare(x.String(), y.String()) }
		slices.SortFunc(d.Needs, less)
		slices.SortFunc(needs, less)
		if (d.Verdict == gate.Hold) != (len(needs) > 0) || !slices.Equal(d.Needs, needs) {
			t.Errorf("%s for %+v, want %+v", d.Verdict, d.Needs, needs)
		}
	}
	after := func(ago time.Duration) func(*gate.Request, *inventory.Plan) {
		return func(r *gate.Request, _ *inventory.Plan) { r.Submitted = b.now.Add(-ago) }
	}
	box := inProd("db1")
	want(b.ask(dev, "container.stop", box), inventory.Condition{Approvals: 2, Role: "approver"},
		inventory.Condition{Approvals: 1, Role: "admin", Delay: 2 * time.Hour}, inventory.Condition{Delay: 24 * time.Hour}, inventory.Condition{Window: "nights"})
	want(b.ask(dev, "container.stop", box, agree(ann), after(3*time.Hour)), inventory.Condition{Approvals: 2, Role: "approver"},
		inventory.Condition{Approvals: 1, Role: "admin"}, inventory.Condition{Delay: 24 * time.Hour}, inventory.Condition{Window: "nights"})
	b.windows = []string{"nights"}
	want(b.ask(dev, "container.stop", box, agree(ann, ann, admin), after(25*time.Hour)))
	want(b.ask(dev, "container.stop", box, agree(ann, ann, owner), after(25*time.Hour)), inventory.Condition{Approvals: 2, Role: "approver"},
		inventory.Condition{Approvals: 1, Role: "admin"})
	want(b.ask(dev, "container.stop", box, agree(ann, bob, admin), after(25*time.Hour)))
	b.users[slices.IndexFunc(b.users, func(u inventory.User) bool { return u.Name == "ada" })].Disabled = b.now
	want(b.ask(dev, "container.stop", box, agree(ann, bob, admin), after(25*time.Hour)), inventory.Condition{Approvals: 1, Role: "admin", Delay: 0})
	if d := b.ask(dev, "container.stop", box, func(r *gate.Request, _ *inventory.Plan) {
		r.Approvals = []inventory.Approval{{Principal: ann, Digest: "of another plan"}, {Principal: bob, Digest: "of another plan"}}
	}); len(d.Needs) != 3 {
		t.Errorf("approvals of another plan count: %+v", d)
	}
	want(b.ask(inventory.System("hours"), "container.stop", box))
	want(b.ask(dev, "container.stop", in("dev", "web1")))
}

// TestHoldSetting: policy.hold is short for a policy per verb.
func TestHoldSetting(t *testing.T) {
	b := newBench(t)
	before := b.Revision()
	b.settings[holdSetting] = "container.stop container.purge"
	if b.Revision() == before || b.Revision() != b.Revision() {
		t.Error("the revision doesn't tell of it")
	}
	b.members = []string{"second"}
	second := inventory.Principal{Name: "second", Kind: inventory.KindPerson, Admin: true, Proof: "peer uid 7"}
	if d := b.ask(root, "container.stop", in("dev", "web1")); d.Verdict != gate.Hold || d.Needs[0].Policy != "setting.container.stop" {
		t.Errorf("%+v", d)
	}
	if d := b.ask(root, "container.stop", in("dev", "web1"), agree(second)); d.Verdict != gate.Allow {
		t.Errorf("with an approval: %+v", d)
	}
	if d := b.ask(root, "container.delete", in("dev", "web1")); d.Verdict != gate.Allow {
		t.Errorf("a verb it doesn't name: %+v", d)
	}
	if d := b.ask(root, "config.set", nil, effects(holdSetting)); d.Verdict != gate.Hold {
		t.Errorf("letting go of it: %+v", d)
	}
	b.unread = errors.New("disk")
	if d := b.ask(root, "container.delete", in("dev", "web1")); d.Verdict != gate.Deny || b.Revision() != "unreadable" {
		t.Errorf("when it can't be read: %+v", d)
	}
}

// TestCacheForgetsWhatMoved: a kept decision is one for the same policies, container revision, roles
// and hour, and for nobody whose name only reads alike.
func TestCacheForgetsWhatMoved(t *testing.T) {
	b := newBench(t)
	dev := b.user("dev1", inventory.RoleOwner)
	box := in("dev", "web1")
	ask := func() gate.Verdict { return b.ask(dev, "container.exec", box).Verdict }
	if ask() != gate.Allow || ask() != gate.Allow || len(b.cache.kept) != 1 {
		t.Fatalf("%d decisions are kept", len(b.cache.kept))
	}
	box.Settings[immutableSetting] = "true"
	box.Revision++
	if ask() != gate.Deny {
		t.Error("a container that changed is judged by what it was")
	}
	box.Settings, box.Revision = map[string]string{}, 3
	b.settings[immutableSetting] = "true"
	if ask() != gate.Deny {
		t.Error("what it inherits now doesn't count")
	}
	b.settings[immutableSetting] = "false"
	b.site(`@id("x") forbid (principal in Role::"auditor", action == Action::"container.exec", resource);`)
	if ask() != gate.Allow {
		t.Error("other policies")
	}
	b.user("dev1x")
	b.bindings = append(b.bindings, inventory.Binding{ID: "late", Role: inventory.RoleAuditor, Subject: inventory.GroupMember{User: dev.User}, On: inventory.Extent{Kind: inventory.OnHost}})
	if ask() != gate.Deny {
		t.Error("another role doesn't count")
	}
	keys := map[cacheKey]string{}
	for _, p := range []inventory.Principal{{Name: "a", Proof: "b"}, {Name: "ab"}, {Name: "a", From: "b"}, {Name: "a\",\"proof\":\"b"}} {
		q := b.someQuestion(t)
		q.request.Principal, q.verb = p, b.lang.verbs["container.view"]
		key, ok := q.key(b.base)
		if other, twice := keys[key]; !ok || twice {
			t.Errorf("%+v and %s have one key", p, other)
		}
		keys[key] = fmt.Sprintf("%+v", p)
	}
	if _, ok := b.someQuestion(t).key(b.base); ok {
		t.Error("an operation's answer is kept")
	}
}

// TestHeadsDecideNothing: leaving out policies whose head doesn't fit changes no answer.
func TestHeadsDecideNothing(t *testing.T) {
	b := newBench(t)
	dev := b.user("dev1", inventory.RoleOperator)
	b.groups = []inventory.Group{{ID: "g1", Name: "web", Members: []inventory.GroupMember{{User: dev.User}}}}
	heads := []string{"principal", `principal == User::"dev1"`, `principal == User::"dev2"`, `principal in Group::"web"`, `principal in Group::"db"`,
		`principal in Role::"operator"`, `principal in Role::"admin"`, `principal is User`, `principal is User in Group::"web"`}
	actions := []string{"action", `action == Action::"container.stop"`, `action == Action::"container.delete"`, `action in Action::"mutate"`,
		`action in Action::"session"`, `action in [Action::"container.delete", Action::"right.operate"]`, `action in [Action::"container.delete"]`}
	resources := []string{"resource", "resource is Container", `resource == Container::"db1"`, `resource in Project::"default"`, `resource in Project::"shop"`,
		`resource is Container in Host::"host1"`}
	var rules []*rule
	for _, h := range heads {
		for _, a := range actions {
			for _, r := range resources {
				got, err := b.lang.load("s", fmt.Sprintf("@id(%q) forbid (%s, %s, %s);", fmt.Sprint("r", len(rules)), h, a, r), false)
				if err != nil {
					continue // no action for that resource
				}
				rules = append(rules, got...)
			}
		}
	}
	if len(rules) < 200 {
		t.Fatalf("%d policies", len(rules))
	}
	now, q := newSet(1, "", rules), b.someQuestion(t)
	q.request.Principal, q.standing = dev, q.around.standing(dev, q.container)
	asked, from := q.cedar(), func() *entities { return &entities{question: q, actions: b.lang.actions, made: cedar.EntityMap{}} }
	_, all := cedar.Authorize(now, from(), asked)
	_, some := cedar.Authorize(q.candidates(now, b.lang, asked), from(), asked)
	if len(all.Reasons) == 0 || len(all.Reasons) == len(rules) || !slices.Equal(all.Reasons, some.Reasons) {
		t.Errorf("%d of %d match, %d of the candidates do", len(all.Reasons), len(rules), len(some.Reasons))
	}
}
