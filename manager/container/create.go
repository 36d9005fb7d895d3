package container

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"lodge/inventory"
	"lodge/manager/gate"
)

const (
	idRange = 65536 // ids of one container's user namespace
	// pickedFor is how long a picked id range is not offered to another create: longer than any
	// admission takes. The unique index in the store is what makes it certain.
	pickedFor = time.Minute
)

// prepareCreate fills in and checks everything about a new container. The same request with the
// same parameters gives the same plan, but for the name and address it makes up.
func (s *Service) prepareCreate(intent inventory.Intent) func(context.Context,
	*gate.Request) (*gate.Draft, error) {
	return func(ctx context.Context, r *gate.Request) (*gate.Draft, error) {
		var args inventory.CreateArgs
		if err := r.Decode(&args); err != nil {
			return nil, err
		}
		c, err := s.draftContainer(ctx, r, &args)
		if err != nil {
			return nil, err
		}
		c.Intent = intent
		inherited, err := s.inherit(ctx, c, &args)
		if err != nil {
			return nil, err
		}
		image, err := s.Images.Image(ctx, args.Image)
		if err != nil {
			return nil, err
		}
		c.Image, c.ImageDigest = args.Image, image.Digest
		warning, err := inventory.CheckInit(image, s.Cgroups)
		if err != nil {
			return nil, err
		}
		if err := checkUserData(args, image); err != nil {
			return nil, err
		}
		if err := s.lend(ctx, c, &args.Expires, &args.RunFor); err != nil {
			return nil, err
		}
		d, err := s.equip(ctx, r, c, &args)
		if err != nil {
			return nil, err
		}
		d.Args = args
		note(d.Effects, inherited)
		if intent == inventory.IntentRun {
			waits, err := s.waitLines(ctx, c)
			if err != nil {
				return nil, err
			}
			d.Effects = append(d.Effects, waits...)
		}
		hours, err := s.hoursLine(ctx, r, c)
		if err != nil {
			return nil, err
		}
		d.Effects = append(d.Effects, hours...)
		if warning != "" {
			d.Effects = append(d.Effects, inventory.EffectLine{Field: "init", After: fmt.Sprintf("%s %d", image.Init, image.InitVersion),
				Risk: inventory.RiskMedium, Note: warning})
		}
		return d, nil
	}
}

// checkUserData refuses a document that nothing in the container would carry out.
func checkUserData(args inventory.CreateArgs, image inventory.Image) error {
	switch {
	case args.UserData == "":
		return nil
	case !image.CarriesUserData():
		return inventory.Errorf(inventory.ErrInvalid,
			"%s has no cloud-init, so nothing would carry the user data out; take an image that has it, or leave --user-data out", args.Image)
	}
	return inventory.CheckUserData(args.UserData)
}

// equip gives a new container its address and devices, and completes its draft and parameters.
func (s *Service) equip(ctx context.Context, r *gate.Request, c *inventory.Container,
	args *inventory.CreateArgs) (*gate.Draft, error) {
	nic, err := s.Addresses.Assign(ctx, AddressRequest{Network: args.Network, Want: args.IP, Container: c})
	if err != nil {
		return nil, err
	}
	nic.Pinned = args.IP != ""
	c.NICs = []inventory.NIC{nic}
	c.Devices = slices.Clone(args.Devices)
	slices.SortFunc(c.Devices, func(a, b inventory.Device) int { return strings.Compare(a.Name, b.Name) })
	if err := s.checkDevices(ctx, r, nil, c); err != nil {
		return nil, err
	}
	args.Name, args.Owner, args.Network, args.IP = c.Name, c.Owner, nic.Network, nic.IPv4.String()
	return s.newcomer(ctx, c)
}

// inherit fills in what the parameters leave to the project, and says which fields those are with
// where their values come from.
func (s *Service) inherit(ctx context.Context, c *inventory.Container,
	args *inventory.CreateArgs) (map[string]string, error) {
	p, err := s.Projects.Project(ctx, c.Project)
	if err != nil {
		return nil, err
	}
	from := map[string]string{}
	if args.Image == "" && p.Image != "" {
		args.Image, from["image"] = p.Image, p.Layer().Origin
	}
	if args.Image == "" {
		return nil, inventory.Errorf(inventory.ErrInvalid,
			"%s needs an image: name one, or give project %s a default", c.Name, p.Name)
	}
	if args.Network == "" && p.Network != "" {
		args.Network, from["address"] = p.Network, p.Layer().Origin
	}
	return from, nil
}

// note says where the values of some fields come from.
func note(lines []inventory.EffectLine, from map[string]string) {
	for i := range lines {
		if origin := from[lines[i].Field]; origin != "" {
			lines[i].Note = "from the " + origin
		}
	}
}

// draftContainer makes the container of the parameters, without image and address.
func (s *Service) draftContainer(ctx context.Context, r *gate.Request,
	args *inventory.CreateArgs) (*inventory.Container, error) {
	now := s.Now()
	c := &inventory.Container{
		ID: inventory.ContainerID(inventory.NewID(now)), HostID: s.Host, Name: args.Name,
		Project: orElse(args.Project, inventory.DefaultProject), Owner: orElse(args.Owner,
			r.Principal.Name),
		Purpose: strings.TrimSpace(args.Purpose), Environment: inventory.Environment(orElse(args.Environment, "dev")),
		DataClass: orElse(args.DataClass, "internal"), Labels: args.Labels, Ticket: r.Ticket,
		Pool: orElse(args.Pool, s.Pools.Default()), After: args.After, CreatedAt: now, UpdatedAt: now,
	}
	if c.Name == "" {
		c.Name = madeUpName(c.ID)
	}
	if err := s.checkFacts(ctx, c); err != nil {
		return nil, err
	}
	if err := s.checkNew(ctx, c); err != nil {
		return nil, err
	}
	settings, err := s.Config.Settings.Check(inventory.ScopeContainer, args.Settings)
	c.Settings = settings
	return c, err
}

