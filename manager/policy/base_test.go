package policy

import (
	"errors"
	"strings"
	"testing"
	"time"

	"lodge/inventory"
	"lodge/manager/gate"
)

func because(reason string) func(*gate.Request, *inventory.Plan) {
	return func(r *gate.Request, _ *inventory.Plan) { r.Reason = reason }
}

func effects(fields ...string) func(*gate.Request, *inventory.Plan) {
	return func(_ *gate.Request, p *inventory.Plan) {
		for _, f := range fields {
			p.Effects = append(p.Effects, inventory.EffectLine{Field: f, Before: "a", After: "b"})
		}
	}
}

// becomes makes the plan turn the container into what edit says.
func becomes(edit func(*inventory.Container)) func(*gate.Request, *inventory.Plan) {
	return func(r *gate.Request, _ *inventory.Plan) {
		r.After = r.Container.Clone()
		edit(r.After)
	}
}

// TestBaseSet: what holds on every host, whatever the site says.
func TestBaseSet(t *testing.T) {
	b := newBench(t)
	ops := b.user("ops1", inventory.RoleAdmin)
	approver := b.user("ann", inventory.RoleApprover)
	auditor := b.user("audrey", inventory.RoleAuditor)
	glass := root
	glass.Override = true
	immutable := inProd("vault")
	immutable.Settings[immutableSetting] = "true"
	for _, c := range []struct {
		what string
		who  inventory.Principal
		verb string
		on   *inventory.Container
		with []func(*gate.Request, *inventory.Plan)
		want gate.Verdict
		by   string // the policy that has to be named
	}{
		{"what a role gives", ops, "container.stop", inProd("db1"), nil, gate.Allow, "base.roles"},
		{"an auditor changes nothing", auditor, "container.stop", in("dev", "web1"), nil, gate.Deny, "base.auditor"},
		{"an auditor goes into nothing", auditor, "container.exec", in("dev", "web1"), nil, gate.Deny, "base.auditor"},
		{"an auditor reads", auditor, "audit.view", nil, nil, gate.Allow, "base.roles"},
		{"an approval of one's own", ops, "container.purge", inProd("db1"), []func(*gate.Request, *inventory.Plan){agree(ops, approver)}, gate.Deny, "base.own-approval"},
		{"the audit log is edited by nobody", root, "audit.forget", nil, nil, gate.Deny, "base.audit"},
		{"nor with the glass broken", glass, "audit.forget", nil, []func(*gate.Request, *inventory.Plan){because("x")}, gate.Deny, "base.audit"},
		{"what only rebuilds its index", ops, "audit.reindex", nil, nil, gate.Allow, "base.roles"},
		{"break-glass and the audit log's settings", glass, "config.set", nil, []func(*gate.Request, *inventory.Plan){because("x"), effects("audit.keep")}, gate.Deny, "base.audit-glass"},
		{"no login to an immutable container", root, "container.exec", immutable, nil, gate.Deny, "base.immutable"},
		{"nor its files", root, "container.file.pull", immutable, nil, gate.Deny, "base.immutable"},
		{"ending a session there", ops, "session.end", immutable, nil, gate.Allow, "base.roles"},
		{"break-glass goes in", glass, "container.shell", immutable, []func(*gate.Request, *inventory.Plan){because("it burns")}, gate.Allow, "base.roles"},
		{"break-glass says why", glass, "container.shell", immutable, nil, gate.Deny, ""},
		{"ending immutability", ops, "container.update", immutable, []func(*gate.Request, *inventory.Plan){becomes(func(c *inventory.Container) { c.Settings[immutableSetting] = "false" })}, gate.Hold, "base.immutable-off"},
		{"purging in prod", ops, "container.purge", inProd("db1"), nil, gate.Hold, "base.prod-loss"},
		{"purging in dev", ops, "container.purge", in("dev", "db1"), nil, gate.Allow, "base.roles"},
		{"with an approval", ops, "container.purge", inProd("db1"), []func(*gate.Request, *inventory.Plan){agree(approver)}, gate.Allow, "base.prod-loss"},
		{"restoring over", ops, "snapshot.restore", inProd("db1"), nil, gate.Hold, "base.prod-loss"},
		{"deleting in prod", ops, "container.delete", inProd("db1"), nil, gate.Hold, "base.prod-delete"},
		{"leaving prod", ops, "container.update", inProd("db1"), []func(*gate.Request, *inventory.Plan){becomes(func(c *inventory.Container) { c.Environment = "dev" })}, gate.Hold, "base.prod-leaves"},
		{"another label in prod", ops, "container.update", inProd("db1"), []func(*gate.Request, *inventory.Plan){becomes(func(c *inventory.Container) { c.Labels["a"] = "b" })}, gate.Allow, "base.roles"},
		{"what the agent does by itself", inventory.System("trash"), "container.purge", inProd("db1"), nil, gate.Allow, "base.prod-loss"},
	} {
		t.Run(c.what, func(t *testing.T) {
			got := b.ask(c.who, c.verb, c.on, c.with...)
			if got.Verdict != c.want || !strings.Contains(strings.Join(got.Policies, " "), c.by) {
				t.Errorf("%s by %v (%v, %v), want %s by %s", got.Verdict, got.Policies, got.Reasons, got.Needs, c.want, c.by)
			}
			if got.Verdict != gate.Allow && len(got.Reasons) == 0 || (got.Verdict == gate.Hold) != (len(got.Needs) > 0) {
				t.Errorf("nobody is told why, or what for: %+v", got)
			}
		})
	}
}

