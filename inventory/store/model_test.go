package store_test

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"lodge/inventory"
	"lodge/inventory/store"
	"lodge/manager/gate"
)

func must[T any](t testing.TB) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestContainersLists(t *testing.T) {
	b, ctx := open(t), context.Background()
	b.tenant("shop")
	shop := b.container("web1")
	shop.Project = "shop"
	b.made(shop)
	b.made(b.container("web2"))
	web1 := b.made(b.container("web1"))
	trashed := web1.Clone()
	trashed.TrashedAt, trashed.Intent = b.clock(), inventory.IntentStop
	trashed = b.do("container.delete", web1, trashed)

	names := func(q store.ContainerQuery) string {
		var out []string
		for _, c := range must[[]*inventory.Container](t)(b.Containers(ctx, q)) {
			out = append(out, c.Project+"/"+c.Name)
		}
		return strings.Join(out, " ")
	}
	for _, tc := range []struct {
		q    store.ContainerQuery
		want string
	}{
		{store.ContainerQuery{}, "default/web2 shop/web1"},
		{store.ContainerQuery{Trashed: true}, "default/web1"},
		{store.ContainerQuery{All: true}, "default/web1 default/web2 shop/web1"},
		{store.ContainerQuery{Project: "shop"}, "shop/web1"},
		{store.ContainerQuery{Project: "none"}, ""},
	} {
		if got := names(tc.q); got != tc.want {
			t.Errorf("%+v: %s", tc.q, got)
		}
	}
	if all := must[[]*inventory.Container](t)(b.ContainersOnHost(ctx, b.host)); len(all) != 3 {
		t.Error(len(all))
	}
	if bases := must[[]uint32](t)(b.IDBases(ctx)); len(bases) != 3 || bases[0] > bases[1] {
		t.Error(bases)
	}
	// Out of the trash again: what was NULL, is NULL.
	back := trashed.Clone()
	back.TrashedAt, back.ExpiresAt, back.Labels = time.Time{}, time.Time{}, nil
	back = b.do("trash.restore", trashed, back)
	got := must[*inventory.Container](t)(b.Container(ctx, inventory.Ref{Name: "web1"}))
	if diff := cmp.Diff(back, got, same); diff != "" || got.IsTrashed() || len(got.Labels) != 0 {
		t.Error(diff)
	}
}

func TestContainerNotFound(t *testing.T) {
	b := open(t)
	for _, ref := range []inventory.Ref{{Name: "web1"}, {Project: "shop", Name: "web1"}, {Name: inventory.NewID(b.clock())}} {
		if _, err := b.Container(context.Background(), ref); !errors.Is(err, inventory.ErrNotFound) || !strings.Contains(err.Error(), ref.String()) {
			t.Error(err)
		}
	}
}

func TestAddressHistory(t *testing.T) {
	b, ctx := open(t), context.Background()
	web1 := b.made(b.container("web1"))
	ip, may3 := web1.NICs[0].IPv4, b.clock()
	b.later(24 * time.Hour)
	op := b.admit(b.admission("container.purge", web1, nil))
	b.end(gate.Ending{ID: op.ID, Remove: true})
	gap := b.clock()
	b.later(24 * time.Hour)
	web2 := b.container("web2")
	web2.NICs[0].IPv4 = ip
	b.made(web2)
	for at, want := range map[time.Time]string{may3: "web1", gap: "", b.clock(): "web2"} {
		got := must[[]inventory.Address](t)(b.Addresses(ctx, store.AddressQuery{IP: ip, Network: "lodge0", At: at}))
		if len(got) != min(1, len(want)) || len(got) == 1 && (got[0].Name != want || got[0].IP != ip) {
			t.Errorf("at %s: %v, want %q", at, got, want)
		}
	}
	if held := must[[]inventory.Address](t)(b.HeldAddresses(ctx, "lodge0")); len(held) != 2 || held[0].Container != web2.ID {
		t.Error(held)
	}
	if all := must[[]inventory.Address](t)(b.Addresses(ctx, store.AddressQuery{IP: ip, Limit: 1})); len(all) != 1 || all[0].Name != "web2" {
		t.Error(all)
	}
}

