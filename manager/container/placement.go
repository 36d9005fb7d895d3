package container

import (
	"context"
	"maps"

	"lodge/inventory"
	"lodge/manager/gate"
)

// placement judges whether a container may be on its host beside the others there.
type placement interface {
	// Place returns ErrDenied with a sentence, or lines for the plan about what is not refused.
	Place(ctx context.Context, c *inventory.Container) ([]inventory.EffectLine, error)
}

// place adds what the placement says of the container as drafted.
func (s *Service) place(ctx context.Context, c *inventory.Container, d *gate.Draft) (*gate.Draft, error) {
	lines, err := s.Placement.Place(ctx, c)
	if err != nil {
		return nil, err
	}
	d.Effects = append(d.Effects, lines...)
	return d, nil
}

// placesDiffer reports whether an update changes what placement may look at. One that does not is
// never refused for where the container already is.
func placesDiffer(before, after *inventory.Container) bool {
	return before.Environment != after.Environment || before.Owner != after.Owner ||
		before.DataClass != after.DataClass || !maps.Equal(before.Labels, after.Labels) ||
		!maps.Equal(before.Settings, after.Settings)
}