// checkFacts checks what people say about a container.
func (s *Service) checkFacts(ctx context.Context, c *inventory.Container) error {
	if err := c.Check(); err != nil {
		return err
	}
	if _, err := s.Projects.Project(ctx, c.Project); err != nil {
		return err
	}
	return s.checkAfter(ctx, c)
}

// checkAfter refuses dependencies that don't exist or go in a circle.
func (s *Service) checkAfter(ctx context.Context, c *inventory.Container) error {
	if len(c.After) == 0 {
		return nil
	}
	for _, d := range c.Dependencies() {
		if d.Name == c.Name {
			return inventory.Errorf(inventory.ErrInvalid, "%s can't come after itself", c.Name)
		}
		if _, err := s.Store.Container(ctx, inventory.Ref{Project: c.Project, Name: d.Name}); err != nil {
			return inventory.Errorf(inventory.ErrInvalid,
				"%s can't come after %s: there is no such container", c.Name, d.Name)
		}
	}
	all, err := s.Store.ContainersOnHost(ctx, s.Host)
	if err != nil {
		return err
	}
	all = slices.DeleteFunc(all, func(o *inventory.Container) bool { return o.ID == c.ID })
	if _, stuck := inventory.BootOrder(append(all, c)); slices.Contains(stuck, c) {
		return inventory.Errorf(inventory.ErrInvalid,
			"%s can't come after %s: that would be a circle", c.Name, strings.Join(c.After, ", "))
	}
	return nil
}

// checkNew refuses a name that is taken, here or in the trash.
func (s *Service) checkNew(ctx context.Context, c *inventory.Container) error {
	old, err := s.Store.Container(ctx, c.Ref())
	switch {
	case errors.Is(err, inventory.ErrNotFound):
		return nil
	case err != nil:
		return err
	case old.IsTrashed():
		return inventory.Errorf(inventory.ErrExists,
			"%s exists already, in the trash; 'lodge trash restore %s' brings it back, 'lodge trash purge %s' frees the name, --reuse-name lets it lie there under another",
			c.Ref(), c.Ref(), c.Ref())
	}
	return inventory.Errorf(inventory.ErrExists, "%s exists already; choose another name", c.Ref())
}

// checkDisk refuses a pool that isn't there, and a size of c's own that it could never hold. Sizes
// that together are more than the pool are no mistake: most disks stay emptier than they may be.
func (s *Service) checkDisk(ctx context.Context, c *inventory.Container) error {
	room, err := s.pool(c).Free(ctx)
	if err != nil {
		return err
	}
	text, own := c.Settings["disk"]
	if !own {
		return nil
	}
	size, err := inventory.ParseBytes(text)
	if err == nil && size > room.Total {
		err = inventory.Errorf(inventory.ErrInvalid,
			"a disk of %s is larger than pool %s, which holds %s; ask for less",
			size, c.Pool, room.Total)
	}
	return err
}

// newcomer completes the draft of a container that does not exist yet: ids, quota, effects.
func (s *Service) newcomer(ctx context.Context, c *inventory.Container) (*gate.Draft, error) {
	if err := s.checkDisk(ctx, c); err != nil {
		return nil, err
	}
	if err := s.checkCapacity(ctx, nil, c); err != nil {
		return nil, err
	}
	base, err := s.pickIDBase(ctx)
	if err != nil {
		return nil, err
	}
	c.IDBase = base
	values, err := s.Effective(ctx, c)
	if err != nil {
		return nil, err
	}
	d := &gate.Draft{After: c, Reserve: reservation(inventory.ValueMap(values))}
	d.Effects = inventory.Diff(nil, c, s.Config.Settings)
	s.addCaveats(d.Effects, c, inventory.ValueMap(values))
	s.explainDevices(d.Effects, nil, c, false)
	for _, v := range values { // the size, wherever it comes from, is what people look for in a plan
		if _, own := c.Settings[v.Setting]; !own && slices.Contains([]string{"cpus", "memory",
			"disk"}, v.Setting) {
			note := "from the " + v.Origin
			if v.Setting == "disk" && s.isUnbounded(ctx, c, v) {
				note = "not enforced: pool " + c.Pool + " bounds only sizes that were asked for"
			}
			d.Effects = append(d.Effects, inventory.EffectLine{Field: v.Setting, After: v.Value, Note: note})
		}
	}
	return s.place(ctx, c, d)
}

// pickIDBase picks a range of host ids that no container has, not even in the trash.
func (s *Service) pickIDBase(ctx context.Context) (uint32, error) {
	used, err := s.Store.IDBases(ctx)
	if err != nil {
		return 0, err
	}
	taken := make(map[uint32]bool, len(used))
	for _, b := range used {
		taken[b] = true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.Now()
	for n := range s.IDRanges {
		b := s.FirstIDBase + uint32(n)*idRange
		if at, ok := s.picked[b]; taken[b] || ok && now.Sub(at) < pickedFor && now.Sub(at) >= 0 {
			continue
		}
		s.picked[b] = now
		return b, nil
	}
	return 0, inventory.Errorf(inventory.ErrQuota,
		"all %d id ranges of this host are given out; purge what lies in the trash", s.IDRanges)
}

func orElse(value, other string) string {
	if value != "" {
		return value
	}
	return other
}