func TestNetworks(t *testing.T) {
	b, ctx := open(t), context.Background()
	n := inventory.Network{Name: "lodge0", Type: inventory.NetworkManaged, Bridge: "lodge0", IPv4: netip.MustParsePrefix("10.86.0.1/24"), MTU: 1400, NAT: true}
	ok(t, b.SaveNetwork(ctx, n))
	n.IPv6, n.NAT, n.MTU = netip.MustParsePrefix("fd4c::1/64"), false, 0
	ok(t, b.SaveNetwork(ctx, n))
	prefixes := cmpopts.EquateComparable(netip.Prefix{})
	if diff := cmp.Diff(n, must[inventory.Network](t)(b.Network(ctx, "lodge0")), prefixes); diff != "" {
		t.Error(diff)
	}
	if err := b.SaveNetwork(ctx, inventory.Network{Name: "other", Bridge: "lodge0"}); !errors.Is(err, inventory.ErrExists) {
		t.Error(err)
	}
	if _, err := b.Network(ctx, "other"); !errors.Is(err, inventory.ErrNotFound) {
		t.Error(err)
	}
	b.made(b.container("web1"))
	if err := b.DeleteNetwork(ctx, "lodge0"); !errors.Is(err, inventory.ErrState) || !strings.Contains(err.Error(), "in use by web1;") {
		t.Error(err)
	}
	ok(t, b.SaveNetwork(ctx, inventory.Network{Name: "a", Bridge: "a"}))
	if all := must[[]inventory.Network](t)(b.Networks(ctx)); len(all) != 2 || all[0].Name != "a" || all[0].IPv4.IsValid() {
		t.Error(all)
	}
	ok(t, b.DeleteNetwork(ctx, "a"))
	ok(t, b.DeleteNetwork(ctx, "a"))
}

func TestImages(t *testing.T) {
	b, ctx := open(t), context.Background()
	a := inventory.Image{Digest: "sha256:aa", OS: "debian", Release: "12", Architecture: "amd64", Size: inventory.GiB,
		Source: "build debian/12", Packages: []inventory.Package{{Name: "bash", Version: "5"}}, Build: `{"tool":"<x>"}`,
		CreatedAt: b.clock(), ExpiresAt: b.clock().Add(time.Hour)}
	c := a
	c.Digest, c.CreatedAt, c.ExpiresAt = "sha256:cc", b.clock().Add(time.Second), time.Time{}
	ok(t, b.SaveImage(ctx, a))
	ok(t, b.SaveImage(ctx, c))
	ok(t, b.SetAlias(ctx, "debian/12", a.Digest))
	ok(t, b.SetAlias(ctx, "debian", a.Digest))
	ok(t, b.SaveImage(ctx, a)) // replaces the row, keeps the aliases
	a.Aliases = []string{"debian", "debian/12"}
	for _, ref := range []string{"debian", "debian/12", "sha256:aa"} {
		if diff := cmp.Diff(a, must[inventory.Image](t)(b.Image(ctx, ref)), same); diff != "" {
			t.Error(ref, diff)
		}
	}
	ok(t, b.SetAlias(ctx, "debian/12", c.Digest))
	if got := must[inventory.Image](t)(b.Image(ctx, "debian/12")); got.Digest != c.Digest {
		t.Error("the alias did not move:", got)
	}
	if all := must[[]inventory.Image](t)(b.Images(ctx)); len(all) != 2 || all[0].Digest != c.Digest || len(all[1].Aliases) != 1 {
		t.Error(all)
	}
	if err := b.SetAlias(ctx, "x", "sha256:none"); !errors.Is(err, inventory.ErrNotFound) {
		t.Error(err)
	}
	ok(t, b.SetAlias(ctx, "debian", ""))
	ok(t, b.DeleteImage(ctx, c.Digest))
	ok(t, b.DeleteImage(ctx, c.Digest))
	for _, ref := range []string{"debian", "debian/12", c.Digest} {
		if _, err := b.Image(ctx, ref); !errors.Is(err, inventory.ErrNotFound) {
			t.Error(ref, err)
		}
	}
}

