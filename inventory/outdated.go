package inventory

import (
	"cmp"
	"slices"
	"time"
)

// An OutdatedImage is a container or an image that is behind.
type OutdatedImage struct {
	Container string    `json:"container,omitempty"` // PROJECT/NAME, or NAME; empty for an image
	Image     string    `json:"image"`               // the alias, or the digest where there is none
	Digest    string    `json:"digest"`
	Current   string    `json:"current,omitempty"` // what the alias means now
	Why       string    `json:"why"`
	CreatedAt time.Time `json:"created_at,omitzero"` // of the image; zero when it is gone
}

// OutdatedImages finds the containers whose image's alias means another digest now, and the images
// whose time is over or that are older than age (0: no age is too much). Containers in the trash
// don't count. Sorted: containers by name, then images, the oldest first.
func OutdatedImages(images []Image, containers []*Container, age time.Duration, now time.Time) []OutdatedImage {
	byAlias, byDigest := map[string]Image{}, map[string]Image{}
	for _, m := range images {
		byDigest[m.Digest] = m
		for _, alias := range m.Aliases {
			byAlias[alias] = m
		}
	}
	var out []OutdatedImage
	for _, c := range containers {
		current, named := byAlias[c.Image]
		if c.IsTrashed() || !named || current.Digest == c.ImageDigest {
			continue
		}
		out = append(out, OutdatedImage{Container: c.Ref().String(), Image: c.Image, Digest: c.ImageDigest,
			Current: current.Digest, Why: c.Image + " means another image now",
			CreatedAt: byDigest[c.ImageDigest].CreatedAt})
	}
	slices.SortStableFunc(out, func(a, b OutdatedImage) int { return cmp.Compare(a.Container, b.Container) })
	return append(out, oldImages(images, age, now)...)
}

func oldImages(images []Image, age time.Duration, now time.Time) []OutdatedImage {
	var out []OutdatedImage
	for _, m := range images {
		line := OutdatedImage{Image: m.Digest, Digest: m.Digest, CreatedAt: m.CreatedAt}
		if len(m.Aliases) > 0 {
			line.Image = m.Aliases[0]
		}
		switch {
		case !m.ExpiresAt.IsZero() && !m.ExpiresAt.After(now):
			line.Why = "its time was over on " + m.ExpiresAt.UTC().Format(time.DateOnly)
		case age > 0 && now.Sub(m.CreatedAt) > age:
			line.Why = "it is from " + m.CreatedAt.UTC().Format(time.DateOnly)
		default:
			continue
		}
		out = append(out, line)
	}
	slices.SortStableFunc(out, func(a, b OutdatedImage) int { return a.CreatedAt.Compare(b.CreatedAt) })
	return out
}
