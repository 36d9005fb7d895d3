package store_test

import (
	"errors"
	"strings"
	"testing"

	"lodge/inventory"
	"lodge/manager/gate"
)

func (b *bench) volume(name string, size inventory.Bytes) inventory.Volume {
	b.t.Helper()
	v := inventory.Volume{ID: inventory.VolumeID(inventory.NewID(b.clock())), HostID: b.host, Name: name,
		Project: "default", Pool: "default", Owner: "alice", Size: size, Backup: true, CreatedAt: b.clock(), UpdatedAt: b.clock()}
	if err := b.AddVolume(b.t.Context(), v); err != nil {
		b.t.Fatal(err)
	}
	return v
}

// with returns the container with a disk that shows the volume.
func with(c *inventory.Container, volume string, more ...string) *inventory.Container {
	next := c.Clone()
	d := inventory.Device{Name: volume, Type: "disk", Properties: map[string]string{"volume": volume, "path": "/" + volume}}
	for _, p := range more {
		key, value, _ := strings.Cut(p, "=")
		d.Properties[key] = value
	}
	next.SetDevice(d)
	return next
}

func (b *bench) holders(v inventory.Volume) (names []string) {
	b.t.Helper()
	all, err := b.Attachments(b.t.Context(), v.ID, false)
	if err != nil {
		b.t.Fatal(err)
	}
	for _, a := range all {
		names = append(names, a.Name)
	}
	return names
}

func (b *bench) refused(kind error, a gate.Admission) {
	b.t.Helper()
	if _, _, err := b.Admit(b.t.Context(), a); !errors.Is(err, kind) {
		b.t.Fatalf("got %v, want one of kind %q", err, kind)
	}
}

// One container at a time writes to a volume, unless it is shared; the trash counts.
func TestVolumeHasOneWriter(t *testing.T) {
	b := open(t)
	data, web1, web2 := b.volume("data", inventory.GiB), b.made(b.container("web1")), b.made(b.container("web2"))
	web1 = b.do("volume.attach", web1, with(web1, "data"))
	b.refused(inventory.ErrState, b.admission("volume.attach", web2, with(web2, "data")))
	b.refused(inventory.ErrNotFound, b.admission("volume.attach", web2, with(web2, "other")))
	web2 = b.do("volume.attach", web2, with(web2, "data", "readonly=true"))
	if got := b.holders(data); len(got) != 2 {
		t.Fatalf("attached to %v", got)
	}
	web2 = b.do("volume.detach", web2, func() *inventory.Container { n := web2.Clone(); n.RemoveDevice("data"); return n }())
	trashed := web1.Clone()
	trashed.TrashedAt = b.clock()
	web1 = b.do("container.delete", web1, trashed)
	b.refused(inventory.ErrState, b.admission("volume.attach", web2, with(web2, "data")))
	if err := b.RemoveVolume(t.Context(), data.ID); !errors.Is(err, inventory.ErrState) || !strings.Contains(err.Error(), "web1") {
		t.Fatalf("removing it: %v", err)
	}
	op := b.admit(b.admission("container.purge", web1, nil))
	b.end(gate.Ending{ID: op.ID, Remove: true})
	web2 = b.do("volume.attach", web2, with(web2, "data"))
	if got := b.holders(data); len(got) != 1 || got[0] != "web2" {
		t.Errorf("attached to %v", got)
	}
	history, err := b.Attachments(t.Context(), data.ID, true)
	if err != nil || len(history) != 3 {
		t.Errorf("its history: %v, %v", history, err)
	}
}

