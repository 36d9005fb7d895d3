package evidence

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"lodge/inventory"
)

// access tells who could do what, by ownership and roles, and who did.
func access(_ context.Context, c *Case) (Content, error) {
	could := Table{Title: "Who could", Columns: []string{"who", "role", "on", "since", "until", "given by", "reason"}}
	for _, f := range c.during() {
		if f.owner != "" && f.condition != purged {
			could.add(f.records, f.owner, "owner", "the container, as its owner", when(f.since), when(f.until), f.by, f.why)
		}
	}
	groups := c.grants(&could)
	return Content{Notes: []string{
		"Root of the host can do everything; what root does is marked in the journal once roles are in use. " +
			"A role on a selector holds while the selector matches the container.",
		"Policies take away from what roles give; every record names the revision of the set that judged it."},
		Tables: []Table{could, c.members(groups), c.actors()}}, nil
}

// A grant is a role somebody was given.
type grant struct {
	to, role, on string
	since, until time.Time // until is zero for good
	by, reason   string
	records      []int64
}

// end says that an act took the grants that are meant.
func end(all []grant, a Act, meant func(grant) bool) {
	for i := range all {
		if g := &all[i]; meant(*g) && (g.until.IsZero() || g.until.After(a.At())) {
			g.until, g.records = a.At(), append(g.records, a.Seqs()...)
		}
	}
}

// grants adds the roles that could be about the container and held in the period; it returns who has them.
func (c *Case) grants(t *Table) (holders []string) {
	var all []grant
	for _, a := range acts(c.Standing) {
		var args inventory.RoleArgs
		if !a.Succeeded() || json.Unmarshal(a.Intent.Detail, &args) != nil {
			continue
		}
		on := cmp.Or(args.On, string(inventory.OnHost))
		switch a.Intent.Verb {
		case "role.grant":
			until, _ := inventory.Until(args.Expires, a.Intent.At) // it was checked when it was granted
			if c.mayBeOn(on) {
				all = append(all, grant{args.To, args.Role, on, a.At(), until, a.Intent.Principal.Name, a.Intent.Reason, a.Seqs()})
			}
		case "role.revoke":
			end(all, a, func(g grant) bool { return g.to == args.To && g.role == args.Role && g.on == on })
		case "user.delete", "group.delete":
			end(all, a, func(g grant) bool { return g.to == a.Intent.Name })
		}
	}
	for _, g := range all {
		if (g.until.IsZero() || g.until.After(c.From)) && (c.To.IsZero() || g.since.Before(c.To)) {
			t.add(g.records, g.to, g.role, g.on, when(g.since), when(g.until), g.by, g.reason)
			holders = append(holders, g.to)
		}
	}
	return holders
}

// mayBeOn reports whether a role on that can be about the container.
func (c *Case) mayBeOn(on string) bool {
	kind, value, _ := strings.Cut(on, ":")
	for _, f := range c.during() {
		switch inventory.ExtentKind(kind) {
		case inventory.OnProject:
			if value == f.project {
				return true
			}
		case inventory.OnContainer:
			ref := inventory.Ref{Project: f.project, Name: f.name}
			if value == string(c.ID) || value == f.name || value == ref.String() || value == f.project+"/"+f.name {
				return true
			}
		default:
			return true
		}
	}
	return false
}

// members tells of the users and groups among the holders of roles, and the owners.
func (c *Case) members(holders []string) Table {
	t := Table{Title: "Users and groups named above", Columns: []string{"at", "who", "what", "with", "by"}}
	for _, f := range c.during() {
		holders = append(holders, f.owner)
	}
	for _, a := range acts(c.Standing) {
		if !strings.HasPrefix(a.Intent.Verb, "role.") && a.Succeeded() && slices.Contains(holders, a.Intent.Name) {
			t.add(a.Seqs(), when(a.At()), a.Intent.Name, a.Intent.Verb, string(a.Intent.Detail), a.Intent.Principal.Name)
		}
	}
	return t
}

// actors tells who did how much.
func (c *Case) actors() Table {
	t := Table{Title: "Who did", Columns: []string{"who", "by what", "operations", "sessions", "refused", "decisions", "first", "last"}}
	type count struct {
		name, proof                              string
		operations, sessions, refused, decisions int
		first, last                              time.Time
		records                                  []int64
	}
	var all []*count
	for _, r := range c.within(c.Records) {
		if r.Kind == inventory.RecordOutcome {
			continue
		}
		i := slices.IndexFunc(all, func(n *count) bool { return n.name == r.Principal.Name && n.proof == r.Principal.Proof })
		if i < 0 {
			i = len(all)
			all = append(all, &count{name: r.Principal.Name, proof: r.Principal.Proof, first: r.At})
		}
		n := all[i]
		n.last, n.records = r.At, append(n.records, r.Seq)
		switch {
		case r.Kind == inventory.RecordRefusal:
			n.refused++
		case r.Operation != "":
			n.operations++
		case r.Session != "":
			n.sessions++
		default:
			n.decisions++
		}
	}
	for _, n := range all {
		t.add(n.records, n.name, n.proof, fmt.Sprint(n.operations), fmt.Sprint(n.sessions), fmt.Sprint(n.refused),
			fmt.Sprint(n.decisions), when(n.first), when(n.last))
	}
	return t
}
