package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"lodge/inventory"
	"lodge/web/client"
	"lodge/web/wire"
)

// The crash fixtures of volumes and devices. A volume is called after its container, with -v. Devices that
// mount go the same way as volumes, so that of devices is an interface.

func init() {
	for verb, fixture := range volumeFixtures {
		crashFixtures[verb] = fixture
	}
}

var volumeFixtures = map[string]func(l *lab, name string) crashFixture{
	"container.device.add": func(l *lab, name string) crashFixture {
		l.running(name)
		return crashFixture{l.adding(name, lan), has("mounts "+name, "[eth0 eth1]")}
	},
	"container.device.remove": func(l *lab, name string) crashFixture {
		l.running(name)
		l.do(l.adding(name, lan))
		return crashFixture{l.removing(name, lan.Name), has("mounts "+name, "[eth0]")}
	},
	"volume.create": func(l *lab, name string) crashFixture {
		return crashFixture{l.makingVolume(name + "-v"), has("volume "+name+"-v", "size=67108864")}
	},
	"volume.resize": func(l *lab, name string) crashFixture {
		l.do(l.makingVolume(name + "-v"))
		return crashFixture{func(ctx context.Context) (client.Answer, error) {
			return l.api.ResizeVolume(ctx, at(name+"-v"), "96MiB", client.Options{})
		}, has("volume "+name+"-v", "size=100663296")}
	},
	"volume.update": func(l *lab, name string) crashFixture {
		l.do(l.makingVolume(name + "-v"))
		shared := true
		return crashFixture{func(ctx context.Context) (client.Answer, error) {
			return l.api.UpdateVolume(ctx, at(name+"-v"), inventory.VolumeUpdateArgs{Shared: &shared}, client.Options{})
		}, has("volume "+name+"-v", "shared=true")}
	},
	"volume.delete": func(l *lab, name string) crashFixture {
		l.do(l.makingVolume(name + "-v"))
		l.do(l.snappingVolume(name+"-v", "s"))
		return crashFixture{func(ctx context.Context) (client.Answer, error) {
			return l.api.DeleteVolume(ctx, at(name+"-v"), client.Options{})
		}, lacks("volume " + name + "-v")}
	},
	"volume.attach": func(l *lab, name string) crashFixture {
		l.running(name)
		l.do(l.makingVolume(name + "-v"))
		return crashFixture{l.attaching(name), has("mounts "+name, "/srv/data")}
	},
	"volume.detach": func(l *lab, name string) crashFixture {
		l.holding(name)
		return crashFixture{func(ctx context.Context) (client.Answer, error) {
			return l.api.Detach(ctx, at(name), name+"-v", client.Options{})
		}, has("mounts "+name, "[]")}
	},
	"volume.move": func(l *lab, name string) crashFixture {
		l.holding(name)
		l.running(name + "-to")
		return crashFixture{func(ctx context.Context) (client.Answer, error) {
			return l.api.MoveVolume(ctx, at(name), inventory.AttachArgs{Volume: name + "-v", To: name + "-to"}, client.Options{})
		}, func(w world) bool {
			return has("mounts "+name, "[]")(w) && has("mounts "+name+"-to", "/srv/data")(w)
		}}
	},
	"volume.snapshot": func(l *lab, name string) crashFixture {
		l.holding(name)
		return crashFixture{l.snappingVolume(name+"-v", "now"), has("volume "+name+"-v", "snapshots=[now]")}
	},
	"volume.restore": func(l *lab, name string) crashFixture {
		l.do(l.makingVolume(name + "-v"))
		l.do(l.snappingVolume(name+"-v", "then"))
		l.must(os.WriteFile(filepath.Join(l.volumePath(name+"-v"), "marker"), []byte("changed"), 0o644))
		return crashFixture{func(ctx context.Context) (client.Answer, error) {
			return l.api.RestoreVolume(ctx, at(name+"-v"), "then", client.Options{})
		}, has("volume "+name+"-v", "marker= ")}
	},
	"volume.snapshot.delete": func(l *lab, name string) crashFixture {
		l.do(l.makingVolume(name + "-v"))
		l.do(l.snappingVolume(name+"-v", "old"))
		return crashFixture{func(ctx context.Context) (client.Answer, error) {
			return l.api.DeleteVolumeSnapshot(ctx, at(name+"-v"), "old", client.Options{})
		}, has("volume "+name+"-v", "snapshots=[]")}
	},
}

var lan = inventory.Device{Name: "lan", Type: "nic", Properties: map[string]string{}}

func (l *lab) adding(name string, d inventory.Device) mutation {
	return func(ctx context.Context) (client.Answer, error) {
		return l.api.AddDevice(ctx, at(name), d, client.Options{})
	}
}

func (l *lab) makingVolume(name string) mutation {
	return func(ctx context.Context) (client.Answer, error) {
		return l.api.CreateVolume(ctx, inventory.VolumeArgs{Name: name, Size: "64MiB"}, client.Options{})
	}
}

func (l *lab) snappingVolume(name, snapshot string) mutation {
	return func(ctx context.Context) (client.Answer, error) {
		return l.api.SnapshotVolume(ctx, at(name), snapshot, "", client.Options{})
	}
}

// attaching attaches the container's volume to it.
func (l *lab) attaching(name string) mutation {
	return func(ctx context.Context) (client.Answer, error) {
		return l.api.Attach(ctx, at(name), inventory.AttachArgs{Volume: name + "-v", Path: "/srv/data"}, client.Options{})
	}
}

// holding makes a container that runs and has its volume. How it got it is no verb that is crashed.
func (l *lab) holding(name string) {
	l.t.Helper()
	l.do(l.makingVolume(name + "-v"))
	args := tiny(name)
	args.Devices = []inventory.Device{{Name: name + "-v", Type: "disk",
		Properties: map[string]string{"volume": name + "-v", "path": "/srv/data"}}}
	l.do(l.create(args, true))
	l.mark(name, "marked")
}

func (l *lab) allVolumes() []wire.Volume {
	l.t.Helper()
	all, err := l.api.Volumes(context.Background(), "")
	l.must(err)
	return all
}

func (l *lab) volumePath(name string) string {
	l.t.Helper()
	for _, v := range l.allVolumes() {
		if v.Name == name {
			return l.volume(inventory.ContainerID(v.ID))
		}
	}
	l.t.Fatalf("there is no volume %s", name)
	return ""
}

// addVolumes adds the volumes to a world.
func (l *lab) addVolumes(w world) {
	l.t.Helper()
	for _, v := range l.allVolumes() {
		var snapshots, holders []string
		all, err := l.api.VolumeSnapshots(context.Background(), at(string(v.ID)))
		l.must(err)
		for _, s := range all {
			snapshots = append(snapshots, s.Name)
		}
		for _, a := range v.Attached {
			holders = append(holders, fmt.Sprintf("%s:%s:%v", a.Name, a.Path, a.ReadOnly))
		}
		text, _ := os.ReadFile(filepath.Join(l.volume(inventory.ContainerID(v.ID)), "marker"))
		w["volume "+v.Name] = fmt.Sprintf("%s size=%d shared=%v attached=%v snapshots=%v marker=%s ", v.ID, v.SizeBytes, v.Shared, holders, snapshots, text)
	}
}
