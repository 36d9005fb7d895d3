package main

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"time"

	"lodge/inventory"
	"lodge/inventory/store"
	"lodge/manager/gate"
	"lodge/manager/policy"
)

// The host that decisions are measured on.
const (
	judgingPolicies = 200
	judgedBindings  = 1000
	judgedUsers     = 250
	judgedGroups    = 40
	decisions       = 500 // in one round
)

// policies measures one decision by the policies, in this process, over a database of its own: what the
// gate adds to a request before anything durable.
func (b *bench) policies(ctx context.Context) error {
	s, err := store.Open(ctx, store.Config{Path: filepath.Join(b.agent.home, "judged.db"), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	defer s.Close()
	me, err := judgedHost(ctx, s)
	if err != nil {
		return err
	}
	p, err := judge(ctx, s)
	if err != nil {
		return err
	}
	c := &inventory.Container{ID: "judged", Name: "db1", Project: inventory.DefaultProject, Environment: "prod",
		Owner: "u3", Revision: 1, Labels: map[string]string{"tier": "db"}}
	for figure, verb := range map[string]string{"decision": "container.delete", "decision-read": "container.view"} {
		for round := range b.rounds + 1 {
			start := time.Now()
			for range decisions {
				r := &gate.Request{Verb: verb, Principal: me, Container: c}
				if d := p.Review(ctx, r, &inventory.Plan{Verb: verb}); d.Verdict == gate.Deny {
					return fmt.Errorf("%s: %v", verb, d.Reasons)
				}
			}
			b.results.add(figure, inAgent, round, time.Since(start)/decisions)
		}
	}
	return nil
}

// judgedHost writes users, groups and bindings, and returns one of the users.
func judgedHost(ctx context.Context, s *store.Store) (me inventory.Principal, err error) {
	if _, err := s.EnsureHost(ctx, "bench", "bench"); err != nil {
		return me, err
	}
	var users []inventory.User
	for i := range judgedUsers {
		users = append(users, inventory.User{ID: inventory.UserID(inventory.NewID(time.Now())), Name: fmt.Sprint("u", i), CreatedAt: time.Now()})
		if err := s.EditIdentity(ctx, inventory.IdentityEdit{User: &users[i]}); err != nil {
			return me, err
		}
	}
	for i := range judgedGroups {
		g := inventory.Group{ID: inventory.GroupID(inventory.NewID(time.Now())), Name: fmt.Sprint("g", i), CreatedAt: time.Now()}
		for _, u := range users[5*i : 5*i+50] {
			g.Members = append(g.Members, inventory.GroupMember{User: u.ID})
		}
		if err := s.EditIdentity(ctx, inventory.IdentityEdit{Group: &g}); err != nil {
			return me, err
		}
	}
	for i := range judgedBindings {
		on, err := inventory.ParseExtent([]string{"host", fmt.Sprint("project:p", i), "selector:label.tier=db"}[i%3])
		if err != nil {
			return me, err
		}
		binding := inventory.Binding{ID: inventory.BindingID(inventory.NewID(time.Now())), Role: inventory.RoleOperator, On: on,
			Subject: inventory.GroupMember{User: users[i%judgedUsers].ID}, CreatedAt: time.Now()}
		if err := s.EditIdentity(ctx, inventory.IdentityEdit{Binding: &binding}); err != nil {
			return me, err
		}
	}
	return inventory.Principal{Name: "u120", Kind: inventory.KindPerson, User: users[120].ID, From: "unix"}, nil
}

// judge is the policies, with 200 of a site. It knows the verbs the base set names.
func judge(ctx context.Context, s *store.Store) (*policy.Service, error) {
	var text strings.Builder
	for i := range judgingPolicies {
		fmt.Fprintf(&text, `@id("p%d") @hold("1") forbid (principal in Group::"g%d", action in [Action::"container.delete", Action::"container.update"], resource is Container)
when { resource.env == "prod" && resource.hasTag("tier") && resource.getTag("tier") == "t%d" && context.hour < 24 };`+"\n", i, i%judgedGroups, i)
	}
	_, err := s.AddPolicyVersion(ctx, 0, inventory.PolicyVersion{Text: text.String(), Operation: "bench", CreatedAt: time.Now()})
	if err != nil {
		return nil, err
	}
	p := policy.New(policy.Config{HostName: "bench", Versions: s, Expectations: s, Estate: s, Containers: s,
		Settings: func() inventory.Settings { return inventory.NewSettings(policy.Settings()) },
		Members:  func() []string { return nil }, Log: slog.New(slog.DiscardHandler), Now: time.Now})
	onHost := func(*gate.Request) (string, string, error) { return "host", "host", nil }
	row := func(name string, right inventory.Right, mode gate.Mode) gate.Verb {
		v := gate.Verb{Name: name, Right: right, Mode: mode}
		if noun, _, _ := strings.Cut(name, "."); noun != "container" && noun != "snapshot" && mode == gate.ModeOperation {
			v.Subject = onHost
		}
		return v
	}
	op := gate.ModeOperation
	verbs := []gate.Verb{row("container.view", inventory.RightView, gate.ModeRead), row("container.update", inventory.RightManage, op),
		row("container.revert", inventory.RightManage, op), row("container.delete", inventory.RightDelete, op),
		row("container.purge", inventory.RightPurge, op), row("container.exec", inventory.RightSession, gate.ModeSession),
		row("session.end", inventory.RightSession, gate.ModeSession), row("snapshot.restore", inventory.RightManage, op),
		row("config.set", inventory.RightHost, op), row("project.update", inventory.RightProject, op), row("policy.set", inventory.RightPolicy, op)}
	return p, p.Use(ctx, verbs)
}
