package policy

import (
	"errors"
	"strings"
	"testing"
	"time"

	"lodge/inventory"
)

const scope = `forbid (principal, action == Action::"container.stop", resource)`

// TestUnknownIsRefusedWithItsLine: what the schema doesn't know, or can't promise to be there, is
// refused before it is in force, and the error says where it stands.
func TestUnknownIsRefusedWithItsLine(t *testing.T) {
	b := newBench(t)
	for what, c := range map[string]struct{ text, want string }{
		"an attribute":          {"@id(\"a\")\nforbid (principal, action == Action::\"container.stop\", resource)\nwhen {\n  resource.colour == \"red\"\n};", "s.cedar:4: attribute `colour`"},
		"an action":             {"// first\n@id(\"a\")\nforbid (principal,\n action == Action::\"container.explode\", resource);", "s.cedar:4: unrecognized action"},
		"a type":                {"@id(\"a\")\nforbid (principal is Robot, action, resource);", "s.cedar:2: unrecognized entity type `Robot`"},
		"a role":                {"@id(\"a\")\nforbid (principal in Role::\"emperor\", action, resource);", "s.cedar:2: there is no `Role::\"emperor\"`"},
		"a role deeper down":    {"@id(\"a\") " + scope + "\nwhen { principal in [Role::\"admin\", Role::\"king\"] };", "s.cedar:2: "},
		"an action deeper down": {"@id(\"a\") " + scope + "\nwhen { action in [Action::\"container.stp\"] };", "s.cedar:2: "},
		"types that don't fit":  {"@id(\"a\") " + scope + " when { context.hour == \"x\" };", "s.cedar:1: the types Long and String"},
		"a tag that may lack":   {"@id(\"a\") " + scope + " when { resource.getTag(\"tier\") == \"db\" };", "s.cedar:1: unable to guarantee safety"},
		"another type's":        {"@id(\"a\") forbid (principal, action, resource)\nwhen { resource.env == \"prod\" };", "s.cedar:2: attribute `env` on entity type `Host` not found; where it is a container's, say: resource is Container"},
		"the second policy":     {"@id(\"a\") " + scope + ";\n\n@id(\"b\") " + scope + "\nwhen { context.moon };", "s.cedar:4: attribute `moon`"},
		"a slip of grammar":     {"\n\n@id(\"a\")\nforbid (principal, action resource);", "s.cedar:4: "},
		"a text without an end": {"@id(\"a\")\nforbid (principal, action, resource) when { \"abc };", "s.cedar:2: "},
		"no name":               {scope + ";", "s.cedar:1: every policy needs a name"},
		"an odd name":           {"@id(\"A b\") " + scope + ";", "s.cedar:1: every policy needs a name"},
		"a name twice":          {"@id(\"a\") " + scope + ";\n@id(\"a\") " + scope + ";", "s.cedar:2: \"a\" is the name of the policy in line 1"},
		"a name of the base":    {"@id(\"base.audit\") " + scope + ";", "s.cedar:1: names that begin with base."},
		"a permit":              {"@id(\"a\")\npermit (principal, action, resource);", "a permit gives nothing"},
		"an annotation":         {"@id(\"a\") @colour(\"x\") " + scope + ";", "s.cedar:1: there is no annotation @colour"},
		"approvals of nobody":   {"@id(\"a\") @hold(\"0\") " + scope + ";", "@hold"},
		"a role to hold for":    {"@id(\"a\") @role(\"king\") " + scope + ";", "@role"},
		"a delay of nothing":    {"@id(\"a\") @delay(\"soon\") " + scope + ";", "@delay"},
		"a delay of a year":     {"@id(\"a\") @delay(\"365d\") " + scope + ";", "@delay"},
		"a window's name":       {"@id(\"a\") @window(\"at night\") " + scope + ";", "@window"},
		"an emergency yes":      {"@id(\"a\") @hold(\"1\") @emergency(\"yes\") " + scope + ";", "@emergency"},
		"a firm forbid":         {"@id(\"a\") @emergency(\"no\") " + scope + ";", "passed by no emergency"},
		"another solo":          {"@id(\"a\") @hold(\"1\") @solo(\"maybe\") " + scope + ";", "@solo"},
		"escapes in the reason": {"@id(\"a\") @reason(\"\\u{1b}[2J\") " + scope + ";", "printable"},
		"too much":              {strings.Repeat("/", MostBytes+1), "the most is"},
	} {
		t.Run(what, func(t *testing.T) {
			rules, err := b.lang.load("s.cedar", c.text, false)
			if err == nil || !errors.Is(err, inventory.ErrInvalid) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%d policies, %v; want %q", len(rules), err, c.want)
			}
		})
	}
}

func TestAnnotations(t *testing.T) {
	b := newBench(t)
	rules, err := b.lang.load("s.cedar", `
		@id("plain") @reason("no") `+scope+`;
		@id("two") @hold("2") @role("owner") `+scope+`;
		@id("one") @role("admin") @solo("allow") `+scope+`;
		@id("later") @delay("24h") @window("nights") `+scope+`;`, false)
	if err != nil {
		t.Fatal(err)
	}
	want := []inventory.Condition{{}, {Approvals: 2, Role: "owner"}, {Approvals: 1, Role: "admin"}, {Delay: 24 * time.Hour, Window: "nights"}}
	for i, r := range rules {
		want[i].Policy = r.id
		if r.needs != want[i] || r.holds() != (i > 0) || r.solo == "" {
			t.Errorf("%s asks for %+v, want %+v", r.id, r.needs, want[i])
		}
	}
}

// FuzzLoad: whatever the text, it is read or refused with a file and a line.
func FuzzLoad(f *testing.F) {
	f.Add(baseText)
	f.Add(scope + ";")
	f.Add(`@id("a") @hold("1") @window("n") forbid (principal in Role::"auditor", action in [Action::"mutate"], resource is Container in Project::"p") when { resource.hasTag("a\u{41}") && ["x"].contains(resource.getTag("a")) || context has hour && 1 * 2 < 3 } unless { ip("1.1.1.1").isLoopback() };`)
	f.Add("@id(\"a\x00\") permit(")
	f.Add(strings.Repeat("(", 5000))
	b := newBench(f)
	f.Fuzz(func(t *testing.T, text string) {
		rules, err := b.lang.load("s.cedar", text, false)
		if err == nil {
			now := newSet(1, text, append(b.base.rules, rules...), text)
			if got := judge(b.lang, now, b.someQuestion(t)); len(got.errors) > 0 && got.Verdict != "deny" {
				t.Errorf("a policy that fails gives %s", got.Verdict)
			}
			return
		}
		if !errors.Is(err, inventory.ErrInvalid) || !strings.HasPrefix(err.Error(), "s.cedar") {
			t.Errorf("refused with %v", err)
		}
	})
}
