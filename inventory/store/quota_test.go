package store_test

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lodge/inventory"
	"lodge/manager/gate"
)

func TestQuotas(t *testing.T) {
	b, ctx := open(t), context.Background()
	create := func(name string, r gate.Reservation) (*inventory.Container, error) {
		a := b.admission("container.create", nil, b.container(name))
		a.Reserve = &r
		if err := b.Overdraws(ctx, nil, a.After, &r); err != nil {
			_, _, admitted := b.Admit(ctx, a)
			if admitted == nil || err.Error() != admitted.Error() {
				t.Errorf("the plan says %q, the admission %q", err, admitted)
			}
			return nil, admitted
		}
		op, _, err := b.Admit(ctx, a)
		if err == nil {
			b.end(gate.Ending{ID: op.ID})
		}
		return op.After, err
	}
	quota(b, "default", inventory.QuotaContainers, 2)
	quota(b, "", inventory.QuotaCPUs, 2500)
	quota(b, inventory.WholeHost, inventory.QuotaDisk, int64(10*inventory.GiB))
	web1, err := create("web1", gate.Reservation{CPUs: 1.5, Disk: 6 * inventory.GiB})
	ok(t, err)
	for text, r := range map[string]gate.Reservation{
		"project default may use 2.5 CPUs, 1.5 is taken and web2 asks for 1.1": {CPUs: 1.1},
		"this host may use 10GiB disk, 6GiB is taken and web2 asks for 5GiB":   {Disk: 5 * inventory.GiB},
	} {
		if _, err := create("web2", r); !errors.Is(err, inventory.ErrQuota) || err.Error() != text {
			t.Error(err)
		}
	}
	_, err = create("web2", gate.Reservation{CPUs: 1})
	ok(t, err)
	if _, err := create("web3", gate.Reservation{}); !errors.Is(err, inventory.ErrQuota) || !strings.Contains(err.Error(), "may have 2 containers and has 2") {
		t.Error(err)
	}
	trashed := web1.Clone()
	trashed.TrashedAt = b.clock()
	trashed = b.do("container.delete", web1, trashed)
	used := map[string]int64{}
	for _, q := range must[[]inventory.Quota](t)(b.Quotas(ctx)) {
		used[q.Project+" "+q.Name] = q.Used
	}
	if diff := cmp.Diff(map[string]int64{"default containers": 1, "default cpus": 1000, "* disk": int64(6 * inventory.GiB)}, used); diff != "" {
		t.Error("the trash counts its disk:", diff)
	}
	_, err = create("web3", gate.Reservation{CPUs: 1})
	ok(t, err)
	back := trashed.Clone()
	back.TrashedAt = time.Time{}
	if _, _, err := b.Admit(ctx, b.admission("trash.restore", trashed, back)); !errors.Is(err, inventory.ErrQuota) {
		t.Error("out of the trash past the quota:", err)
	}
	quota(b, "default", inventory.QuotaContainers, -1)
	quota(b, "default", inventory.QuotaCPUs, 1000)
	if _, _, err := b.Admit(ctx, b.admission("trash.restore", trashed, back)); err == nil || !strings.Contains(err.Error(), "2 is taken and web1 asks for 1.5") {
		t.Error(err)
	}
	web3 := must[*inventory.Container](t)(b.Container(ctx, inventory.Ref{Name: "web3"}))
	ok(t, b.Overdraws(ctx, web3, nil, &gate.Reservation{CPUs: 1})) // over it, and not growing
	if err := b.SetQuotas(ctx, inventory.QuotaHolder{}, map[string]int64{"cats": 1}); !errors.Is(err, inventory.ErrInvalid) {
		t.Error(err)
	}
}

