package container

import (
	"context"
	"errors"
	"slices"

	"lodge/inventory"
	"lodge/manager/gate"
	"lodge/manager/storage"
)

// The steps that several verbs share.

// makeVolume gives the container its root file system. A volume left by an earlier try of the same
// step is as good as a new one: nothing but this step ran on it.
func (s *Service) makeVolume(ctx context.Context, r *gate.Run) error {
	if err := s.recheckCapacity(ctx, r); err != nil {
		return err
	}
	r.Progress(10, "making the root file system from %s", r.After.Image)
	size, err := s.diskSize(ctx, r.After)
	if err != nil {
		return err
	}
	err = s.pool(r.After).Create(ctx, storage.Volume{ID: string(r.After.ID), Size: size}, r.After.ImageDigest)
	if r.Resumed && errors.Is(err, inventory.ErrExists) {
		return nil
	}
	return err
}

// diskSize is what bounds the container's root file system; 0 for nothing.
func (s *Service) diskSize(ctx context.Context, c *inventory.Container) (inventory.Bytes, error) {
	values, err := s.Effective(ctx, c)
	if err != nil {
		return 0, err
	}
	i := slices.IndexFunc(values, func(v inventory.Value) bool { return v.Setting == "disk" })
	if i < 0 || s.isUnbounded(ctx, c, values[i]) {
		return 0, nil
	}
	return inventory.ParseBytes(values[i].Value)
}

// isUnbounded reports whether nobody asked for that size, and the pool enforces only sizes somebody
// asked for.
func (s *Service) isUnbounded(ctx context.Context, c *inventory.Container, disk inventory.Value) bool {
	if disk.Origin != "default" {
		return false
	}
	room, err := s.pool(c).Free(ctx)
	return err == nil && room.OnRequest
}

func (s *Service) deleteVolume(ctx context.Context, r *gate.Run) error {
	return s.pool(r.Container()).Delete(ctx, string(r.Container().ID))
}

// firstBoot makes the root file system this container's own.
func (s *Service) firstBoot(ctx context.Context, r *gate.Run) error {
	var args inventory.ImportContainerArgs // a create's and more
	if r.Operation.Verb != "container.clone" {
		if err := r.Decode(&args); err != nil {
			return err
		}
	}
	return s.writeFirstBoot(ctx, r.After, args.UserData, args.SSHKeys)
}

func (s *Service) writeFirstBoot(ctx context.Context, c *inventory.Container, userData string,
	keys []string) error {
	networks, err := s.Addresses.Networks(ctx)
	if err != nil {
		return err
	}
	b := FirstBoot{Container: c, Rootfs: s.pool(c).Path(string(c.ID)), UserData: userData, SSHKeys: keys}
	if len(c.NICs) > 0 {
		if n := networks[c.NICs[0].Network]; !n.IsRouted() {
			b.Gateway, b.Gateway6 = n.IPv4.Addr(), n.IPv6.Addr()
		}
	}
	return s.FirstBoot(ctx, b)
}

// configure writes what liblxc reads.
func (s *Service) configure(ctx context.Context, r *gate.Run) error {
	c := r.Container()
	if err := s.pool(c).Ready(ctx, string(c.ID)); err != nil { // the image's init is looked for
		return err
	}
	return s.configureAs(ctx, c)
}

// reconfigure is configure's undo where the container existed before. One that got another name has
// its configuration from moveBack, which follows.
func (s *Service) reconfigure(ctx context.Context, r *gate.Run) error {
	if r.Before == nil || r.After != nil && r.After.LXCName() != r.Before.LXCName() {
		return nil
	}
	return s.configureAs(ctx, r.Before)
}

func (s *Service) configureAs(ctx context.Context, c *inventory.Container) error {
	b, err := s.boot(ctx, c)
	if err != nil {
		return err
	}
	return s.Shape.Configure(ctx, b)
}

// unconfigure removes the container's folder.
func (s *Service) unconfigure(ctx context.Context, r *gate.Run) error {
	if err := s.dropTraffic(ctx, r.Container()); err != nil {
		return err
	}
	return s.Shape.Remove(ctx, r.Container())
}

// publishNames makes every name right, this container's among them.
func (s *Service) publishNames(ctx context.Context, r *gate.Run) error {
	if err := s.Publish(ctx); err != nil && !errors.Is(err, inventory.ErrUnavailable) {
		return err
	} else if err != nil {
		// The names follow when the role is back; that is no reason to refuse a container.
		r.Log.Warn("names are published later", "error", err)
	}
	return nil
}

// withdrawNames publishes all names but this container's, whose row goes away at the end.
func (s *Service) withdrawNames(ctx context.Context, r *gate.Run) error {
	return s.publishInstead(ctx, r.Container().ID, nil)
}

// publishBack publishes the names as they were before: the row still says how they were to be.
func (s *Service) publishBack(ctx context.Context, r *gate.Run) error {
	return s.publishInstead(ctx, r.Container().ID, r.Before)
}

// Publish makes the names of all containers of this host answerable.
func (s *Service) Publish(ctx context.Context) error { return s.publishAll(ctx, "", nil) }

func (s *Service) publishInstead(ctx context.Context, id inventory.ContainerID,
	c *inventory.Container) error {
	if err := s.publishAll(ctx, id, c); !errors.Is(err, inventory.ErrUnavailable) {
		return err
	}
	return nil
}

// publishAll publishes what the store has, with instead in place of the container of that id.
func (s *Service) publishAll(ctx context.Context, id inventory.ContainerID,
	instead *inventory.Container) error {
	s.publish.Lock()
	defer s.publish.Unlock()
	all, err := s.Store.ContainersOnHost(ctx, s.Host)
	if err != nil {
		return err
	}
	all = slices.DeleteFunc(all, func(c *inventory.Container) bool { return c.ID == id })
	if instead != nil {
		all = append(all, instead)
	}
	return s.Names.Publish(ctx, slices.DeleteFunc(all, (*inventory.Container).IsTrashed))
}
