package pool

import (
	"context"
	"errors"

	"lodge/inventory"
	"lodge/manager/storage"
	"lodge/manager/storage/tree"
)

// held is a pool that works. It fetches the images it lacks.
type held struct {
	Backend
	service *Service
	name    string
}

// Create makes a volume, of an image that may be in another pool so far.
func (h held) Create(ctx context.Context, v storage.Volume, image string) error {
	err := h.Backend.Create(ctx, v, image)
	if !errors.Is(err, inventory.ErrNotFound) {
		return err
	}
	if fetchErr := h.service.fetch(ctx, h, image); fetchErr != nil {
		if errors.Is(fetchErr, inventory.ErrNotFound) {
			return err
		}
		return fetchErr
	}
	return h.Backend.Create(ctx, v, image)
}

// fetch copies an image into a pool from another one that has it.
func (s *Service) fetch(ctx context.Context, to held, digest string) error {
	for _, from := range s.working() {
		if from.name == to.name {
			continue
		}
		if has, err := from.HasImage(ctx, digest); err != nil || !has {
			continue
		}
		s.Log.Info("an image comes into a pool", "image", digest, "from", from.name, "to", to.name)
		var c tree.Copier
		err := to.AddImage(ctx, digest, func(dir string) error {
			return c.Copy(ctx, from.ImagePath(digest), dir)
		})
		if errors.Is(err, inventory.ErrExists) { // somebody else was first
			return nil
		}
		return err
	}
	return inventory.Errorf(inventory.ErrNotFound, "image %s is in no pool", digest)
}

// AddImage makes an image in the default pool; the others fetch it when they need it.
func (s *Service) AddImage(ctx context.Context, digest string, fill func(dir string) error) error {
	return s.Pool(s.Default()).AddImage(ctx, digest, fill)
}

// HasImage tells whether a pool that works has the image.
func (s *Service) HasImage(ctx context.Context, digest string) (bool, error) {
	for _, h := range s.working() {
		if has, err := h.HasImage(ctx, digest); has || err != nil {
			return has, err
		}
	}
	return false, nil
}

// DeleteImage removes an image from every pool that works. In one that is lost it stays, unseen: no
// container can be made of it.
func (s *Service) DeleteImage(ctx context.Context, digest string) error {
	for _, h := range s.working() {
		if err := h.DeleteImage(ctx, digest); err != nil {
			return err
		}
	}
	return nil
}

// ImagePath is where the image lies in a pool that has it, or a path that doesn't exist.
func (s *Service) ImagePath(digest string) string {
	for _, h := range s.working() {
		if has, err := h.HasImage(context.Background(), digest); has && err == nil {
			return h.ImagePath(digest)
		}
	}
	return s.Pool(s.Default()).ImagePath(digest)
}

// Rooms measures the pools that work, the default one first. One that is lost meanwhile is left out.
func (s *Service) Rooms(ctx context.Context) ([]storage.NamedRoom, error) {
	var rooms []storage.NamedRoom
	for _, h := range s.working() {
		room, err := h.Free(ctx)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err != nil {
			s.Log.Warn("a pool can't be measured", "pool", h.name, "error", err)
			continue
		}
		rooms = append(rooms, storage.NamedRoom{Pool: h.name, Room: room})
	}
	return rooms, nil
}

// of is the pool a container is on by its row; the default one for what has no row.
func (s *Service) of(id string) storage.Pool {
	all, err := s.Store.ContainersOnHost(context.Background(), s.Host)
	if err != nil {
		s.Log.Error("a container's pool can't be looked up", "container", id, "error", err)
	}
	for _, c := range all {
		if string(c.ID) == id {
			return s.Pool(c.Pool)
		}
	}
	return s.Pool(s.Default())
}

// Path is the root folder of a container's volume, on whichever pool it is.
func (s *Service) Path(id string) string { return s.of(id).Path(id) }

// SnapshotPath is the root folder of a snapshot, on whichever pool its container is.
func (s *Service) SnapshotPath(id, name string) string { return s.of(id).SnapshotPath(id, name) }