// Owners and environments have quotas too, over all projects, and of addresses and of what weakens the
// walls as well. What one asks for counts for the owner and environment it is to have.
func TestQuotasOfOwnersAndEnvironments(t *testing.T) {
	b, ctx := open(t), context.Background()
	b.tenant("shop")
	most := func(h inventory.QuotaHolder, name string, n int64) {
		t.Helper()
		ok(t, b.SetQuotas(ctx, h, map[string]int64{name: n}))
	}
	alice, prod := inventory.QuotaHolder{Owner: "alice"}, inventory.QuotaHolder{Environment: "prod"}
	most(alice, inventory.QuotaContainers, 2)
	most(alice, inventory.QuotaPrivileged, 0)
	most(prod, inventory.QuotaNested, 1)
	most(prod, inventory.QuotaAddresses, 2)
	web1 := b.made(b.container("web1"))
	other := b.container("web1")
	other.Project = "shop"
	other = b.made(other)
	refused := func(before, after *inventory.Container, r gate.Reservation, says string) {
		t.Helper()
		a := b.admission("container.update", before, after)
		a.Reserve = &r
		planned := b.Overdraws(ctx, before, after, &r)
		_, _, err := b.Admit(ctx, a)
		if !errors.Is(err, inventory.ErrQuota) || err.Error() != says || planned == nil || planned.Error() != says {
			t.Errorf("planned %v\nadmitted %v\n    want %s", planned, err, says)
		}
	}
	refused(nil, b.container("web2"), gate.Reservation{}, "owner alice may have 2 containers and has 2, and web2 asks for one more; purge one or raise the quota")
	refused(web1, web1.Clone(), gate.Reservation{Privileged: true},
		"owner alice may have 0 privileged containers and has 0, and web1 asks for one more; make another privileged no more, or raise the quota")
	bobs := b.container("web2")
	bobs.Owner, bobs.Environment = "bob", "prod"
	a := b.admission("container.create", nil, bobs)
	a.Reserve = &gate.Reservation{Nested: true, Privileged: true}
	bobs = b.admit(a).After
	b.end(gate.Ending{ID: a.Operation.ID})
	given := bobs.Clone()
	given.Owner = "alice"
	refused(bobs, given, gate.Reservation{}, "owner alice may have 2 containers and has 2, and web2 asks for one more; purge one or raise the quota")
	moved := web1.Clone()
	moved.Environment = "prod"
	refused(web1, moved, gate.Reservation{Nested: true},
		"environment prod may have 1 nested containers and has 1, and web1 asks for one more; make another nested no more, or raise the quota")
	moved.NICs = append(moved.NICs, inventory.NIC{Network: "lodge1", Name: "eth1", IPv4: netip.MustParseAddr("10.99.0.1")})
	refused(web1, moved, gate.Reservation{}, "environment prod may use 2 addresses, 1 is taken and web1 asks for 2")
	moved.NICs = moved.NICs[:1]
	web1 = b.do("container.update", web1, moved)
	trashed := web1.Clone()
	trashed.TrashedAt = b.clock()
	b.do("container.delete", web1, trashed)
	used := map[string]int64{}
	for _, q := range must[[]inventory.Quota](t)(b.Quotas(ctx)) {
		used[q.QuotaHolder.String()+" "+q.Name] = q.Used
	}
	want := map[string]int64{"owner alice containers": 1, "owner alice privileged": 0, "environment prod nested": 1, "environment prod addresses": 2}
	if diff := cmp.Diff(want, used); diff != "" {
		t.Error("a trashed one keeps its address:", diff)
	}
	most(alice, inventory.QuotaContainers, -1)
	b.made(b.container("web3"))
}

