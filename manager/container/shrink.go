package container

import (
	"context"
	"errors"

	"lodge/inventory"
	"lodge/manager/gate"
)

// checkShrink refuses sizes below what is in use, before anything changes. What is written between
// this look and the change, the kernel or the pool refuses then.
func (s *Service) checkShrink(ctx context.Context, r *gate.Request, before, after map[string]string) error {
	old, now := reservation(before), reservation(after)
	if used := r.Observed.Memory; r.Observed.State.IsLive() && now.Memory < old.Memory && used > now.Memory {
		return inventory.Errorf(inventory.ErrState, "memory of %s can't be %s while %s are in use",
			r.Container.Ref(), now.Memory, used)
	}
	if now.Disk >= old.Disk {
		return nil
	}
	used, err := s.pool(r.Container).Usage(ctx, string(r.Container.ID))
	if err == nil && used > now.Disk {
		err = inventory.Errorf(inventory.ErrState, "the disk of %s can't be %s while %s are in use",
			r.Container.Ref(), now.Disk, used)
	}
	if errors.Is(err, inventory.ErrNotFound) {
		return nil
	}
	return err
}

// caveats say what of a setting this host can't hold, "" when all holds.
type caveats interface {
	Caveat(setting, value, rootfs string) string
}

// addCaveats notes in a plan what of it this host can't hold.
func (s *Service) addCaveats(lines []inventory.EffectLine, c *inventory.Container,
	effective map[string]string) {
	for i, line := range lines {
		value, ok := effective[line.Field]
		if !ok || line.After == "" {
			continue
		}
		note := s.Caveats.Caveat(line.Field, value, s.pool(c).Path(string(c.ID)))
		switch {
		case note == "":
		case line.Note == "":
			lines[i].Note = note
		default:
			lines[i].Note += "; " + note
		}
	}
}
