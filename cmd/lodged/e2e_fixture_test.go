package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"

	"lodge/inventory"
	"lodge/web/client"
	"lodge/web/wire"
)

// A crashFixture is a verb about to be asked for.
type crashFixture struct {
	ask  mutation
	done func(w world) bool // the world after it is done
}

// crashFixtures prepares each verb that is an operation on a container called name, or names that
// begin with it and a dash. A fixture does not use the verb itself.
var crashFixtures = map[string]func(l *lab, name string) crashFixture{
	"container.create": func(l *lab, name string) crashFixture {
		return crashFixture{l.create(tiny(name), false), has("container "+name, " stopped intent=stop")}
	},
	"container.launch": func(l *lab, name string) crashFixture {
		return crashFixture{l.create(tiny(name), true), has("container "+name, " running intent=run")}
	},
	"container.import": func(l *lab, name string) crashFixture {
		export := incusExport(l.t, tinyImage(l.t, ""))
		return crashFixture{func(ctx context.Context) (client.Answer, error) {
			args := inventory.ImportContainerArgs{Source: "web1.tar", CreateArgs: inventory.CreateArgs{Name: name,
				Settings: map[string]string{"disk": "64MiB", "memory": "64MiB"}}}
			return l.api.ImportContainer(ctx, args, bytes.NewReader(export), client.Options{})
		}, has("container "+name, " stopped intent=stop")}
	},
	"container.clone": func(l *lab, name string) crashFixture {
		l.stopped(name)
		return crashFixture{func(ctx context.Context) (client.Answer, error) {
			return l.api.Clone(ctx, at(name), inventory.CloneArgs{Name: name + "-copy"}, client.Options{})
		}, has("files "+name+"-copy", "marked"+name+"-copy")}
	},
	"container.start": func(l *lab, name string) crashFixture {
		l.stopped(name)
		return crashFixture{power(l.api.Start, name), has("container "+name, " running intent=run")}
	},
	"container.stop": func(l *lab, name string) crashFixture {
		l.running(name)
		return crashFixture{l.stopping(name, inventory.StopArgs{}), has("container "+name, " stopped intent=stop")}
	},
	"container.restart": func(l *lab, name string) crashFixture {
		l.running(name)
		pid := fmt.Sprint(l.container(name).Observed.InitPID)
		return crashFixture{func(ctx context.Context) (client.Answer, error) {
			return l.api.Restart(ctx, at(name), inventory.StopArgs{}, client.Options{})
		}, func(w world) bool {
			return has("container "+name, " running intent=run")(w) && fmt.Sprint(l.container(name).Observed.InitPID) != pid
		}}
	},
	"container.kill": func(l *lab, name string) crashFixture {
		l.running(name)
		return crashFixture{power(l.api.Kill, name), has("container "+name, " stopped intent=stop")}
	},
	"container.freeze": func(l *lab, name string) crashFixture {
		l.running(name)
		return crashFixture{power(l.api.Freeze, name), has("container "+name, " frozen ")}
	},
	"container.unfreeze": func(l *lab, name string) crashFixture {
		l.running(name)
		l.do(power(l.api.Freeze, name))
		return crashFixture{power(l.api.Unfreeze, name), has("container "+name, " running ")}
	},
	"container.update": func(l *lab, name string) crashFixture {
		l.running(name)
		owner := "somebody"
		l.known(owner)
		return crashFixture{l.updating(name, inventory.UpdateArgs{Owner: &owner, Settings: map[string]string{"memory": "80MiB", "disk": "80MiB"}}),
			func(w world) bool {
				return has("container "+name, "owner=somebody")(w) && has("limits "+name, fmt.Sprint(80<<20))(w)
			}}
	},
	"container.revert": func(l *lab, name string) crashFixture {
		l.running(name)
		first := l.container(name).Revision
		l.do(l.updating(name, inventory.UpdateArgs{Settings: map[string]string{"memory": "80MiB", "disk": "80MiB"}}))
		return crashFixture{func(ctx context.Context) (client.Answer, error) {
			return l.api.Revert(ctx, at(name), inventory.RevertArgs{Revision: first}, client.Options{})
		}, has("limits "+name, fmt.Sprint(64<<20))}
	},
	"container.rename": func(l *lab, name string) crashFixture {
		l.stopped(name)
		return crashFixture{func(ctx context.Context) (client.Answer, error) {
			return l.api.Rename(ctx, at(name), inventory.RenameArgs{Name: name + "-new"}, client.Options{})
		}, has("files "+name+"-new", "marked"+name+"-new")}
	},
	"container.delete": func(l *lab, name string) crashFixture {
		l.running(name)
		return crashFixture{power(deleting(l), name), has("container "+name, " stopped intent=stop trashed=true")}
	},
	"container.restore": func(l *lab, name string) crashFixture {
		l.trashed(name, name+"-old")
		return crashFixture{func(ctx context.Context) (client.Answer, error) {
			return l.api.RestoreAs(ctx, at(name+"-old"), inventory.RestoreArgs{Name: name + "-back"}, client.Options{})
		}, has("container "+name+"-back", " stopped intent=stop trashed=false")}
	},
	"container.purge": func(l *lab, name string) crashFixture {
		l.running(name)
		l.do(l.snapping(name, "kept"))
		return crashFixture{power(l.api.Purge, name), lacks("container " + name)}
	},
	"config.set": func(l *lab, name string) crashFixture {
		l.running(name)
		value := map[string]string{"stop.timeout": "11s", "processes": fmt.Sprint(1000 + len(l.operations("config.set")))}
		return crashFixture{func(ctx context.Context) (client.Answer, error) {
			return l.api.SetConfig(ctx, inventory.ConfigArgs{Settings: value}, client.Options{})
		}, has("setting processes", value["processes"])}
	},
	"container.move-project": func(l *lab, name string) crashFixture {
		l.project(name, map[string]string{"disk": "80MiB"})
		args := tiny(name + "-c")
		delete(args.Settings, "disk")
		l.do(l.create(args, false))
		return crashFixture{func(ctx context.Context) (client.Answer, error) {
			return l.api.MoveProject(ctx, at(name+"-c"), inventory.MoveProjectArgs{Project: name}, client.Options{})
		}, has("container "+name+"-c", "project="+name)}
	},
	"project.create": func(l *lab, name string) crashFixture {
		return crashFixture{l.creatingProject(name, nil), has("project "+name, "for tests")}
	},
	"project.update": func(l *lab, name string) crashFixture {
		l.project(name, nil)
		args := tiny(name + "-c")
		args.Project = name
		delete(args.Settings, "memory")
		l.do(l.create(args, true))
		return crashFixture{func(ctx context.Context) (client.Answer, error) {
			return l.api.UpdateProject(ctx, name, inventory.ProjectArgs{Settings: map[string]string{"memory": "80MiB"},
				Members: []inventory.Member{{Principal: "dev1", Role: "operator"}}}, client.Options{})
		}, func(w world) bool {
			return has("project "+name, "dev1")(w) && has("limits "+name+"-c", fmt.Sprint(80<<20))(w)
		}}
	},
	"project.delete": func(l *lab, name string) crashFixture {
		l.project(name, nil)
		return crashFixture{func(ctx context.Context) (client.Answer, error) {
			return l.api.DeleteProject(ctx, name, client.Options{})
		}, lacks("project " + name)}
	},
	"quota.set": func(l *lab, name string) crashFixture {
		l.project(name, nil)
		return crashFixture{func(ctx context.Context) (client.Answer, error) {
			return l.api.SetQuotas(ctx, inventory.QuotaArgs{Project: name, Quotas: map[string]string{"containers": "3"}}, client.Options{})
		}, has("project "+name, "containers 3 0")}
	},
	"lease.set": func(l *lab, name string) crashFixture {
		l.stopped(name)
		return crashFixture{l.lending(l.api.SetLease, name, "2040-01-01T00:00:00Z"), has("container "+name, "lease=2040-01-01T00:00:00Z/2040-01-01T00:00:00Z")}
	},
	"lease.extend": func(l *lab, name string) crashFixture {
		l.stopped(name)
		l.do(l.lending(l.api.SetLease, name, "2040-01-01T00:00:00Z"))
		return crashFixture{l.lending(l.api.ExtendLease, name, "2040-02-02T00:00:00Z"), has("container "+name, "lease=2040-02-02T00:00:00Z/2040-02-02T00:00:00Z")}
	},
	"lease.clear": func(l *lab, name string) crashFixture {
		l.stopped(name)
		l.do(l.lending(l.api.SetLease, name, "2040-01-01T00:00:00Z"))
		return crashFixture{func(ctx context.Context) (client.Answer, error) {
			return l.api.ClearLease(ctx, at(name), "", client.Options{})
		}, has("container "+name, "lease=/")}
	},
	"sudo.grant": func(l *lab, name string) crashFixture {
		l.agreeable(name)
		return crashFixture{l.giving(name), has("sudo "+name, "1 files user")}
	},
	"sudo.end": func(l *lab, name string) crashFixture {
		l.agreeable(name)
		l.do(l.giving(name))
		return crashFixture{func(ctx context.Context) (client.Answer, error) {
			return l.api.EndSudo(ctx, at(name), inventory.SudoEndArgs{}, client.Options{})
		}, func(w world) bool { return w["sudo "+name] == "0 files" }}
	},
	"dns.add": func(l *lab, name string) crashFixture {
		return crashFixture{l.named(name, "192.0.2.7"), has("dns "+name+" A 192.0.2.7", "192.0.2.7")}
	},
	"dns.remove": func(l *lab, name string) crashFixture {
		l.do(l.named(name, "192.0.2.8"))
		return crashFixture{func(ctx context.Context) (client.Answer, error) {
			return l.api.RemoveDNSRecord(ctx, inventory.DNSRecordArgs{Name: name, Type: "A", Data: "192.0.2.8"}, client.Options{})
		}, lacks("dns " + name + " A 192.0.2.8")}
	},
	"audit.reindex": func(l *lab, name string) crashFixture {
		return crashFixture{func(ctx context.Context) (client.Answer, error) { return l.api.Reindex(ctx, client.Options{}) },
			func(world) bool { return l.audited("agent.start", "") }}
	},
	"audit.rotate": func(l *lab, name string) crashFixture {
		old, err := l.api.AuditKey(context.Background())
		l.must(err)
		return crashFixture{func(ctx context.Context) (client.Answer, error) { return l.api.RotateAuditKey(ctx, client.Options{}) },
			func(world) bool { now, err := l.api.AuditKey(context.Background()); return err == nil && now != old }}
	},
	"affinity.add": func(l *lab, name string) crashFixture {
		return crashFixture{l.keptApart(name, "env=test,dev"), has("affinity "+name, "env=test,dev")}
	},
	"affinity.remove": func(l *lab, name string) crashFixture {
		l.do(l.keptApart(name, "env=prod,dr"))
		return crashFixture{func(ctx context.Context) (client.Answer, error) {
			return l.api.RemoveAffinity(ctx, name, client.Options{})
		}, lacks("affinity " + name)}
	},
	"window.create": func(l *lab, name string) crashFixture {
		return crashFixture{l.windowed(name, "sat 02:00-06:00"), has("window "+name, "sat 02:00-06:00 UTC name="+name)}
	},
	"window.remove": func(l *lab, name string) crashFixture {
		l.do(l.windowed(name, "sun 02:00-06:00"))
		return crashFixture{func(ctx context.Context) (client.Answer, error) {
			return l.glass().RemoveWindow(ctx, name, client.Options{Reason: "a test"})
		}, lacks("window " + name)}
	},
	"change.release": func(l *lab, name string) crashFixture {
		l.running(name)
		a, err := l.api.Stop(context.Background(), at(name), inventory.StopArgs{}, client.Options{Draft: true})
		l.must(err)
		return crashFixture{func(ctx context.Context) (client.Answer, error) {
			return l.api.ReleaseChange(ctx, a.Change.ID, client.Options{})
		}, func(w world) bool { // whichever way the stop that it began has gone
			now, err := l.api.Change(context.Background(), a.Change.ID)
			return err == nil && now.Operation != "" && (now.State == inventory.ChangeDone || now.State == inventory.ChangeRolledBack)
		}}
	},
	"snapshot.create": func(l *lab, name string) crashFixture {
		l.running(name)
		return crashFixture{l.snapping(name, "now"), has("snapshot "+name+"/now", "")}
	},
	"snapshot.restore": func(l *lab, name string) crashFixture {
		l.running(name)
		l.do(l.snapping(name, "then"))
		l.mark(name, "changed")
		return crashFixture{func(ctx context.Context) (client.Answer, error) {
			return l.api.RestoreSnapshot(ctx, at(name), "then", client.Options{})
		}, func(w world) bool {
			return has("files "+name, "marked")(w) && has("container "+name, " running ")(w)
		}}
	},
	"snapshot.delete": func(l *lab, name string) crashFixture {
		l.stopped(name)
		l.do(l.snapping(name, "old"))
		return crashFixture{func(ctx context.Context) (client.Answer, error) {
			return l.api.DeleteSnapshot(ctx, at(name), "old", client.Options{})
		}, lacks("snapshot " + name + "/old")}
	},
	"container.move": func(l *lab, name string) crashFixture {
		l.secondPool()
		l.running(name)
		to := l.otherPool(name)
		return crashFixture{func(ctx context.Context) (client.Answer, error) {
			return l.api.Move(ctx, at(name), inventory.MoveArgs{Pool: to}, client.Options{})
		}, func(w world) bool {
			return has("container "+name, " running intent=run")(w) && has("container "+name, " pool="+to)(w) &&
				has("files "+name, "marked"+name)(w)
		}}
	},
	"container.move.tidy": func(l *lab, name string) crashFixture {
		l.secondPool()
		l.stopped(name)
		left := l.otherPool(name)
		path := filepath.Join(l.root, "pools", left, "containers", string(l.container(name).ID))
		l.must(exec.Command("btrfs", "subvolume", "create", path).Run())     // as if a tidying had failed
		l.spares = append(l.spares, left+"/containers/"+filepath.Base(path)) // of the case that never began, for good
		return crashFixture{func(ctx context.Context) (client.Answer, error) {
			return l.api.TidyMove(ctx, at(name), inventory.MoveArgs{Pool: left}, client.Options{})
		}, func(world) bool { _, err := os.Stat(path); return os.IsNotExist(err) }}
	},
	"pool.create": func(l *lab, name string) crashFixture {
		return crashFixture{l.makingPool(name), has("pool "+name, "btrfs ready")}
	},
	"pool.delete": func(l *lab, name string) crashFixture {
		l.do(l.makingPool(name))
		return crashFixture{func(ctx context.Context) (client.Answer, error) {
			return l.api.DeletePool(ctx, name, client.Options{})
		}, func(w world) bool { return lacks("pool "+name)(w) && len(l.folder("pools/"+name+"*")) == 0 }}
	},
	"pool.set-default": func(l *lab, name string) crashFixture {
		l.secondPool()
		all := l.pools()
		i := slices.IndexFunc(all, func(p wire.Pool) bool { return !p.Default && (p.Name == secondPool || p.Name == inventory.DefaultPool) })
		to := all[i].Name
		return crashFixture{func(ctx context.Context) (client.Answer, error) {
			return l.api.SetDefaultPool(ctx, to, client.Options{})
		}, has("pool "+to, "default=true")}
	},
	"pool.scrub": func(l *lab, name string) crashFixture {
		return crashFixture{func(ctx context.Context) (client.Answer, error) {
			return l.api.ScrubPool(ctx, inventory.DefaultPool, client.Options{})
		}, nil}
	},
	"image.build": func(l *lab, name string) crashFixture {
		mirror := fakeArchive(l.t)
		return crashFixture{func(ctx context.Context) (client.Answer, error) {
			return l.api.BuildImage(ctx, inventory.BuildArgs{Recipe: "debian/12", Alias: name, Mirror: mirror}, client.Options{})
		}, hasImage(name)}
	},
	"image.import": func(l *lab, name string) crashFixture {
		return crashFixture{l.importing(name, tinyImage(l.t, "#!/bin/sh\n# "+name+"\n")), hasImage(name)}
	},
	"image.alias": func(l *lab, name string) crashFixture {
		return crashFixture{func(ctx context.Context) (client.Answer, error) {
			return l.api.AliasImage(ctx, inventory.ImageArgs{Image: "tiny", Alias: name}, client.Options{})
		}, hasImage(name)}
	},
	"image.publish": func(l *lab, name string) crashFixture {
		l.stopped(name)
		return crashFixture{func(ctx context.Context) (client.Answer, error) {
			return l.api.PublishImage(ctx, at(name), inventory.PublishArgs{Alias: name}, client.Options{})
		}, hasImage(name)}
	},
	"image.pull": func(l *lab, name string) crashFixture {
		l.do(l.remote(name, imageServer(l.t, "tiny", tinyImage(l.t, "#!/bin/sh\n# "+name+"\n"))))
		return crashFixture{func(ctx context.Context) (client.Answer, error) {
			return l.api.PullImage(ctx, inventory.PullArgs{Remote: name, Image: "tiny", Alias: name}, client.Options{})
		}, hasImage(name)}
	},
	"image.remote.add": func(l *lab, name string) crashFixture {
		return crashFixture{l.remote(name, "http://127.0.0.1:1/x"), has("remote "+name, "127.0.0.1:1")}
	},
	"image.remote.remove": func(l *lab, name string) crashFixture {
		l.do(l.remote(name, "http://127.0.0.1:1/x"))
		return crashFixture{func(ctx context.Context) (client.Answer, error) {
			return l.api.RemoveRemote(ctx, name, client.Options{})
		}, lacks("remote " + name)}
	},
	"image.delete": func(l *lab, name string) crashFixture {
		l.importImage(name, tinyImage(l.t, "#!/bin/sh\n# "+name+"\n"))
		return crashFixture{func(ctx context.Context) (client.Answer, error) {
			return l.api.DeleteImage(ctx, name, client.Options{})
		}, func(w world) bool { return !hasImage(name)(w) }}
	},
}

// secondPool makes it unless an earlier case has.
func (l *lab) secondPool() {
	l.t.Helper()
	for _, p := range l.pools() {
		if p.Name == secondPool {
			return
		}
	}
	l.do(l.makingPool(secondPool))
}
