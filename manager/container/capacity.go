package container

import (
	"context"
	"errors"
	"strconv"

	"lodge/inventory"
	"lodge/manager/gate"
)

// overcommit is the name of the setting that bounds what a host gives of a resource, in percent of
// what it has.
func overcommit(resource string) string { return "host.overcommit." + resource }

// reserve is the name of the setting that says what a host keeps of a resource for itself.
func reserve(resource string) string { return "host.reserve." + resource }

func reserveSettings() []inventory.Setting {
	row := func(resource string, kind inventory.SettingType, of string) inventory.Setting {
		return inventory.Setting{Name: reserve(resource), Scopes: []inventory.Scope{inventory.ScopeHost},
			Type: kind, Default: "0", Min: "0", Effect: inventory.EffectLive, Risk: inventory.RiskMedium,
			Doc: "What " + of + " keeps for itself: it is guaranteed to no container, and host.overcommit." + resource + " is in percent of the rest."}
	}
	return []inventory.Setting{row("cpus", inventory.TypeCPUs, "the host"), row("memory", inventory.TypeBytes, "the host"),
		row("disk", inventory.TypeBytes, "each pool")}
}

func overcommitSettings() []inventory.Setting {
	row := func(resource, of, whose string) inventory.Setting {
		return inventory.Setting{Name: overcommit(resource), Scopes: []inventory.Scope{inventory.ScopeHost},
			Type: inventory.TypeInt, Unit: "percent", Default: "0", Min: "0", Max: "100000",
			Effect: inventory.EffectLive, Risk: inventory.RiskMedium,
			Doc: "Most " + of + " " + whose + " may be given together, in percent of what there is beside host.reserve." + resource + ": 100 gives nothing twice, 0 sets no bound."}
	}
	return []inventory.Setting{row("cpus", "CPUs of the host", "all containers"),
		row("memory", "memory of the host", "all containers"), row("disk", "room of a pool", "all containers and volumes on it")}
}

// A share is what one container takes of a resource, and what of it is kept for it.
type share struct{ given, kept float64 }

// shares are what a container with these effective settings takes. In the trash that is room alone,
// and nothing is kept for one that is not to run.
func shares(c *inventory.Container, values map[string]string) map[string]share {
	r := reservation(values)
	out := map[string]share{"disk": {given: float64(r.Disk)}}
	if c.IsTrashed() {
		return out
	}
	cpus, memory := share{given: r.CPUs}, share{given: float64(r.Memory)}
	if c.Intent == inventory.IntentRun { // the settings table has checked both
		cpus.kept, _ = strconv.ParseFloat(values["cpus.guarantee"], 64)
		kept, _ := inventory.ParseBytes(values["memory.guarantee"]) // "0" is none
		memory.kept = float64(kept)
	}
	out["cpus"], out["memory"] = cpus, memory
	return out
}

// Capacity says what the host has of CPUs, memory and disk, what it has promised, and what it may.
func (s *Service) Capacity(ctx context.Context) ([]inventory.Capacity, error) {
	return s.capacityBeside(ctx, "")
}

// capacityBeside is the host's capacity as it were without one container.
func (s *Service) capacityBeside(ctx context.Context, except inventory.ContainerID) ([]inventory.Capacity, error) {
	host, err := s.Store.HostSettings(ctx)
	if err != nil {
		return nil, err
	}
	all, err := s.Store.ContainersOnHost(ctx, s.Host)
	if err != nil {
		return nil, err
	}
	size, err := s.HostSize(ctx)
	if err != nil {
		return nil, err
	}
	out := []inventory.Capacity{{Resource: "cpus", Total: size.CPUs}, {Resource: "memory", Total: float64(size.Memory)}}
	disks, err := s.disks(ctx)
	if err != nil {
		return nil, err
	}
	out = append(out, disks...)
	for i := range out {
		c := &out[i]
		percent, _ := strconv.ParseFloat(host[overcommit(c.Resource)], 64)
		c.Reserved = min(c.Total, reserved(c.Resource, host))
		c.Most = c.Ours() * percent / 100
	}
	for _, c := range all {
		if c.ID == except {
			continue
		}
		values, err := s.Effective(ctx, c)
		if err != nil {
			return nil, err
		}
		part := shares(c, inventory.ValueMap(values))
		for i := range out {
			if out[i].Of(c.Pool) {
				out[i].Given += part[out[i].Resource].given
				out[i].Guaranteed += part[out[i].Resource].kept
			}
		}
	}
	return out, nil
}

// reserved is what the host's settings keep of a resource.
func reserved(resource string, host map[string]string) float64 {
	if resource == "cpus" { // the settings table has checked all three
		n, _ := strconv.ParseFloat(host[reserve(resource)], 64)
		return n
	}
	n, _ := inventory.ParseBytes(host[reserve(resource)]) // "0" is none
	return float64(n)
}

