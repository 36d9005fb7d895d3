package store

import (
	"context"
	"strings"

	"lodge/inventory"
)

type imageRow struct {
	Digest       string `gorm:"primaryKey"`
	OS           string `gorm:"column:os"`
	Release      string
	Architecture string
	SizeBytes    int64
	Source       string
	Packages     document[[]inventory.Package]
	Build        string
	CreatedNs    int64
	ExpiresNs    *int64
	Init         string
	InitVersion  int
	CloudInit    bool
}

func (imageRow) TableName() string { return "images" }

func newImageRow(m inventory.Image) imageRow {
	return imageRow{Digest: m.Digest, OS: m.OS, Release: m.Release, Architecture: m.Architecture,
		SizeBytes: int64(m.Size), Source: m.Source, Packages: doc(m.Packages), Build: m.Build,
		CreatedNs: nanos(m.CreatedAt), ExpiresNs: nanosOrNull(m.ExpiresAt),
		Init: m.Init, InitVersion: m.InitVersion, CloudInit: m.CloudInit}
}

func (r imageRow) image(aliases []string) inventory.Image {
	return inventory.Image{Digest: r.Digest, Aliases: aliases, OS: r.OS, Release: r.Release,
		Architecture: r.Architecture,
		Size:         inventory.Bytes(r.SizeBytes), Source: r.Source, Packages: r.Packages.V, Build: r.Build,
		CreatedAt: instant(r.CreatedNs), ExpiresAt: instantOrZero(r.ExpiresNs),
		Init: r.Init, InitVersion: r.InitVersion, CloudInit: r.CloudInit}
}

type aliasRow struct {
	Alias  string `gorm:"primaryKey"`
	Digest string
}

func (aliasRow) TableName() string { return "image_aliases" }

// SaveImage inserts the image, or replaces the row of the same digest. Its aliases are ignored:
// SetAlias alone moves them.
func (s *Store) SaveImage(ctx context.Context, m inventory.Image) error {
	return s.write(ctx, func(ctx context.Context, t *transaction) error {
		row := newImageRow(m)
		return rowsOf[imageRow](t.db, replace("digest")).Create(ctx, &row)
	})
}

// Image finds one by alias or digest, its aliases filled in; ErrNotFound if there is none.
func (s *Store) Image(ctx context.Context, ref string) (inventory.Image, error) {
	ctx, db, err := s.read(ctx)
	if err != nil {
		return inventory.Image{}, err
	}
	find := rowsOf[imageRow](db).Where("digest = (SELECT digest FROM image_aliases WHERE alias = ?)", ref)
	if strings.HasPrefix(ref, "sha256:") {
		find = rowsOf[imageRow](db).Where("digest = ?", ref)
	}
	rows, err := find.Limit(1).Find(ctx)
	row, err := only(rows, err, "image", ref)
	if err != nil {
		return inventory.Image{}, explain(s.path, err)
	}
	aliases, err := rowsOf[aliasRow](db).Where("digest = ?", row.Digest).Order("alias").Find(ctx)
	names, err := nouns(s.path, aliases, err, func(a aliasRow) string { return a.Alias })
	return row.image(names), err
}

// Images returns all of them, newest first.
func (s *Store) Images(ctx context.Context) ([]inventory.Image, error) {
	ctx, db, err := s.read(ctx)
	if err != nil {
		return nil, err
	}
	aliases, err := rowsOf[aliasRow](db).Order("alias").Find(ctx)
	if err != nil {
		return nil, explain(s.path, err)
	}
	of := map[string][]string{}
	for _, a := range aliases {
		of[a.Digest] = append(of[a.Digest], a.Alias)
	}
	rows, err := rowsOf[imageRow](db).Order("created_ns DESC, digest").Find(ctx)
	return nouns(s.path, rows, err, func(r imageRow) inventory.Image { return r.image(of[r.Digest]) })
}

// DeleteImage removes the row and its aliases; a missing row is no error.
func (s *Store) DeleteImage(ctx context.Context, digest string) error {
	return s.write(ctx, func(ctx context.Context, t *transaction) error {
		_, err := rowsOf[imageRow](t.db).Where("digest = ?", digest).Delete(ctx)
		return err
	})
}

// SetAlias makes alias name the image of digest, taking it from another image if need be; an empty
// digest takes the alias away. ErrNotFound if the digest has no row.
func (s *Store) SetAlias(ctx context.Context, alias, digest string) error {
	return s.write(ctx, func(ctx context.Context, t *transaction) error {
		if digest == "" {
			_, err := rowsOf[aliasRow](t.db).Where("alias = ?", alias).Delete(ctx)
			return err
		}
		rows, err := rowsOf[imageRow](t.db).Where("digest = ?", digest).Select("digest").Limit(1).Find(ctx)
		if _, err := only(rows, err, "image", digest); err != nil {
			return err
		}
		return rowsOf[aliasRow](t.db, replace("alias")).Create(ctx, &aliasRow{alias, digest})
	})
}
