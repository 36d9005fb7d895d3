package main

import (
	"context"
	"os"
	"os/user"
	"slices"
	"strings"
	"time"

	"lodge/inventory"
	"lodge/manager/gate"
	"lodge/manager/policy"
)

// newPolicies joins the policies with what requests are judged by. They know no verbs before the gate
// is opened.
func (a *Agent) newPolicies() *policy.Service {
	return policy.New(policy.Config{Host: a.host.ID, HostName: a.host.Name, Versions: a.store, Expectations: a.store,
		Estate: a.store, Containers: a.store, Observer: a.runtime, Settings: func() inventory.Settings { return a.table },
		Rights: a.identity, Members: groupMembers, Windows: a.openWindows, HasWindow: a.hasWindow, Sessions: entrances{a}, Log: a.log, Now: a.now})
}

// openWindows are the names of the windows that are open.
func (a *Agent) openWindows(ctx context.Context, _ *inventory.Container, now time.Time) (names []string, err error) {
	all, err := a.store.Windows(ctx)
	for _, w := range all {
		if !w.Freeze && w.IsOpen(now) {
			names = append(names, w.Name)
		}
	}
	return names, err
}

func (a *Agent) hasWindow(ctx context.Context, name string) (bool, error) {
	all, err := a.store.Windows(ctx)
	return slices.ContainsFunc(all, func(w inventory.Window) bool { return w.Name == name }), err
}

// deciders are those whom rights and policies let decide about changes.
type deciders struct {
	gate.Rights
	policies *policy.Service
}

// Allowed reports whether p has the right on c, and, if it is to decide, whether policies let them.
func (d deciders) Allowed(p inventory.Principal, right inventory.Right, c *inventory.Container) bool {
	return d.Rights.Allowed(p, right, c) && (right != inventory.RightApprove || d.policies.MayApprove(p, c))
}

// isGroupMember asks as the door does of who connects.
func isGroupMember(name string) bool {
	u, err := user.Lookup(name)
	if err != nil {
		return false
	}
	g, err := user.LookupGroup(doorGroup)
	if err != nil {
		return false
	}
	ids, err := u.GroupIds()
	return err == nil && slices.Contains(ids, g.Gid)
}

// groupMembers are the members of the Unix group that may use the agent, as group(5) and passwd(5) of
// this host say: those it lists, and those whose first group it is.
func groupMembers() (names []string) {
	groups, _ := os.ReadFile("/etc/group") // what can't be read has no members
	gid := ""
	for line := range strings.Lines(string(groups)) {
		f := strings.Split(strings.TrimSpace(line), ":")
		if len(f) < 4 || f[0] != doorGroup {
			continue
		}
		gid = f[2]
		for _, name := range strings.Split(f[3], ",") {
			if name != "" {
				names = append(names, name)
			}
		}
	}
	users, _ := os.ReadFile("/etc/passwd")
	for line := range strings.Lines(string(users)) {
		if f := strings.Split(line, ":"); gid != "" && len(f) > 3 && f[3] == gid && !slices.Contains(names, f[0]) {
			names = append(names, f[0])
		}
	}
	return slices.DeleteFunc(names, func(name string) bool { return name == inventory.RootName })
}
