package image

import (
	"context"
	"errors"
	"fmt"

	"lodge/inventory"
	"lodge/manager/gate"
)

// No remote is there from the beginning: whom to trust with a root file system is the operator's to
// say, and no host is asked that nobody named.

// remoteVerbs name the servers that images are pulled from.
func (s *Service) remoteVerbs() []gate.Verb {
	row := func(name, command string) gate.Verb {
		return gate.Verb{Name: name, Right: inventory.RightHost, Mode: gate.ModeOperation,
			Risk: inventory.RiskMedium, Command: command, Subject: remoteSubject}
	}
	add, remove := row("image.remote.add", "image remote add"), row("image.remote.remove", "image remote remove")
	add.Prepare, remove.Prepare = s.prepareAddRemote, s.prepareRemoveRemote
	add.Steps = []gate.Step{{Name: "save", Do: s.saveRemote, Undo: s.forgetRemote}}
	remove.Recovery = gate.RecoverFinish
	remove.Steps = []gate.Step{{Name: "forget", Do: s.forgetRemote}}
	return []gate.Verb{add, remove}
}

func remoteSubject(r *gate.Request) (subject, name string, err error) {
	var a inventory.RemoteArgs
	if err := r.Decode(&a); err != nil {
		return "", "", err
	}
	if a.Name == "" {
		return "", "", inventory.Errorf(inventory.ErrInvalid, "say which remote is meant")
	}
	return "image-remote:" + a.Name, a.Name, nil
}

func (s *Service) prepareAddRemote(ctx context.Context, r *gate.Request) (*gate.Draft, error) {
	var a inventory.RemoteArgs
	if err := r.Decode(&a); err != nil {
		return nil, err
	}
	if err := inventory.CheckRemote(a.Name, a.URL); err != nil {
		return nil, err
	}
	if _, err := s.Remotes.Remote(ctx, a.Name); err == nil {
		return nil, inventory.Errorf(inventory.ErrExists,
			"there is a remote %s already; 'lodge image remote remove %s' forgets it", a.Name, a.Name)
	} else if !errors.Is(err, inventory.ErrNotFound) {
		return nil, err
	}
	line := inventory.EffectLine{Field: "remote " + a.Name, After: a.URL, Note: "its indexes have to be signed with the key given"}
	if a.Key == "" {
		line.Note = "its indexes need not be signed: no key was given"
	} else if err := s.server(inventory.Remote{Key: a.Key}).CheckKey(ctx); err != nil {
		return nil, err
	}
	return &gate.Draft{Args: a, Effects: []inventory.EffectLine{line}}, nil
}

func (s *Service) prepareRemoveRemote(ctx context.Context, r *gate.Request) (*gate.Draft, error) {
	var a inventory.RemoteArgs
	if err := r.Decode(&a); err != nil {
		return nil, err
	}
	m, err := s.Remotes.Remote(ctx, a.Name)
	if err != nil {
		return nil, err
	}
	return &gate.Draft{Args: inventory.RemoteArgs{Name: a.Name}, Effects: []inventory.EffectLine{
		{Field: "remote " + a.Name, Before: m.URL, Note: "images that came from it stay"}}}, nil
}

// RemoteImages asks a remote what it has for this machine.
func (s *Service) RemoteImages(ctx context.Context, name string) ([]inventory.RemoteImage, error) {
	from, err := s.remoteNamed(ctx, name)
	if err != nil {
		return nil, err
	}
	all, err := s.server(from).List(ctx)
	if err != nil {
		return nil, fmt.Errorf("list the images of %s: %w", name, err)
	}
	return all, nil
}

func (s *Service) remoteNamed(ctx context.Context, name string) (inventory.Remote, error) {
	from, err := s.Remotes.Remote(ctx, name)
	if errors.Is(err, inventory.ErrNotFound) {
		err = inventory.Errorf(inventory.ErrNotFound,
			"there is no remote %.63q; 'lodge image remote list' shows them, 'lodge image remote add NAME URL' adds one", name)
	}
	return from, err
}

func (s *Service) saveRemote(ctx context.Context, r *gate.Run) error {
	var a inventory.RemoteArgs
	if err := r.Decode(&a); err != nil {
		return err
	}
	return s.Remotes.SaveRemote(ctx, inventory.Remote{Name: a.Name, URL: a.URL, Key: a.Key, CreatedAt: s.Now().UTC()})
}

func (s *Service) forgetRemote(ctx context.Context, r *gate.Run) error {
	var a inventory.RemoteArgs
	if err := r.Decode(&a); err != nil {
		return err
	}
	return s.Remotes.DeleteRemote(ctx, a.Name)
}
