package main

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"lodge/inventory"
	"lodge/web/client"
	"lodge/web/wire"
)

// has: the world has the key, and its value holds text.
func has(key, text string) func(world) bool {
	return func(w world) bool { value, ok := w[key]; return ok && strings.Contains(value, text) }
}

func lacks(key string) func(world) bool {
	return func(w world) bool { _, ok := w[key]; return !ok }
}

func hasImage(alias string) func(world) bool {
	return func(w world) bool {
		for key, value := range w {
			if strings.HasPrefix(key, "image ") && strings.Contains(" "+strings.Trim(value, "[]")+" ", " "+alias+" ") {
				return true
			}
		}
		return false
	}
}

// running makes a marked container that runs, stopped one that does not.
func (l *lab) running(name string) {
	l.t.Helper()
	l.do(l.create(tiny(name), true))
	l.mark(name, "marked")
}

// trashed makes a container, deletes it, and gives its name to another; kept is what it is called in
// the trash then.
func (l *lab) trashed(name, kept string) {
	l.t.Helper()
	l.stopped(name)
	l.do(power(deleting(l), name))
	l.do(func(ctx context.Context) (client.Answer, error) {
		return l.api.Rename(ctx, at(name), inventory.RenameArgs{Name: kept}, client.Options{})
	})
	l.do(l.create(tiny(name), false))
}

func (l *lab) stopped(name string) {
	l.t.Helper()
	l.do(l.create(tiny(name), false))
	l.mark(name, "marked")
}

func (l *lab) creatingProject(name string, settings map[string]string) mutation {
	purpose := "for tests"
	return func(ctx context.Context) (client.Answer, error) {
		return l.api.CreateProject(ctx, inventory.ProjectArgs{Name: name, Purpose: &purpose, Settings: settings}, client.Options{})
	}
}

func (l *lab) project(name string, settings map[string]string) {
	l.t.Helper()
	l.do(l.creatingProject(name, settings))
}

// mark leaves a file in the container's root that tells one state of it from another.
func (l *lab) mark(name, text string) {
	l.t.Helper()
	l.must(os.WriteFile(filepath.Join(l.volume(l.container(name).ID), "marker"), []byte(text), 0o644))
}

func (l *lab) updating(name string, args inventory.UpdateArgs) mutation {
	return func(ctx context.Context) (client.Answer, error) {
		return l.api.Update(ctx, at(name), args, client.Options{})
	}
}

// lending sets or extends both clocks of a lease to the same end.
func (l *lab) lending(change func(context.Context, inventory.Ref, inventory.LeaseArgs, client.Options) (client.Answer, error),
	name, until string) mutation {
	return func(ctx context.Context) (client.Answer, error) {
		return change(ctx, at(name), inventory.LeaseArgs{RunUntil: until, KeepUntil: until}, client.Options{})
	}
}

func (l *lab) snapping(name, snapshot string) mutation {
	return func(ctx context.Context) (client.Answer, error) {
		return l.api.CreateSnapshot(ctx, at(name), inventory.SnapshotArgs{Name: snapshot}, client.Options{})
	}
}

func deleting(l *lab) func(context.Context, inventory.Ref, client.Options) (client.Answer, error) {
	return func(ctx context.Context, ref inventory.Ref, o client.Options) (client.Answer, error) {
		return l.api.Delete(ctx, ref, false, o)
	}
}

// secondPool is the name of the pool containers are moved to.
const secondPool = "second"

// otherPool is the one of the two that the container is not on.
func (l *lab) otherPool(name string) string {
	l.t.Helper()
	if l.container(name).Pool == secondPool {
		return inventory.DefaultPool
	}
	return secondPool
}

func (l *lab) makingPool(name string) mutation {
	return func(ctx context.Context) (client.Answer, error) {
		return l.api.CreatePool(ctx, inventory.PoolArgs{Name: name, Size: "256MiB"}, client.Options{})
	}
}

// windowed makes a window for the container of its name alone.
// known makes sure that there is such a user: where there are users, an owner is one.
func (l *lab) known(user string) {
	l.t.Helper()
	all, err := l.api.Users(context.Background())
	l.must(err)
	if !slices.ContainsFunc(all, func(u wire.User) bool { return u.Name == user }) {
		l.do(func(ctx context.Context) (client.Answer, error) {
			return l.api.CreateUser(ctx, inventory.UserArgs{Name: user}, client.Options{})
		})
	}
}

func (l *lab) windowed(name, schedule string) mutation {
	return func(ctx context.Context) (client.Answer, error) {
		return l.glass().CreateWindow(ctx, inventory.WindowArgs{Name: name, Schedule: schedule, Filter: "name=" + name},
			client.Options{Reason: "a test"})
	}
}
