package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"lodge/inventory"
	"lodge/web/client"
)

func (l *lab) keptApart(app, members string) mutation {
	return func(ctx context.Context) (client.Answer, error) {
		return l.api.AddAffinity(ctx, inventory.AffinityArgs{App: app, Form: "apart", Members: members}, client.Options{})
	}
}

// TestAffinity keeps production and its stand-in apart wherever a container comes to be on the
// host, and moves nobody who was there first.
func TestAffinity(t *testing.T) {
	l := newLab(t)
	member := func(name, env string) inventory.CreateArgs {
		args := tiny(name)
		args.Environment, args.Labels = env, map[string]string{"app": "shop"}
		return args
	}
	refused := func(what string, m mutation) {
		t.Helper()
		if _, err := l.try(m); !errors.Is(err, inventory.ErrDenied) || !strings.Contains(err.Error(), "apart") {
			t.Errorf("%s: %v", what, err)
		}
	}
	l.do(l.create(member("af-dr0", "dr"), true))
	l.do(l.create(member("af-prod0", "prod"), false))
	l.do(l.keptApart("shop", "env=prod,dr"))
	out, _ := l.lodge("affinity", "list")
	if !strings.Contains(out, "af-dr0") || !strings.Contains(out, "af-prod0") {
		t.Errorf("the rule is broken by two, and the list says:\n%s", out)
	}
	if state := l.container("af-dr0").State; state != inventory.StateRunning {
		t.Errorf("one who was there first is %s", state)
	}
	refused("start", power(l.api.Start, "af-prod0"))
	l.do(power(deleting(l), "af-prod0"))
	refused("trash restore", power(l.api.Restore, "af-prod0"))
	refused("create", l.create(member("af-prod1", "prod"), false))
	refused("clone", func(ctx context.Context) (client.Answer, error) {
		l.do(l.updating("af-dr0", inventory.UpdateArgs{Labels: map[string]string{"tier": "web"}}))
		return l.api.Create(ctx, member("af-prod2", "prod"), true, client.Options{})
	})
	l.do(l.create(member("af-dr1", "dr"), false)) // of the same value
	l.do(l.create(tiny("af-other"), false))       // of no application
	prod := "prod"
	refused("a change that makes it a member", l.updating("af-other",
		inventory.UpdateArgs{Environment: &prod, Labels: map[string]string{"app": "shop"}}))
	l.do(func(ctx context.Context) (client.Answer, error) {
		return l.api.RemoveAffinity(ctx, "shop", client.Options{})
	})
	l.do(power(l.api.Restore, "af-prod0"))
}

// TestAffinityOfMany: of many asked for at once that may not share a host, one comes to be.
func TestAffinityOfMany(t *testing.T) {
	l := newLab(t)
	l.do(l.keptApart("shop", "env=prod"))
	var made, denied atomic.Int32
	var wg sync.WaitGroup
	for n := range 8 {
		args := tiny(fmt.Sprintf("af-%d", n))
		args.Environment, args.Labels = "prod", map[string]string{"app": "shop"}
		wg.Go(func() {
			switch _, err := l.try(l.create(args, false)); {
			case err == nil:
				made.Add(1)
			case errors.Is(err, inventory.ErrDenied):
				denied.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if made.Load() != 1 || denied.Load() != 7 {
		t.Errorf("%d were made and %d denied", made.Load(), denied.Load())
	}
	rules, err := l.api.Affinities(context.Background())
	if err != nil || len(rules) != 1 || len(rules[0].Violations) != 0 {
		t.Errorf("the rules stand as %+v, %v", rules, err)
	}
	l.checkClean()
}
