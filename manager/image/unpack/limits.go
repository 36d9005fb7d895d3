package unpack

import (
	"errors"
	"fmt"
)

// Limits bound what one archive may unfold into.
type Limits struct {
	Bytes   int64 `json:"bytes"`   // of all files together, holes counted
	Stream  int64 `json:"stream"`  // of the archive once decompressed
	Entries int   `json:"entries"` // files, directories and links
	Path    int   `json:"path"`    // bytes of a path
	Depth   int   `json:"depth"`   // directories within each other
	Xattrs  int   `json:"xattrs"`  // bytes of all extended attributes of one entry
}

// DefaultLimits fit a whole operating system with its data, and not much more.
var DefaultLimits = Limits{
	Bytes:   32 << 30,
	Stream:  40 << 30,
	Entries: 2_000_000,
	Path:    2048,
	Depth:   64,
	Xattrs:  3072, // ext4 keeps all of an inode's attributes in one 4 KiB block
}

// A refusal is an archive that must not be unpacked, as opposed to a failure to do so. Its text
// is written for the person who sent the archive.
type refusal struct{ text string }

func (r *refusal) Error() string { return r.text }

func refuse(format string, args ...any) error {
	return &refusal{fmt.Sprintf(format, args...)}
}

func isRefusal(err error) bool {
	var r *refusal
	return errors.As(err, &r)
}
