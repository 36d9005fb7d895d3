package volume

import (
	"context"
	"strings"

	"lodge/inventory"
	"lodge/manager/gate"
)

// plannedUpdate is what the plan makes of the parameters: the volume as it is to be, and as it was.
type plannedUpdate struct {
	inventory.VolumeUpdateArgs
	Next inventory.Volume `json:"next"`
	Was  inventory.Volume `json:"was"`
}

// prepareUpdate drafts another owner, purpose or flag.
func (s *Service) prepareUpdate(ctx context.Context, r *gate.Request) (*gate.Draft, error) {
	var p plannedUpdate
	if err := r.Decode(&p); err != nil {
		return nil, err
	}
	was, err := s.Store.Volume(ctx, inventory.Ref{Project: p.Project, Name: p.Name})
	if err != nil {
		return nil, err
	}
	next := was
	if p.Owner != nil {
		next.Owner = *p.Owner
	}
	if p.Purpose != nil {
		next.Purpose = strings.TrimSpace(*p.Purpose)
	}
	if p.Backup != nil {
		next.Backup = *p.Backup
	}
	if p.Shared != nil {
		next.Shared = *p.Shared
	}
	if next.Owner == "" {
		return nil, inventory.Errorf(inventory.ErrInvalid, "volume %s needs an owner; name who answers for it", was.Ref())
	}
	if err := inventory.CheckVolume(next); err != nil {
		return nil, err
	}
	if err := s.checkSharing(ctx, was, next); err != nil {
		return nil, err
	}
	p.ID, p.Project, p.Next, p.Was = was.ID, was.Project, next, was
	return &gate.Draft{Args: p, Effects: inventory.DiffVolume(&was, next)}, nil
}

// checkSharing refuses to end the sharing of a volume that several containers write to, before
// anything is changed; the store refuses it for certain.
func (s *Service) checkSharing(ctx context.Context, was, next inventory.Volume) error {
	if !was.Shared || next.Shared {
		return nil
	}
	held, err := s.Store.Attachments(ctx, was.ID, false)
	if err != nil {
		return err
	}
	var writers []inventory.Attachment
	for _, a := range held {
		if !a.ReadOnly {
			writers = append(writers, a)
		}
	}
	if len(writers) < 2 {
		return nil
	}
	return inventory.Errorf(inventory.ErrState, "volume %s is written to by %s; detach it from all but one first",
		was.Ref(), holders(writers))
}

func (s *Service) updateRow(ctx context.Context, r *gate.Run) error {
	var p plannedUpdate
	if err := r.Decode(&p); err != nil {
		return err
	}
	return s.Store.UpdateVolume(ctx, p.Next)
}
