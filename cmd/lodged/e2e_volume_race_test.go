package main

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"lodge/inventory"
	"lodge/web/client"
)

// tally counts how mutations begun at one instant end.
func (l *lab) tally(all ...mutation) (done int, refused []error) {
	l.t.Helper()
	begin, results := make(chan struct{}), make([]error, len(all))
	var wg sync.WaitGroup
	for n, m := range all {
		wg.Go(func() {
			<-begin
			_, results[n] = l.try(m)
		})
	}
	close(begin)
	wg.Wait()
	for _, err := range results {
		if err == nil {
			done++
		} else {
			refused = append(refused, err)
		}
	}
	return done, refused
}

// TestVolumeAttachedTwiceAtOnce: of many containers that are given a volume at the same instant, one gets
// it, whether they run, are being made, or are handed it; the others are told who has it.
func TestVolumeAttachedTwiceAtOnce(t *testing.T) {
	l := newLab(t)
	const many = 6
	l.do(l.makingVolume("lt-v"))
	var names []string
	var attaching []mutation
	for n := range many {
		name := fmt.Sprintf("lt-c%d", n)
		l.do(l.create(tiny(name), n%2 == 0))
		names = append(names, name)
		attaching = append(attaching, func(ctx context.Context) (client.Answer, error) {
			return l.api.Attach(ctx, at(name), inventory.AttachArgs{Volume: "lt-v", Path: "/srv/data"}, client.Options{})
		})
	}
	for n := range many {
		args := tiny(fmt.Sprintf("lt-new%d", n))
		args.Devices = []inventory.Device{{Name: "lt-v", Type: "disk", Properties: map[string]string{"volume": "lt-v", "path": "/srv/data"}}}
		attaching = append(attaching, l.create(args, false))
	}
	for range 3 {
		done, refused := l.tally(attaching...)
		if done != 1 {
			t.Errorf("%d got the volume", done)
		}
		for _, err := range refused {
			if kind, _ := inventory.Kind(err); kind.Name == "internal" || !strings.Contains(err.Error(), "lt-") {
				t.Errorf("refused with: %v", err)
			}
		}
		l.settle()
		v := l.allVolumes()[0]
		if len(v.Attached) != 1 {
			t.Fatalf("it is attached to %v", v.Attached)
		}
		holder := v.Attached[0].Name
		for _, name := range names {
			c := l.container(name)
			if has := len(c.Devices) > 0; has != (name == holder) {
				t.Errorf("%s has %v; the volume is %s's", name, c.Devices, holder)
			}
			if c.State == inventory.StateRunning && (len(deviceMounts(c.Observed.InitPID)) > 0) != (name == holder) {
				t.Errorf("%s has it mounted: %v; the volume is %s's", name, deviceMounts(c.Observed.InitPID), holder)
			}
		}
		l.do(func(ctx context.Context) (client.Answer, error) {
			return l.api.Detach(ctx, at(holder), "lt-v", client.Options{})
		})
		if strings.HasPrefix(holder, "lt-new") {
			l.do(power(l.api.Purge, holder))
		}
	}
	l.checkClean()
}

// TestQuotaWhileResizing: sizes of root file systems and volumes that grow at the same instant, while they
// are written to, never come to more than the project's quota, and what is refused stays as it was.
func TestQuotaWhileResizing(t *testing.T) {
	l := newLab(t)
	l.project("lt-p", nil)
	in := func(name string) inventory.Ref { return inventory.Ref{Project: "lt-p", Name: name} }
	var growing []mutation
	for n := range 4 {
		name := fmt.Sprintf("lt-%d", n)
		args := tiny(name)
		args.Project = "lt-p"
		l.do(l.create(args, true))
		l.do(func(ctx context.Context) (client.Answer, error) {
			return l.api.CreateVolume(ctx, inventory.VolumeArgs{Name: name + "-v", Project: "lt-p", Size: "64MiB"}, client.Options{})
		})
		l.open("lt-p/"+name, "sh", "-c", "while :; do dd if=/dev/zero of=/fill bs=1M count=8 2>/dev/null; sync; rm /fill; done")
		growing = append(growing, func(ctx context.Context) (client.Answer, error) {
			return l.api.Update(ctx, in(name), inventory.UpdateArgs{Settings: map[string]string{"disk": "128MiB"}}, client.Options{})
		}, func(ctx context.Context) (client.Answer, error) {
			return l.api.ResizeVolume(ctx, in(name+"-v"), "128MiB", client.Options{})
		})
	}
	// Eight of 64 MiB make 512; each wants 64 more, and there is room for three.
	l.run("quota", "set", "lt-p", "disk=704MiB")
	done, refused := l.tally(growing...)
	if done != 3 || len(refused) != 5 {
		t.Errorf("%d grew, %v", done, refused)
	}
	for _, err := range refused {
		if kind, _ := inventory.Kind(err); kind.Err != inventory.ErrQuota {
			t.Errorf("refused with: %v", err)
		}
	}
	l.settle()
	quotas, err := l.api.Quotas(context.Background(), "lt-p")
	l.must(err)
	for _, q := range quotas {
		if q.Used > q.Max {
			t.Errorf("the quota %s: %d of %d", q.Name, q.Used, q.Max)
		}
	}
	grown := 0
	for n := range 4 {
		if l.container(fmt.Sprintf("lt-p/lt-%d", n)).Settings["disk"] == "128MiB" {
			grown++
		}
	}
	for _, v := range l.allVolumes() {
		if v.SizeBytes == 128<<20 {
			grown++
		}
	}
	if grown != 3 {
		t.Errorf("%d have grown", grown)
	}
	l.checkClean()
}
