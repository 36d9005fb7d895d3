package apitest

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"lodge/inventory"
	"lodge/manager/gate"
)

// prepare checks a request and returns what it changes when its operation ends; w.mu is held
// whenever that is called.
func (w *World) prepare(r *gate.Request) (func(), error) {
	for _, some := range []func(*gate.Request) (func(), bool, error){w.tenancy, w.furnish, w.lend} {
		if change, ok, err := some(r); ok {
			return change, err
		}
	}
	switch r.Verb {
	case "container.create", "container.launch":
		return w.create(r)
	case "container.update":
		return w.update(r)
	case "container.rename":
		args, err := decode[inventory.RenameArgs](r)
		if err == nil {
			err = inventory.CheckName("a container", args.Name)
		}
		c := r.Container
		return func() { w.touch(c, r, func() { c.Name = args.Name }) }, err
	case "snapshot.create":
		args, err := decode[inventory.SnapshotArgs](r)
		c := r.Container
		return func() {
			w.snapshots[c.ID] = append(w.snapshots[c.ID],
				inventory.Snapshot{Container: c.ID, Name: args.Name, CreatedAt: start, Config: c.Clone()})
		}, err
	case "snapshot.delete":
		args, err := decode[inventory.SnapshotArgs](r)
		c := r.Container
		return func() {
			w.snapshots[c.ID] = slices.DeleteFunc(w.snapshots[c.ID],
				func(s inventory.Snapshot) bool { return s.Name == args.Name })
		}, err
	case "image.import":
		args, err := decode[inventory.ImportArgs](r)
		if err == nil {
			err = inventory.CheckAlias(args.Alias)
		}
		return func() {
			w.images = append(w.images, inventory.Image{Digest: "sha256:" + args.Upload,
				Aliases: []string{args.Alias}, Source: "import " + args.Source, CreatedAt: start})
		}, err
	case "image.publish", "image.pull":
		var args struct{ Alias string }
		err := json.Unmarshal(r.Args, &args)
		return func() {
			w.images = append(w.images, inventory.Image{Digest: "sha256:" + strings.Repeat("cd", 32),
				Aliases: []string{args.Alias}, Source: r.Verb, CreatedAt: start})
		}, err
	case "image.remote.add":
		args, err := decode[inventory.RemoteArgs](r)
		if err == nil {
			err = inventory.CheckRemote(args.Name, args.URL)
		}
		return func() {
			w.remotes = append(w.remotes, inventory.Remote{Name: args.Name, URL: args.URL, Key: args.Key, CreatedAt: start})
		}, err
	case "image.remote.remove":
		args, err := decode[inventory.RemoteArgs](r)
		return func() {
			w.remotes = slices.DeleteFunc(w.remotes, func(m inventory.Remote) bool { return m.Name == args.Name })
		}, err
	case "config.set":
		args, err := decode[inventory.ConfigArgs](r)
		if err == nil {
			args.Settings, err = table.Check(inventory.ScopeHost, args.Settings)
		}
		return func() { maps.Copy(w.host, args.Settings) }, err
	}
	return w.power(r)
}

// power are the verbs that change no field but the state, and those of the trash.
func (w *World) power(r *gate.Request) (func(), error) {
	c := r.Container
	to := map[string]inventory.State{"container.start": inventory.StateRunning,
		"container.stop":    inventory.StateStopped,
		"container.restart": inventory.StateRunning, "container.kill": inventory.StateStopped,
		"container.freeze": inventory.StateFrozen, "container.unfreeze": inventory.StateRunning}
	switch state, ok := to[r.Verb]; {
	case ok && c != nil:
		if w.observed[c.ID].State == state && r.Verb != "container.restart" {
			return nil, inventory.Errorf(inventory.ErrState, "%s is %s already", c.Name, state)
		}
		return func() {
			w.observed[c.ID] = inventory.Observed{State: state}
			if c.Intent = inventory.IntentRun; state == inventory.StateStopped {
				c.Intent = inventory.IntentStop
			}
		}, nil
	case r.Verb == "container.delete":
		return func() { w.touch(c, r, func() { c.TrashedAt = start }) }, nil
	case r.Verb == "container.restore":
		args, err := decode[inventory.RestoreArgs](r)
		return func() {
			w.touch(c, r, func() { c.TrashedAt, c.Name = time.Time{}, cmp.Or(args.Name, c.Name) })
		}, err
	case r.Verb == "container.purge":
		return func() { delete(w.containers, c.ID) }, nil
	}
	return func() {}, nil
}

