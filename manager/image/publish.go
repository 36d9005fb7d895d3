package image

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"lodge/inventory"
	"lodge/manager/gate"
	"lodge/manager/image/unpack"
)

// Published says which container an image was made from.
type Published struct {
	Container   inventory.ContainerID `json:"container"`
	Name        string                `json:"name"`
	Snapshot    string                `json:"snapshot,omitempty"`
	Image       string                `json:"image"` // what the container was made from
	ImageDigest string                `json:"image_digest"`
}

// preparePublish checks that the container stands still: a snapshot does, and a stopped one.
func (s *Service) preparePublish(ctx context.Context, r *gate.Request) (*gate.Draft, error) {
	var a inventory.PublishArgs
	if err := r.Decode(&a); err != nil {
		return nil, err
	}
	c := r.Container
	if a.Alias == "" {
		a.Alias = c.Name
	}
	if err := inventory.CheckAlias(a.Alias); err != nil {
		return nil, err
	}
	if _, err := s.expiry(a.Expires); err != nil {
		return nil, err
	}
	from := c.Name
	switch {
	case a.Snapshot != "":
		if _, err := s.Snapshots.Snapshot(ctx, c.ID, a.Snapshot); err != nil {
			return nil, err
		}
		from += "/" + a.Snapshot
	case r.Observed.State.IsLive():
		return nil, inventory.Errorf(inventory.ErrState,
			"%s runs, and an image of it would be torn; stop it, or take a snapshot and publish %s/SNAPSHOT", c.Ref(), c.Name)
	}
	line := s.aliasLine(ctx, a.Alias, "made of "+from)
	clean := inventory.EffectLine{Field: "left out", After: "host keys, machine id, logs, histories, caches, cloud-init's state",
		Note: "accounts, passwords and everything else go into the image; " + c.Name + " itself is not changed"}
	return &gate.Draft{Args: a, Effects: []inventory.EffectLine{line, clean}}, nil
}

// publish writes the container's root without what makes it one of a kind, and takes what came out
// as if it had been imported: it is unpacked, looked at and judged by the linter of builds.
func (s *Service) publish(ctx context.Context, r *gate.Run) error {
	var a inventory.PublishArgs
	if err := r.Decode(&a); err != nil {
		return err
	}
	c := r.Container()
	if err := s.publishAs(ctx, r, c, a); err != nil {
		return fmt.Errorf("publish %s: %w", c.Name, err)
	}
	return nil
}

func (s *Service) publishAs(ctx context.Context, r *gate.Run, c *inventory.Container, a inventory.PublishArgs) error {
	root, name := s.Pool.Path(string(c.ID)), c.Name
	if a.Snapshot != "" {
		root, name = s.Pool.SnapshotPath(string(c.ID), a.Snapshot), c.Name+"/"+a.Snapshot
	}
	cleaned := filepath.Join(s.workDir(""), string(r.Operation.ID)+".tar")
	if err := os.Remove(cleaned); err != nil && !missing(err) {
		return err
	}
	f, err := os.OpenFile(cleaned, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer os.Remove(cleaned)
	defer f.Close()
	r.Progress(5, "reading %s", name)
	_, err = unpack.Run(ctx, unpack.Job{Exe: s.SelfExe, IDBase: s.IDBase, Dir: root, Archive: f, Clean: true})
	if err != nil {
		return err
	}
	if _, err := f.Seek(0, 0); err != nil {
		return err
	}
	record := BuildRecord{Published: &Published{Container: c.ID, Name: c.Name, Snapshot: a.Snapshot,
		Image: c.Image, ImageDigest: c.ImageDigest}}
	return s.arrive(ctx, r, arrival{file: f, record: &record, alias: a.Alias, source: "publish " + name,
		expires: a.Expires, strict: !a.Force})
}