func TestSessions(t *testing.T) {
	b, ctx := open(t), context.Background()
	n := inventory.Session{ID: "s1", Kind: inventory.SessionShell, Container: "c1", Name: "web1", Project: "default",
		Principal: inventory.Principal{Name: "alice"}, Command: "bash", TTY: true, StartedAt: b.clock()}
	ok(t, b.SaveSession(ctx, n))
	n.HolderPID = 42
	ok(t, b.SaveSession(ctx, n))
	later := n
	later.ID, later.Container, later.StartedAt = "s0", "c2", b.clock().Add(time.Second)
	ok(t, b.SaveSession(ctx, later))
	if got := must[[]inventory.Session](t)(b.Sessions(ctx, inventory.SessionQuery{})); len(got) != 2 || got[0].ID != "s0" {
		t.Error(got)
	}
	n.EndedAt, n.ExitCode, n.Result = b.clock(), 3, "exited"
	ok(t, b.SaveSession(ctx, n))
	if diff := cmp.Diff([]inventory.Session{n}, must[[]inventory.Session](t)(b.Sessions(ctx, inventory.SessionQuery{Container: "c1"}))); diff != "" {
		t.Error(diff)
	}
	if got := must[[]inventory.Session](t)(b.Sessions(ctx, inventory.SessionQuery{Live: true, Limit: 5})); len(got) != 1 || got[0].ID != "s0" {
		t.Error(got)
	}
	if got := must[[]inventory.Session](t)(b.Sessions(ctx, inventory.SessionQuery{ID: "s1"})); len(got) != 1 {
		t.Error(got)
	}
}

func TestSnapshots(t *testing.T) {
	b, ctx := open(t), context.Background()
	web1 := b.made(b.container("web1"))
	one := inventory.Snapshot{Container: web1.ID, Name: "s1", Note: "n", Running: true, CreatedAt: b.clock(), Config: web1}
	ok(t, b.AddSnapshot(ctx, one))
	ok(t, b.AddSnapshot(ctx, one))
	other := one
	other.CreatedAt = b.clock().Add(time.Second)
	if err := b.AddSnapshot(ctx, other); !errors.Is(err, inventory.ErrExists) {
		t.Errorf("another snapshot of the same name: %v", err)
	}
	if diff := cmp.Diff(one, must[inventory.Snapshot](t)(b.Snapshot(ctx, web1.ID, "s1")), same); diff != "" {
		t.Error(diff)
	}
	two := one
	two.Name, two.CreatedAt = "s2", b.clock().Add(time.Second)
	ok(t, b.AddSnapshot(ctx, two))
	if all := must[[]inventory.Snapshot](t)(b.Snapshots(ctx, web1.ID)); len(all) != 2 || all[0].Name != "s1" {
		t.Error(all)
	}
	ok(t, b.DeleteSnapshot(ctx, web1.ID, "s1"))
	ok(t, b.DeleteSnapshot(ctx, web1.ID, "s1"))
	if _, err := b.Snapshot(ctx, web1.ID, "s1"); !errors.Is(err, inventory.ErrNotFound) {
		t.Error(err)
	}
	one.Container = "none"
	if err := b.AddSnapshot(ctx, one); err == nil {
		t.Error("a snapshot of no container was saved")
	}
}

func TestHost(t *testing.T) {
	b, ctx := open(t), context.Background()
	again := must[inventory.Host](t)(b.EnsureHost(ctx, "machine-1", "renamed"))
	moved := must[inventory.Host](t)(b.EnsureHost(ctx, "machine-2", "renamed"))
	if again.ID != b.host || moved.ID != b.host || moved.MachineID != "machine-2" || moved.Name != "renamed" {
		t.Error(again, moved)
	}
	if diff := cmp.Diff(moved, must[inventory.Host](t)(b.Host(ctx, b.host))); diff != "" {
		t.Error(diff)
	}
	if all := must[[]inventory.Host](t)(b.Hosts(ctx)); len(all) != 1 {
		t.Error(all)
	}
	if values := must[map[string]string](t)(b.HostSettings(ctx)); values == nil || len(values) != 0 {
		t.Error(values)
	}
	ok(t, b.SetHostSettings(ctx, map[string]string{"trash.keep": "7d"}, nil))
	ok(t, b.SetHostSettings(ctx, map[string]string{"memory": "1GiB"}, nil))
	if diff := cmp.Diff(map[string]string{"memory": "1GiB"}, must[map[string]string](t)(b.HostSettings(ctx))); diff != "" {
		t.Error(diff)
	}
	if revision := must[int64](t)(b.HostSettingsRevision(ctx)); revision != 2 {
		t.Error(revision)
	}
	ok(t, b.SetMeta(ctx, "k", "1"))
	ok(t, b.SetMeta(ctx, "k", "2"))
	if value, found, err := b.Meta(ctx, "k"); value != "2" || !found || err != nil {
		t.Error(value, found, err)
	}
	if _, found, err := b.Meta(ctx, "none"); found || err != nil {
		t.Error(found, err)
	}
}