// While a detach may still be undone, nobody else gets the volume; when it was undone, all is as before.
func TestVolumeIsHeldUntilTheEnd(t *testing.T) {
	b := open(t)
	data, web1, web2 := b.volume("data", inventory.GiB), b.made(b.container("web1")), b.made(b.container("web2"))
	web1 = b.do("volume.attach", web1, with(web1, "data"))
	without := web1.Clone()
	without.RemoveDevice("data")
	op := b.admit(b.admission("volume.detach", web1, without))
	b.refused(inventory.ErrState, b.admission("volume.attach", web2, with(web2, "data")))
	b.end(gate.Ending{ID: op.ID, State: inventory.OperationFailed, Error: "busy", Restore: true})
	if got := b.holders(data); len(got) != 1 || got[0] != "web1" {
		t.Fatalf("attached to %v", got)
	}
	web1, err := b.Container(t.Context(), web1.Ref())
	if err != nil || len(web1.Devices) != 1 {
		t.Fatalf("%+v %v", web1, err)
	}
	moving := b.admission("volume.move", web1, without)
	moving.Operation.Args = []byte(`{"volume":"data","to":"web2"}`)
	op = b.admit(moving)
	b.do("volume.attach", web2, with(web2, "data"))
	b.end(gate.Ending{ID: op.ID})
	if got := b.holders(data); len(got) != 1 || got[0] != "web2" {
		t.Errorf("after the move, attached to %v", got)
	}
}

// Volumes count against the quota on disk, with the containers and each other.
func TestVolumesCountAsDisk(t *testing.T) {
	b := open(t)
	quota(b, "default", inventory.QuotaDisk, int64(10*inventory.GiB))
	data := b.volume("data", 6*inventory.GiB)
	big := data
	big.ID, big.Name, big.Size = inventory.VolumeID(inventory.NewID(b.clock())), "big", 5*inventory.GiB
	for _, err := range []error{b.AddVolume(t.Context(), big), b.VolumeFits(t.Context(), big),
		b.ResizeVolume(t.Context(), data.ID, 11*inventory.GiB)} {
		if !errors.Is(err, inventory.ErrQuota) || !strings.Contains(err.Error(), "10GiB") {
			t.Errorf("got %v", err)
		}
	}
	c := b.container("web1")
	a := b.admission("container.create", nil, c)
	a.Reserve = &gate.Reservation{Disk: 5 * inventory.GiB}
	b.refused(inventory.ErrQuota, a)
	if err := b.ResizeVolume(t.Context(), data.ID, 5*inventory.GiB); err != nil {
		t.Fatal(err)
	}
	b.admit(a)
	if v, err := b.Volume(t.Context(), data.Ref()); err != nil || v.Size != 5*inventory.GiB || v.Revision != 2 {
		t.Errorf("%+v, %v", v, err)
	}
	again := data
	again.ID = inventory.VolumeID(inventory.NewID(b.clock()))
	if err := b.AddVolume(t.Context(), again); !errors.Is(err, inventory.ErrExists) {
		t.Errorf("a second volume of the name: %v", err)
	}
}

// Sharing ends when one container at most writes to the volume; readers don't matter, nor what else changes.
func TestVolumeSharingEnds(t *testing.T) {
	b := open(t)
	data, web1, web2, web3 := b.volume("data", inventory.GiB), b.made(b.container("web1")), b.made(b.container("web2")), b.made(b.container("web3"))
	data.Shared, data.Purpose = true, "pages"
	if err := b.UpdateVolume(t.Context(), data); err != nil {
		t.Fatal(err)
	}
	b.do("volume.attach", web1, with(web1, "data"))
	web2 = b.do("volume.attach", web2, with(web2, "data"))
	b.do("volume.attach", web3, with(web3, "data", "readonly=true"))
	alone := data
	alone.Shared = false
	if err := b.UpdateVolume(t.Context(), alone); !errors.Is(err, inventory.ErrState) || !strings.Contains(err.Error(), "web1, web2") {
		t.Fatalf("with two writers: %v", err)
	}
	b.do("volume.detach", web2, func() *inventory.Container { n := web2.Clone(); n.RemoveDevice("data"); return n }())
	for range 2 { // again is no change
		if err := b.UpdateVolume(t.Context(), alone); err != nil {
			t.Fatal(err)
		}
	}
	if v, err := b.Volume(t.Context(), data.Ref()); err != nil || v.Shared || v.Purpose != "pages" || v.Revision != 3 {
		t.Errorf("%+v, %v", v, err)
	}
}
