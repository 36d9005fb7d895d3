package unpack

import (
	"bytes"
	"io"

	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
)

// The compressors of squashfs, by their number in its head.
var squashCompressors = map[uint16]string{1: "gzip", 2: "lzma", 3: "lzo", 4: "xz", 5: "lz4", 6: "zstd"}

// squashDecoder returns what unpacks one block. No block unfolds to more than most bytes: one byte
// more is enough for the caller to refuse it.
func squashDecoder(compressor uint16) (func(packed []byte, most int) ([]byte, error), error) {
	switch squashCompressors[compressor] {
	case "gzip":
		return func(packed []byte, most int) ([]byte, error) {
			r, err := zlib.NewReader(bytes.NewReader(packed))
			return readBlock(r, err, most)
		}, nil
	case "xz":
		return func(packed []byte, most int) ([]byte, error) {
			r, err := xz.NewReader(bytes.NewReader(packed))
			return readBlock(r, err, most)
		}, nil
	case "zstd":
		d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(1<<20),
			zstd.WithDecoderMaxMemory(4<<20))
		if err != nil {
			return nil, err
		}
		return func(packed []byte, most int) ([]byte, error) { return d.DecodeAll(packed, nil) }, nil
	}
	name := squashCompressors[compressor]
	if name == "" {
		name = "an unknown compressor"
	}
	return nil, refuse("the squashfs is packed with %s; gzip, xz and zstd can be read", name)
}

func readBlock(r io.Reader, err error, most int) ([]byte, error) {
	if err != nil {
		return nil, err
	}
	return io.ReadAll(io.LimitReader(r, int64(most)+1))
}