// TestSolo: where nobody else could agree, the setting says what becomes of the second person.
func TestSolo(t *testing.T) {
	b := newBench(t)
	delete := b.ask(root, "container.delete", inProd("db1"))
	if delete.Verdict != gate.Allow {
		t.Errorf("a lone administrator's trash: %+v", delete)
	}
	off := b.ask(root, "container.purge", inProd("db1"))
	if off.Verdict != gate.Hold || off.Needs[0].Approvals != 1 || !strings.Contains(off.Reasons[0], "policy.solo=24h") {
		t.Errorf("without the choice: %+v", off)
	}
	b.settings[soloSetting] = "24h"
	wait := b.ask(root, "container.purge", inProd("db1"))
	if wait.Verdict != gate.Hold || wait.Needs[0].Approvals != 0 || wait.Needs[0].Delay != 24*time.Hour {
		t.Errorf("with it: %+v", wait)
	}
	submitted := func(ago time.Duration) func(*gate.Request, *inventory.Plan) {
		return func(r *gate.Request, _ *inventory.Plan) { r.Submitted = b.now.Add(-ago) }
	}
	if d := b.ask(root, "container.purge", inProd("db1"), submitted(23*time.Hour)); d.Verdict != gate.Hold {
		t.Errorf("after 23 hours: %+v", d)
	}
	if d := b.ask(root, "container.purge", inProd("db1"), submitted(24*time.Hour)); d.Verdict != gate.Allow {
		t.Errorf("after 24 hours: %+v", d)
	}
	b.members = []string{"second"}
	if d := b.ask(root, "container.purge", inProd("db1"), submitted(24*time.Hour)); d.Verdict != gate.Hold || d.Needs[0].Approvals != 1 {
		t.Errorf("once there is a second person: %+v", d)
	}
	dev := b.user("dev1", inventory.RoleOwner)
	b.members, b.settings = nil, map[string]string{}
	if d := b.ask(dev, "container.purge", inProd("db1")); d.Verdict != gate.Hold || strings.Contains(d.Reasons[0], "nobody else") {
		t.Errorf("a user whom root could agree with: %+v", d)
	}
}

