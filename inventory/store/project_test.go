package store_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lodge/inventory"
	"lodge/manager/gate"
)

func TestProjects(t *testing.T) {
	b, ctx := open(t), context.Background()
	if p, err := b.Project(ctx, ""); err != nil || p.Name != "default" || p.Revision != 1 {
		t.Fatal("the default project of a new database:", p, err)
	}
	shop := inventory.Project{Name: "shop", Purpose: "the web shop", Owner: "alice", Revision: 1,
		Members:  []inventory.Member{{Principal: "bob", Role: "operator"}},
		Settings: map[string]string{"memory": "1GiB"}, Network: "lodge0", Image: "debian/12",
		CreatedAt: b.clock(), UpdatedAt: b.clock()}
	ok(t, b.PutProject(ctx, shop, nil))
	ok(t, b.PutProject(ctx, shop, nil)) // again, after a crash
	if diff := cmp.Diff(shop, must[inventory.Project](t)(b.Project(ctx, "shop"))); diff != "" {
		t.Error(diff)
	}
	other := shop
	b.later(5e9)
	other.UpdatedAt = b.clock()
	if err := b.PutProject(ctx, other, nil); !errors.Is(err, inventory.ErrExists) {
		t.Error("a second project of that name:", err)
	}
	other.Revision = 3
	if err := b.PutProject(ctx, other, nil); !errors.Is(err, inventory.ErrStale) {
		t.Error("a revision that skips one:", err)
	}
	other.Revision = 2
	ok(t, b.TryProject(ctx, other, nil))
	if p := must[inventory.Project](t)(b.Project(ctx, "shop")); p.Revision != 1 {
		t.Error("trying has changed it")
	}
	ok(t, b.PutProject(ctx, other, nil))
	if all := must[[]inventory.Project](t)(b.Projects(ctx)); len(all) != 2 || all[1].Revision != 2 {
		t.Error(all)
	}
}

// A container is admitted into a project that is there, and a project goes only when nothing is in
// it, or may come back.
func TestProjectsAndContainers(t *testing.T) {
	b, ctx := open(t), context.Background()
	web1 := b.container("web1")
	web1.Project = "shop"
	if _, _, err := b.Admit(ctx, b.admission("container.create", nil, web1)); !errors.Is(err, inventory.ErrNotFound) {
		t.Error("a container in no project:", err)
	}
	b.tenant("shop", "lab")
	web1 = b.made(web1)
	trashed := web1.Clone()
	trashed.TrashedAt = b.clock()
	trashed = b.do("container.delete", web1, trashed)
	for _, err := range []error{b.ProjectInUse(ctx, "shop"), b.DeleteProject(ctx, "shop")} {
		if !errors.Is(err, inventory.ErrState) || !strings.Contains(err.Error(), "in the trash") {
			t.Error(err)
		}
	}
	moved := trashed.Clone()
	moved.Project = "lab"
	op := b.admit(b.admission("container.move-project", trashed, moved))
	if err := b.DeleteProject(ctx, "shop"); !errors.Is(err, inventory.ErrState) || !strings.Contains(err.Error(), "until operation") {
		t.Error("deleted under a move that may be undone:", err)
	}
	b.end(gate.Ending{ID: op.ID})
	quota(b, "shop", inventory.QuotaDisk, 5)
	ok(t, b.DeleteProject(ctx, "shop"))
	ok(t, b.DeleteProject(ctx, "shop"))
	if all := must[[]inventory.Quota](t)(b.Quotas(ctx)); len(all) != 0 {
		t.Error("quotas of a project that is gone:", all)
	}
	if err := b.SetQuotas(ctx, inventory.QuotaHolder{Project: "shop"}, map[string]int64{"disk": 5}); !errors.Is(err, inventory.ErrNotFound) {
		t.Error(err)
	}
}

// What containers inherit counts: all of it or nothing of it.
func TestProjectReservations(t *testing.T) {
	b, ctx := open(t), context.Background()
	b.tenant("shop")
	reserve := map[inventory.ContainerID]inventory.Reservation{}
	for _, name := range []string{"web1", "web2"} {
		c := b.container(name)
		c.Project = "shop"
		reserve[b.made(c).ID] = inventory.Reservation{Memory: 3 * inventory.GiB}
	}
	quota(b, "shop", inventory.QuotaMemory, int64(5*inventory.GiB))
	p := must[inventory.Project](t)(b.Project(ctx, "shop"))
	p.Revision++
	for name, err := range map[string]error{"try": b.TryProject(ctx, p, reserve), "put": b.PutProject(ctx, p, reserve)} {
		if !errors.Is(err, inventory.ErrQuota) || !strings.Contains(err.Error(), "may use 5GiB memory, 3GiB is taken") {
			t.Error(name, err)
		}
	}
	if b.used(inventory.QuotaMemory) != 0 || must[inventory.Project](t)(b.Project(ctx, "shop")).Revision != 1 {
		t.Error("half of it was done")
	}
	quota(b, "shop", inventory.QuotaMemory, int64(6*inventory.GiB))
	ok(t, b.PutProject(ctx, p, reserve))
	if used := b.used(inventory.QuotaMemory); used != int64(6*inventory.GiB) {
		t.Error(used)
	}
}

// A move takes what the container counts along; the host's quota does not mind.
func TestQuotaOfAMove(t *testing.T) {
	b, ctx := open(t), context.Background()
	b.tenant("shop", "lab")
	c := b.container("web1")
	c.Project = "shop"
	a := b.admission("container.create", nil, c)
	a.Reserve = &gate.Reservation{CPUs: 2}
	op := b.admit(a)
	b.end(gate.Ending{ID: op.ID})
	quota(b, inventory.WholeHost, inventory.QuotaCPUs, 1000) // less than it has
	quota(b, "lab", inventory.QuotaCPUs, 1000)
	moved := op.After.Clone()
	moved.Project = "lab"
	a = b.admission("container.move-project", op.After, moved)
	a.Reserve = &gate.Reservation{CPUs: 2}
	if _, _, err := b.Admit(ctx, a); !errors.Is(err, inventory.ErrQuota) || !strings.Contains(err.Error(), "project lab") {
		t.Error(err)
	}
	quota(b, "lab", inventory.QuotaCPUs, 2000)
	b.admit(a)
	if used := b.used(inventory.QuotaCPUs); used != 2000 {
		t.Error(used)
	}
}

// tenant makes projects.
func (b *bench) tenant(names ...string) {
	b.t.Helper()
	for _, name := range names {
		ok(b.t, b.PutProject(context.Background(), inventory.Project{Name: name, Purpose: "tests", Owner: "alice",
			Revision: 1, CreatedAt: b.clock(), UpdatedAt: b.clock()}, nil))
	}
}