// A volume counts for its owner, and for an environment while something of it has it.
func TestVolumesCountForOwnersAndEnvironments(t *testing.T) {
	b, ctx := open(t), context.Background()
	ok(t, b.SetQuotas(ctx, inventory.QuotaHolder{Owner: "alice"}, map[string]int64{inventory.QuotaDisk: int64(8 * inventory.GiB)}))
	ok(t, b.SetQuotas(ctx, inventory.QuotaHolder{Environment: "prod"}, map[string]int64{inventory.QuotaDisk: int64(6 * inventory.GiB)}))
	data := b.volume("data", 5*inventory.GiB)
	web := b.container("web1")
	web.Environment = "prod"
	a := b.admission("container.create", nil, web)
	a.Reserve = &gate.Reservation{Disk: 2 * inventory.GiB}
	web = b.admit(a).After
	b.end(gate.Ending{ID: a.Operation.ID})
	refuse := func(what string, err error, says string) {
		t.Helper()
		if !errors.Is(err, inventory.ErrQuota) || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", what, err)
		}
	}
	_, _, err := b.Admit(ctx, b.admission("volume.attach", web, with(web, "data")))
	refuse("an attach", err, "environment prod may use 6GiB disk, 0B is taken and web1 asks for 7GiB")
	ok(t, b.ResizeVolume(ctx, data.ID, 4*inventory.GiB))
	web = b.do("volume.attach", web, with(web, "data"))
	refuse("a resize", b.ResizeVolume(ctx, data.ID, 5*inventory.GiB), "environment prod may use 6GiB disk, 2GiB is taken and data asks for 5GiB")
	second := b.container("web2")
	second.Environment = "prod"
	b.made(with(second, "data", "readonly=true")) // counted once
	ok(t, b.SetQuotas(ctx, inventory.QuotaHolder{Owner: "bob"}, map[string]int64{inventory.QuotaDisk: int64(inventory.GiB)}))
	data = must[inventory.Volume](t)(b.Volume(ctx, data.Ref()))
	data.Owner = "bob"
	refuse("another owner", b.UpdateVolume(ctx, data), "owner bob may use 1GiB disk, 0B is taken and data asks for 4GiB")
	more := data
	more.ID, more.Name, more.Owner, more.Size = inventory.VolumeID(inventory.NewID(b.clock())), "more", "alice", 3*inventory.GiB
	refuse("a second volume", b.AddVolume(ctx, more), "owner alice may use 8GiB disk, 6GiB is taken and more asks for 3GiB")
}

// What containers inherit from the host counts as well, all of it or nothing of it.
func TestHostReservations(t *testing.T) {
	b, ctx := open(t), context.Background()
	web1 := b.made(b.container("web1"))
	quota(b, "default", inventory.QuotaNested, 0)
	more := map[inventory.ContainerID]inventory.Reservation{web1.ID: {CPUs: 2, Nested: true}}
	values := map[string]string{"security.nesting": "true"}
	for name, err := range map[string]error{"try": b.TryReserve(ctx, more), "set": b.SetHostSettings(ctx, values, more)} {
		if !errors.Is(err, inventory.ErrQuota) || !strings.Contains(err.Error(), "project default may have 0 nested containers") {
			t.Error(name, err)
		}
	}
	if now := must[map[string]string](t)(b.HostSettings(ctx)); len(now) != 0 {
		t.Error("half of it was done:", now)
	}
	quota(b, "default", inventory.QuotaNested, 1)
	quota(b, "default", inventory.QuotaCPUs, 3000)
	ok(t, b.TryReserve(ctx, more))
	if b.used(inventory.QuotaCPUs) != 0 {
		t.Error("a try counts")
	}
	ok(t, b.SetHostSettings(ctx, values, more))
	if b.used(inventory.QuotaCPUs) != 2000 || b.used(inventory.QuotaNested) != 1 {
		t.Error("what was set does not count")
	}
}

// A warning is given once, with its event; of another end, or closer to it, it is another.
func TestLeaseWarnings(t *testing.T) {
	b, ctx := open(t), context.Background()
	web1 := b.made(b.container("web1"))
	w := inventory.LeaseWarning{Container: web1.ID, Clock: inventory.ClockKeep, Until: web1.ExpiresAt, Before: time.Hour, At: b.clock()}
	closer, other := w, w
	closer.Before, closer.At, other.Until = time.Minute, w.At.Add(time.Second), w.Until.Add(time.Hour)
	for _, one := range []inventory.LeaseWarning{w, w, closer, other, {Container: "gone", Clock: inventory.ClockRun}} {
		ok(t, b.NoteLeaseWarning(ctx, one))
	}
	events := 0
	for _, e := range must[[]inventory.Event](t)(b.Events(ctx, 0, 1000)) {
		if e.Type == "lease.warning" {
			events++
		}
	}
	given := must[[]inventory.LeaseWarning](t)(b.LeaseWarnings(ctx, web1.ID))
	if diff := cmp.Diff([]inventory.LeaseWarning{closer, w}, given); diff != "" || events != 3 {
		t.Errorf("%d events; of the present end: %s", events, diff)
	}
	if leased := must[[]*inventory.Container](t)(b.Leased(ctx, b.host)); len(leased) != 1 {
		t.Error("leased are", leased)
	}
}
