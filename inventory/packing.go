package inventory

import (
	"slices"
	"strings"
)

// A Packing is how an exported archive is compressed.
type Packing string

// The packings there are.
const (
	PackZstd Packing = "zstd"
	PackXZ   Packing = "xz"
	PackGzip Packing = "gzip"
	PackNone Packing = "none"
)

var packings = []Packing{PackZstd, PackXZ, PackGzip, PackNone}

// CheckPacking refuses a packing that there is none of.
func CheckPacking(p Packing) error {
	if !slices.Contains(packings, p) {
		return Errorf(ErrInvalid, "%.40q is no compression; it is one of zstd, xz, gzip, none", string(p))
	}
	return nil
}

// PackingOf tells the packing by a file's name; zstd where it says nothing.
func PackingOf(file string) Packing {
	for suffix, p := range map[string]Packing{".xz": PackXZ, ".gz": PackGzip, ".tgz": PackGzip, ".tar": PackNone} {
		if strings.HasSuffix(strings.ToLower(file), suffix) {
			return p
		}
	}
	return PackZstd
}