// TestPolicyChangesAreGuarded: the first set of a lone administrator applies at once; once there are
// policies or a second administrator, it takes somebody else.
func TestPolicyChangesAreGuarded(t *testing.T) {
	b := newBench(t)
	if d := b.ask(root, "policy.set", nil); d.Verdict != gate.Allow {
		t.Errorf("the first: %+v", d)
	}
	if d := b.ask(root, "config.set", nil, effects(soloSetting)); d.Verdict != gate.Allow {
		t.Errorf("choosing: %+v", d)
	}
	b.site(`@id("x") forbid (principal, action == Action::"container.stop", resource) when { resource.env == "prod" };`)
	if d := b.ask(root, "policy.set", nil); d.Verdict != gate.Hold {
		t.Errorf("the second: %+v", d)
	}
	if d := b.ask(root, "policy.set", nil); !d.Needs[0].Firm {
		t.Errorf("an emergency passes what guards the policies: %+v", d.Needs)
	}
	if d := b.ask(root, "config.set", nil, effects(holdSetting)); !d.Needs[0].Firm {
		t.Errorf("an emergency passes what guards their settings: %+v", d.Needs)
	}
	if d := b.ask(root, "policy.expect.add", nil); d.Verdict != gate.Hold {
		t.Errorf("what is expected of them: %+v", d)
	}
	if d := b.ask(root, "config.set", nil, effects(soloSetting)); d.Verdict != gate.Allow {
		t.Errorf("choosing while alone: %+v", d)
	}
	b.settings[soloSetting] = "24h"
	if d := b.ask(root, "config.set", nil, effects(soloSetting)); d.Verdict != gate.Hold || d.Needs[0].Delay == 0 {
		t.Errorf("choosing again takes what was chosen: %+v", d)
	}
	if d := b.ask(root, "config.set", nil, effects(holdSetting)); d.Verdict != gate.Hold {
		t.Errorf("another setting of theirs: %+v", d)
	}
	if d := b.ask(root, "config.set", nil, effects("stop.timeout")); d.Verdict != gate.Allow {
		t.Errorf("a setting that is not theirs: %+v", d)
	}
	other := newBench(t)
	other.user("ann", inventory.RoleAdmin)
	bob := other.user("bob", inventory.RoleAdmin)
	if d := other.ask(bob, "policy.set", nil); d.Verdict != gate.Hold || d.Needs[0].Role != "admin" {
		t.Errorf("with two administrators: %+v", d)
	}
}

// TestBreakGlass: root passes what the site asks for, says why, and an event tells; nobody else can.
func TestBreakGlass(t *testing.T) {
	b := newBench(t)
	ops := b.user("ops1", inventory.RoleAdmin)
	b.site(`@id("shut") @reason("nothing moves") forbid (principal, action, resource);`)
	glass := root
	glass.Override = true
	if d := b.ask(root, "policy.set", nil); d.Verdict != gate.Deny {
		t.Errorf("root without it: %+v", d)
	}
	if d := b.ask(glass, "policy.set", nil, because("locked out")); d.Verdict != gate.Allow {
		t.Errorf("root with it: %+v", d)
	}
	if len(b.events) != 1 || b.events[0].Type != "policy.break-glass" || !strings.Contains(string(b.events[0].Data), "locked out") {
		t.Errorf("the events are %+v", b.events)
	}
	ops.Override = true
	if d := b.ask(ops, "policy.set", nil, because("me too")); d.Verdict != gate.Deny {
		t.Errorf("somebody else with it: %+v", d)
	}
	far := glass
	far.From = "192.0.2.7"
	if d := b.ask(far, "policy.set", nil, because("from afar")); d.Verdict != gate.Deny {
		t.Errorf("root from elsewhere: %+v", d)
	}
	b.unread = errors.New("disk")
	if d := b.ask(glass, "container.stop", inProd("db1"), because("x")); d.Verdict != gate.Deny {
		t.Errorf("when nothing can be read: %+v", d)
	}
}