// disks is the room of each pool that works, with what its volumes have of it.
func (s *Service) disks(ctx context.Context) ([]inventory.Capacity, error) {
	rooms, err := s.Pools.Rooms(ctx)
	if err != nil {
		return nil, err
	}
	volumes, err := s.Store.Volumes(ctx, "")
	out := make([]inventory.Capacity, len(rooms))
	for i, room := range rooms {
		out[i] = inventory.Capacity{Resource: "disk", Pool: room.Pool, Total: float64(room.Total)}
		for _, v := range volumes {
			if v.HostID == s.Host && v.Pool == room.Pool {
				out[i].Given += float64(v.Size)
			}
		}
	}
	return out, err
}

// CheckRoom refuses with ErrQuota more room for a volume than its pool gives.
func (s *Service) CheckRoom(ctx context.Context, v inventory.Volume, more inventory.Bytes) error {
	now := map[string]share{"disk": {given: float64(more)}}
	if matters, err := s.takesMore(ctx, nil, now); err != nil || !matters {
		return err
	}
	all, err := s.capacityBeside(ctx, "")
	for _, c := range all {
		if c.Resource == "disk" && c.Pool == v.Pool {
			return errors.Join(err, fits(c, v.Ref(), share{}, now["disk"]))
		}
	}
	return err
}

// checkCapacity refuses with ErrQuota what the host can't give: sizes beyond its bounds on overcommit,
// and guarantees beyond what it has. What does not grow is never refused, as a bound may have been
// lowered since. before is nil for a container that is new, or comes out of the trash.
func (s *Service) checkCapacity(ctx context.Context, before, after *inventory.Container) error {
	values, err := s.Effective(ctx, after)
	if err != nil {
		return err
	}
	now, was := shares(after, inventory.ValueMap(values)), map[string]share{}
	if before != nil {
		values, err := s.Effective(ctx, before)
		if err != nil {
			return err
		}
		was = shares(before, inventory.ValueMap(values))
		if before.Pool != after.Pool {
			was["disk"] = share{}
		}
	}
	if matters, err := s.takesMore(ctx, was, now); err != nil || !matters {
		return err
	}
	all, err := s.capacityBeside(ctx, after.ID)
	for _, c := range all {
		if !c.Of(after.Pool) {
			continue
		}
		if err := fits(c, after.Ref(), was[c.Resource], now[c.Resource]); err != nil {
			return err
		}
	}
	return err
}

// takesMore reports whether there is anything to refuse: more is kept, or more is given where that has
// a bound. As a rule it is not, and nobody has to be summed up.
func (s *Service) takesMore(ctx context.Context, was, now map[string]share) (bool, error) {
	host, err := s.Store.HostSettings(ctx)
	for resource, n := range now {
		bound := host[overcommit(resource)]
		if n.kept > was[resource].kept || n.given > was[resource].given && bound != "" && bound != "0" {
			return true, err
		}
	}
	return false, err
}

// fits checks one resource of one container, or the room of a volume, against what all others have.
func fits(c inventory.Capacity, of inventory.Ref, was, now share) error {
	giver := "the host"
	if c.Pool != "" {
		giver = "pool " + c.Pool
	}
	if now.given > was.given && c.Most > 0 && c.Given+now.given > c.Most {
		return inventory.Errorf(inventory.ErrQuota,
			"%s: %s gives %s of %s in all (%s), %s is taken and %s asks for %s; ask for less, or raise the bound",
			of, giver, c.Amount(c.Most), c.Resource, overcommit(c.Resource), c.Amount(c.Given), of.Name, c.Amount(now.given))
	}
	if now.kept > was.kept && c.Guaranteed+now.kept > c.Ours() {
		itself := ""
		if c.Reserved > 0 {
			itself = c.Amount(c.Reserved) + " for itself and "
		}
		return inventory.Errorf(inventory.ErrQuota,
			"%s: the host has %s of %s, keeps %s%s for others and can't keep %s for it; lower %s.guarantee",
			of, c.Amount(c.Total), c.Resource, itself, c.Amount(c.Guaranteed), c.Amount(now.kept), c.Resource)
	}
	return nil
}

// recheckCapacity looks once more when the operation is admitted and its container counted: of two
// that asked at once, both may fit alone and not together.
func (s *Service) recheckCapacity(ctx context.Context, r *gate.Run) error {
	before := r.Before
	if before != nil && before.IsTrashed() {
		before = nil
	}
	if r.Resumed {
		return nil // it was admitted, and looked at, before the crash
	}
	return s.checkCapacity(ctx, before, r.After)
}
