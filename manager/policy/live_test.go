package policy

import (
	"context"
	"slices"
	"testing"

	"lodge/inventory"
)

// open are the sessions of a test.
type open []inventory.Session

func (o *open) EndAll(_ context.Context, _, _ string, match func(inventory.Session) bool) (n int, err error) {
	*o = slices.DeleteFunc(*o, func(x inventory.Session) bool {
		if match(x) {
			n++
			return true
		}
		return false
	})
	return n, nil
}

// TestOpenSessionsAreJudgedAgain: a session that the policies would refuse now ends with the set that
// refuses it, and soon after anything else that does.
func TestOpenSessionsAreJudgedAgain(t *testing.T) {
	b := newBench(t)
	dev := b.user("dev1", inventory.RoleOwner)
	glass := root
	glass.Override = true
	b.boxes = []*inventory.Container{in("dev", "web1"), in("dev", "web2")}
	live := &open{{Kind: "exec", Container: "web1", Principal: dev}, {Kind: "ssh", Container: "web1", Principal: root},
		{Kind: "exec", Container: "web2", Principal: dev}, {Kind: "shell", Container: "web1", Principal: glass}}
	b.Service.Sessions = live
	if err := b.cut(t.Context()); err != nil || len(*live) != 4 {
		t.Fatalf("%v, %d go on", err, len(*live))
	}
	b.set(inventory.PolicyArgs{Text: `@id("x") forbid (principal == User::"dev1", action in Action::"session", resource == Container::"web2");`})
	if len(*live) != 3 {
		t.Errorf("%d go on after the set", len(*live))
	}
	b.boxes[0].Settings[immutableSetting] = "true"
	if err := b.cut(t.Context()); err != nil || len(*live) != 1 || !(*live)[0].Principal.Override {
		t.Errorf("%v; in what is immutable now go on %+v", err, *live)
	}
	if len(b.events) != 0 {
		t.Errorf("looking again leaves events: %+v", b.events)
	}
}

// TestMayApprove: policies say who may decide about changes, too.
func TestMayApprove(t *testing.T) {
	b := newBench(t)
	ann := b.user("ann", inventory.RoleApprover)
	if !b.MayApprove(ann, inProd("db1")) || !b.MayApprove(ann, nil) {
		t.Error("without a policy about it")
	}
	b.site(`@id("x") @reason("contractors decide nothing in prod") forbid (principal == User::"ann", action == Action::"change.approve", resource is Container) when { resource.env == "prod" };`)
	if b.MayApprove(ann, inProd("db1")) || !b.MayApprove(ann, in("dev", "web1")) || !b.MayApprove(root, inProd("db1")) {
		t.Error("with one")
	}
	b.unread = context.Canceled
	if b.MayApprove(root, nil) {
		t.Error("when nothing can be read")
	}
}