func (w *World) create(r *gate.Request) (func(), error) {
	args, err := decode[inventory.CreateArgs](r)
	if err != nil {
		return nil, err
	}
	if args.Project == "" {
		args.Project = inventory.DefaultProject
	}
	i := w.project(args.Project)
	if i < 0 {
		return nil, inventory.Errorf(inventory.ErrNotFound, "there is no project %s", args.Project)
	}
	if args.Image == "" {
		args.Image = w.projects[i].Image
	}
	if args.Name == "" {
		args.Name = fmt.Sprintf("c%d", len(w.containers)+1)
	}
	if err := inventory.CheckName("a container", args.Name); err != nil {
		return nil, err
	}
	if _, err := w.find(inventory.Ref{Project: args.Project, Name: args.Name}); err == nil {
		return nil, inventory.Errorf(inventory.ErrExists, "there is a container %s already", args.Name)
	}
	if _, err := w.image(args.Image); err != nil {
		return nil, err
	}
	if args.Environment == "" {
		args.Environment = "dev"
	}
	if args.DataClass == "" {
		args.DataClass = "internal"
	}
	for _, other := range args.After {
		if _, err := w.find(inventory.Ref{Project: args.Project, Name: other}); err != nil {
			return nil, inventory.Errorf(inventory.ErrInvalid, "%s can't come after %s", args.Name, other)
		}
	}
	values, err := table.Check(inventory.ScopeContainer, args.Settings)
	if err != nil {
		return nil, err
	}
	n := byte(len(w.containers) + 2)
	c := &inventory.Container{ID: inventory.ContainerID(inventory.NewID(time.Now())),
		Name: args.Name, Project: args.Project,
		Owner: args.Owner, Purpose: args.Purpose, Environment: inventory.Environment(args.Environment), Labels: args.Labels, DataClass: args.DataClass, After: args.After,
		Image: args.Image, ImageDigest: w.images[0].Digest, Pool: "default", Settings: values, Intent: inventory.IntentStop,
		NICs: []inventory.NIC{{Network: "lodge0", Name: "eth0", MAC: "02:00:00:00:00:02",
			IPv4: netip.AddrFrom4([4]byte{10, 86, 0, n})}},
		Devices: args.Devices, Revision: 1, CreatedAt: start, UpdatedAt: start}
	if c.Owner == "" {
		c.Owner = r.Principal.Name
	}
	r.Args = encode(args)
	r.Container = c
	w.containers[c.ID] = c
	w.observed[c.ID] = inventory.Observed{State: inventory.StateStopped}
	return func() {
		if r.Verb == "container.launch" {
			c.Intent = inventory.IntentRun
			w.observed[c.ID] = inventory.Observed{State: inventory.StateRunning, InitPID: 4242,
				StartedAt: start, Memory: 20 * inventory.MiB}
		}
		w.remember(c, r)
	}, nil
}

func (w *World) update(r *gate.Request) (func(), error) {
	args, err := decode[inventory.UpdateArgs](r)
	if err != nil {
		return nil, err
	}
	values, err := table.Check(inventory.ScopeContainer, args.Settings)
	c := r.Container
	return func() {
		w.touch(c, r, func() {
			if args.Purpose != nil {
				c.Purpose = *args.Purpose
			}
			if args.Owner != nil {
				c.Owner = *args.Owner
			}
			if args.Environment != nil {
				c.Environment = inventory.Environment(*args.Environment)
			}
			if args.DataClass != nil {
				c.DataClass = *args.DataClass
			}
			if args.After != nil {
				c.After = *args.After
			}
			if c.Labels == nil {
				c.Labels = map[string]string{}
			}
			maps.Copy(c.Labels, args.Labels)
			for _, key := range args.Unlabel {
				delete(c.Labels, key)
			}
			if c.Settings == nil {
				c.Settings = map[string]string{}
			}
			maps.Copy(c.Settings, values)
			for _, name := range args.Unset {
				delete(c.Settings, name)
			}
		})
	}, err
}

// touch changes a container and its revision; w.mu is held.
func (w *World) touch(c *inventory.Container, r *gate.Request, change func()) {
	change()
	c.Revision++
	w.remember(c, r)
}

func (w *World) remember(c *inventory.Container, r *gate.Request) {
	w.history[c.ID] = append(w.history[c.ID], inventory.Revision{Container: c.Clone(), At: start,
		Verb:      r.Verb,
		Principal: r.Principal, Reason: r.Reason, Ticket: r.Ticket})
}
