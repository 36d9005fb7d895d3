package store_test

import (
	"context"
	"errors"
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
		if err := b.Overdraws(ctx, "default", nil, r); err != nil {
			_, _, admitted := b.Admit(ctx, a)
			if admitted == nil || strings.ReplaceAll(err.Error(), "the new container", name) != admitted.Error() {
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
		t.Error("the trash counts its disk only:", diff)
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
	ok(t, b.Overdraws(ctx, "default", web3, gate.Reservation{CPUs: 1})) // over it, and not growing
	if err := b.SetQuotas(ctx, "", map[string]int64{"cats": 1}); !errors.Is(err, inventory.ErrInvalid) {
		t.Error(err)
	}
}
