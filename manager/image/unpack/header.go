package unpack

import (
	"archive/tar"
	"maps"
	"slices"
	"strings"
)

// An entry is a tar header that was found harmless.
type entry struct {
	Path   string // relative, clean, never empty; "." is the root itself
	Type   byte   // tar.TypeReg, TypeDir, TypeSymlink, TypeLink or TypeFifo
	Mode   uint32 // permission bits with setuid, setgid and sticky
	UID    int
	GID    int
	Size   int64
	Target string // of a symbolic link, as written; of a hard link, a path like Path
	Xattrs []xattr
}

type xattr struct {
	Name  string
	Value string
}

// maxID is the greatest id inside a container.
const maxID = 65535

// inspect judges one header. It returns nil for an entry to leave out.
func inspect(h *tar.Header, l Limits) (*entry, error) {
	if h.Typeflag == tar.TypeXGlobalHeader {
		return nil, nil // a comment for the whole archive, as git writes
	}
	path, err := cleanPath(h.Name, l)
	if err != nil {
		return nil, err
	}
	if strings.HasPrefix(path, "dev/") {
		return nil, nil
	}
	e := &entry{Path: path, Mode: uint32(h.Mode) & 0o7777, UID: h.Uid, GID: h.Gid, Size: h.Size}
	if err := e.setType(h, l); err != nil {
		return nil, err
	}
	if h.Uid < 0 || h.Gid < 0 || h.Uid > maxID || h.Gid > maxID {
		return nil, refuse("%q belongs to %d:%d; ids have to be those inside the container, 0 to %d", path, h.Uid, h.Gid, maxID)
	}
	if h.Size < 0 || h.Size > l.Bytes {
		return nil, refuse("%q says it has %d bytes; at most %d are taken", path, h.Size, l.Bytes)
	}
	e.Xattrs, err = keptXattrs(h, path, l)
	return e, err
}

func (e *entry) setType(h *tar.Header, l Limits) (err error) {
	e.Type = h.Typeflag
	switch h.Typeflag {
	case tar.TypeReg, tar.TypeGNUSparse:
		e.Type = tar.TypeReg
	case tar.TypeDir, tar.TypeFifo:
	case tar.TypeSymlink:
		e.Target = h.Linkname
		if e.Target == "" || len(e.Target) > l.Path || strings.ContainsRune(e.Target, 0) {
			return refuse("the symbolic link %q points to %.40q, which no link can", e.Path, e.Target)
		}
	case tar.TypeLink:
		e.Target, err = cleanPath(h.Linkname, l)
		if err != nil || e.Target == "." || strings.HasPrefix(e.Target, "dev/") {
			return refuse("the hard link %q points to %.80q, which is no file of the archive",
				e.Path, h.Linkname)
		}
	case tar.TypeChar, tar.TypeBlock:
		return refuse("%q is a device node outside /dev; an image may hold none", e.Path)
	default:
		return refuse("%q is of the unknown kind %q", e.Path, h.Typeflag)
	}
	if e.Path == "." && e.Type != tar.TypeDir {
		return refuse("the root of the archive is no directory")
	}
	return nil
}

// cleanPath makes name relative: "/etc", "./etc" and "etc/" are all "etc". Names that leave the
// root, or that would not show as what they are, are refused.
func cleanPath(name string, l Limits) (string, error) {
	if len(name) > l.Path {
		return "", refuse("a path of %d bytes (%.40q...) is too long; at most %d are taken",
			len(name), name, l.Path)
	}
	for _, c := range []byte(name) {
		if c < ' ' || c == 0x7f {
			return "", refuse("the name %.80q holds a control character", name)
		}
	}
	var parts []string
	for part := range strings.SplitSeq(name, "/") {
		switch {
		case part == "" || part == ".":
		case part == "..":
			return "", refuse("the path %.80q leads out of the archive", name)
		case len(part) > 255:
			return "", refuse("the name %.40q... has %d bytes; at most 255 are possible", part, len(part))
		default:
			parts = append(parts, part)
		}
	}
	if len(parts) > l.Depth {
		return "", refuse("the path %.80q... is %d directories deep; at most %d are taken", name,
			len(parts), l.Depth)
	}
	if len(parts) == 0 {
		return ".", nil
	}
	return strings.Join(parts, "/"), nil
}

// paxXattr is how GNU tar and libarchive name extended attributes in pax records.
const paxXattr = "SCHILY.xattr."

const capability = "security.capability"

// keptXattrs picks file capabilities and user attributes, by name. Others (labels of the host's
// security module, trusted.*, ACLs) mean nothing inside or are not the archive's to set.
func keptXattrs(h *tar.Header, path string, l Limits) ([]xattr, error) {
	var kept []xattr
	total := 0
	for _, key := range slices.Sorted(maps.Keys(h.PAXRecords)) {
		name, ok := strings.CutPrefix(key, paxXattr)
		if !ok || name != capability && !strings.HasPrefix(name, "user.") {
			continue
		}
		value := h.PAXRecords[key]
		if name == capability {
			var err error
			if value, err = plainCapability(path, value); err != nil {
				return nil, err
			}
		}
		if total += len(name) + len(value); total > l.Xattrs || len(name) > 255 || len(name) == len("user.") {
			return nil, refuse("%q carries more extended attributes than a file can; at most %d bytes are taken", path, l.Xattrs)
		}
		kept = append(kept, xattr{name, value})
	}
	return kept, nil
}

// plainCapability returns a file capability in the form without a root id
// (struct vfs_cap_data, linux/capability.h): revision 3 with the container's own root is the same.
func plainCapability(path, v string) (string, error) {
	const revision2, revision3 = 2, 3
	switch {
	case len(v) == 20 && v[3] == revision2:
		return v, nil
	case len(v) == 24 && v[3] == revision3 && v[20:] == "\x00\x00\x00\x00":
		return v[:3] + string(rune(revision2)) + v[4:20], nil
	}
	return "", refuse("%q has file capabilities that are not understood", path)
}
