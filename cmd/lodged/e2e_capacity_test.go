package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"lodge/inventory"
	"lodge/web/client"
)

// TestCapacity: the host gives no more than its bounds on overcommit, keeps nothing for two, and says what
// it can still give. What is refused changes nothing, in a container that runs neither.
func TestCapacity(t *testing.T) {
	l := newLab(t)
	host, err := l.api.Host(context.Background())
	l.must(err)
	l.launch("lt-web")
	most := int64(host.Capacity[1].Total / 100)
	l.config1("host.overcommit.memory", "1")
	big := tiny("lt-big")
	big.Settings["memory"] = fmt.Sprint(most)
	before := l.world()
	for name, m := range map[string]mutation{
		"a resize":    l.updating("lt-web", inventory.UpdateArgs{Settings: map[string]string{"memory": fmt.Sprint(most + 1<<20)}}),
		"a create":    l.create(big, false),
		"a guarantee": l.updating("lt-web", inventory.UpdateArgs{Settings: map[string]string{"cpus.guarantee": "1", "memory.guarantee": "1GiB", "cpus": "1"}}),
	} {
		if _, err := l.try(m); !errors.Is(err, inventory.ErrQuota) && !errors.Is(err, inventory.ErrInvalid) {
			t.Errorf("%s beyond what the host gives: %v", name, err)
		}
	}
	l.unchanged(before)
	l.config1("host.overcommit.memory", "100")
	l.config1("host.reserve.memory", fmt.Sprint(int64(host.Capacity[1].Total)-most))
	if _, err := l.try(l.create(big, false)); !errors.Is(err, inventory.ErrQuota) {
		t.Errorf("a create into what the host keeps: %v", err)
	}
	l.config1("host.overcommit.memory", "0")
	keeps := inventory.UpdateArgs{Settings: map[string]string{"memory": fmt.Sprint(2 * most), "memory.guarantee": fmt.Sprint(2 * most)}}
	if _, err := l.try(l.updating("lt-web", keeps)); !errors.Is(err, inventory.ErrQuota) || !strings.Contains(err.Error(), "for itself and") {
		t.Errorf("a guarantee of what the host keeps: %v", err)
	}
	l.config1("host.reserve.memory", "0")

	cpus := host.Capacity[0].Total
	keep := inventory.UpdateArgs{Settings: map[string]string{"cpus": fmt.Sprint(cpus), "cpus.guarantee": fmt.Sprint(cpus - 0.5)}}
	l.do(l.updating("lt-web", keep))
	l.do(l.create(tiny("lt-two"), false))
	l.do(l.updating("lt-two", keep)) // it doesn't run, so nothing is kept for it
	if _, err := l.try(power(l.api.Start, "lt-two")); !errors.Is(err, inventory.ErrQuota) || !strings.Contains(err.Error(), "can't keep") {
		t.Errorf("a start of what can't be kept: %v", err)
	}
	now, err := l.api.Host(context.Background())
	l.must(err)
	if c := now.Capacity[0]; c.Guaranteed != cpus-0.5 || c.Keepable != 0.5 || c.Given != 2*cpus || c.Left != nil {
		t.Errorf("CPUs: %+v", c)
	}
	if out, code := l.lodge("host", "show"); code != 0 || !strings.Contains(out, "no bound") {
		t.Errorf("host show: %d %s", code, out)
	}
	l.do(power(l.api.Kill, "lt-web"))
	l.do(power(l.api.Start, "lt-two"))
	l.checkClean()
}

// config1 sets one of the host's settings.
func (l *lab) config1(name, value string) {
	l.t.Helper()
	l.do(func(ctx context.Context) (client.Answer, error) {
		return l.api.SetConfig(ctx, inventory.ConfigArgs{Settings: map[string]string{name: value}}, client.Options{})
	})
}
