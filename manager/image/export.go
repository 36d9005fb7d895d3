package image

import (
	"compress/gzip"
	"context"
	"io"

	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
	"gopkg.in/yaml.v3"

	"lodge/inventory"
	"lodge/manager/image/unpack"
)

// Export writes the image as an archive in Incus' unified layout, which its import and ours take:
// metadata.yaml, then the files below rootfs/. Nothing is written before an error about the
// parameters; after one halfway what was written is no whole archive.
func (s *Service) Export(ctx context.Context, ref string, packing inventory.Packing, w io.Writer) error {
	m, err := s.Store.Image(ctx, ref)
	if err != nil {
		return err
	}
	text, err := metadataOf(m)
	if err != nil {
		return err
	}
	packed, err := pack(w, packing)
	if err != nil {
		return err
	}
	_, err = unpack.Run(ctx, unpack.Job{Exe: s.SelfExe, IDBase: s.IDBase, Dir: s.Pool.ImagePath(m.Digest),
		Archive: packed, Image: string(text)})
	if err != nil {
		return err // without the end mark, so that nobody takes it for whole
	}
	return packed.Close()
}

// machineNames maps Debian's names of machines to those of metadata.yaml, which are uname(2)'s.
var machineNames = map[string]string{"amd64": "x86_64", "arm64": "aarch64", "i386": "i686", "armhf": "armv7l",
	"ppc64el": "ppc64le", "loong64": "loongarch64"}

// metadataOf writes the metadata.yaml of an image.
func metadataOf(m inventory.Image) ([]byte, error) {
	machine, ok := machineNames[m.Architecture]
	if !ok {
		machine = m.Architecture
	}
	properties := map[string]string{"os": m.OS, "release": m.Release, "architecture": m.Architecture,
		"description": m.OS + " " + m.Release + " (" + m.Source + ")", "lodge.digest": m.Digest}
	if len(m.Aliases) > 0 {
		properties["name"] = m.Aliases[0]
	}
	file := map[string]any{"architecture": machine, "creation_date": m.CreatedAt.Unix(), "properties": properties}
	if !m.ExpiresAt.IsZero() {
		file["expiry_date"] = m.ExpiresAt.Unix()
	}
	return yaml.Marshal(file)
}

// pack returns a writer that compresses. Closing it does not close w.
func pack(w io.Writer, packing inventory.Packing) (io.WriteCloser, error) {
	switch packing {
	case inventory.PackZstd:
		return zstd.NewWriter(w, zstd.WithEncoderConcurrency(1))
	case inventory.PackXZ:
		return xz.NewWriter(w)
	case inventory.PackGzip:
		return gzip.NewWriterLevel(w, gzip.BestSpeed)
	case inventory.PackNone:
		return unpacked{w}, nil
	}
	return nil, inventory.CheckPacking(packing)
}

// unpacked passes on what is written.
type unpacked struct{ io.Writer }

func (unpacked) Close() error { return nil }
