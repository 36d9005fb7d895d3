package unpack

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"path"
	"strings"
)

// A Layout is how an archive holds a root file system.
type Layout string

// The layouts. Those other than LayoutRootfs are Incus' and LXD's ("Image format" in their manual,
// and what `incus export` writes).
const (
	LayoutRootfs  Layout = "rootfs"  // the files themselves
	LayoutUnified Layout = "unified" // metadata.yaml, rootfs/ and templates/
	LayoutSplit   Layout = "split"   // metadata.yaml and templates/; the files are in a second archive
	LayoutBackup  Layout = "backup"  // backup/index.yaml and backup/container/, of a whole container
)

// The documents of an archive beside its files, and the most of one that is read.
const (
	metadataName = "metadata.yaml"
	indexName    = "backup/index.yaml"
	inBackup     = "backup/container/"
	maxDocument  = 1 << 20 // Incus' own bound
)

// A front takes an archive apart into documents and the entries of a root file system. What the
// layout has no place for is refused, so that nothing is taken over unseen.
type front struct {
	limits    Limits
	layout    Layout // "" until the first entry that is no directory
	take      func(h *tar.Header, body io.Reader) error
	held      []*tar.Header // directories that came before the layout was known
	entries   int
	documents map[string][]byte // by name in the archive
	templates []string          // names below templates/
	snapshots []string
	left      []string // volumes and the like, by their folder in a backup
	peek      bool     // stop when it is known what container an export is of
}

func newFront(l Limits, take func(h *tar.Header, body io.Reader) error) *front {
	return &front{limits: l, take: take, documents: map[string][]byte{}}
}

// read takes all entries of one tar.
func (f *front) read(archive *tar.Reader) error {
	for {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return f.flush(LayoutRootfs)
		}
		if err != nil {
			return err
		}
		if err := f.add(h, archive); err != nil {
			return err
		}
		if f.peek && f.known() {
			return nil
		}
	}
}

// known reports whether what was read so far tells what container an export is of, or that the
// archive is none. Incus writes index.yaml first.
func (f *front) known() bool {
	if f.layout != LayoutBackup {
		return f.layout != ""
	}
	return f.instance(&Metadata{}) == nil
}

func (f *front) add(h *tar.Header, body io.Reader) error {
	if f.entries++; f.entries > f.limits.Entries {
		return refuse("the archive holds more than %d entries", f.limits.Entries)
	}
	if h.Typeflag == tar.TypeXGlobalHeader {
		return nil // a comment for the whole archive, as git writes
	}
	if f.layout == "" {
		name, err := cleanPath(h.Name, f.limits)
		if err != nil {
			return err
		}
		if h.Typeflag == tar.TypeDir && len(f.held) < maxHeld {
			f.held = append(f.held, h)
			return nil
		}
		if err := f.flush(layoutOf(name)); err != nil {
			return err
		}
	}
	return f.sort(h, body)
}

// maxHeld bounds the directories that wait. A whole system has fewer, and images name a file first.
const maxHeld = 10_000

// layoutOf tells the layout by the first entry that is no directory. Incus writes its documents
// first; archives packed again by hand may not.
func layoutOf(name string) Layout {
	top, _, _ := strings.Cut(name, "/")
	switch {
	case name == indexName || strings.HasPrefix(name, inBackup) || strings.HasPrefix(name, "backup/snapshots/") ||
		name == "backup/container.bin":
		return LayoutBackup
	case name == metadataName || top == "rootfs" || top == "templates":
		return LayoutUnified
	}
	return LayoutRootfs
}

// flush settles the layout, and takes the directories that had to wait for it.
func (f *front) flush(l Layout) error {
	if f.layout == "" {
		f.layout = l
	}
	held := f.held
	f.held = nil
	for _, h := range held {
		if err := f.sort(h, bytes.NewReader(nil)); err != nil {
			return err
		}
	}
	return nil
}

func (f *front) sort(h *tar.Header, body io.Reader) error {
	if f.layout == LayoutRootfs {
		return f.take(h, body)
	}
	name, err := cleanPath(h.Name, f.limits)
	if err != nil {
		return err
	}
	if f.layout == LayoutBackup {
		return f.backup(name, h, body)
	}
	return f.image(name, "", h, body)
}

// image sorts an entry of an image, all of which lies below prefix.
func (f *front) image(name, prefix string, h *tar.Header, body io.Reader) error {
	inside := strings.TrimPrefix(name, prefix)
	top, _, _ := strings.Cut(inside, "/")
	switch {
	case name == "." || name+"/" == prefix:
		return f.directory(name, h)
	case inside == metadataName:
		return f.document(name, h, body)
	case top == "rootfs":
		return f.root(name, prefix+"rootfs", h, body)
	case inside == "templates":
		return f.directory(name, h)
	case top == "templates":
		return f.template(strings.TrimPrefix(inside, "templates/"), h)
	}
	return refuse("%q has no place in an image: it holds metadata.yaml, rootfs/ and templates/", name)
}

// backup sorts an entry of a container's export.
func (f *front) backup(name string, h *tar.Header, body io.Reader) error {
	parts := strings.Split(name, "/")
	switch {
	case name == "." || name == "backup":
		return f.directory(name, h)
	case name == indexName || name == inBackup+"backup.yaml":
		return f.document(name, h, body)
	case len(parts) == 2 && strings.HasSuffix(name, ".bin"):
		return refuse("the export is one of a pool's own format; make it again with 'incus export' without --optimized-storage")
	case strings.HasPrefix(name+"/", inBackup):
		return f.image(name, inBackup, h, body)
	case parts[0] != "backup":
		return refuse("%q has no place in a container's export: all of it lies below backup/", name)
	case parts[1] == "virtual-machine" || strings.HasPrefix(parts[1], "virtual-machine"):
		return refuse("the export is one of a virtual machine; Lodge runs containers")
	case parts[1] == "snapshots":
		if len(parts) > 2 {
			f.snapshots = note(f.snapshots, parts[2])
		}
	default:
		f.left = note(f.left, strings.Join(parts[:2], "/"))
	}
	return nil // skipped: never written anywhere
}

// maxNotes bounds the lists of what was left out.
const maxNotes = 100

func note(list []string, name string) []string {
	for _, have := range list {
		if have == name {
			return list
		}
	}
	if len(list) >= maxNotes {
		return list
	}
	return append(list, name)
}

func (f *front) directory(name string, h *tar.Header) error {
	if h.Typeflag != tar.TypeDir {
		return refuse("%q has to be a directory", name)
	}
	return nil
}

// document keeps a small text. Only a plain file, once: a link here has been read by others as
// whatever it pointed to on the host.
func (f *front) document(name string, h *tar.Header, body io.Reader) error {
	if h.Typeflag != tar.TypeReg {
		return refuse("%q has to be a plain file, not a link or anything else", name)
	}
	if _, twice := f.documents[name]; twice {
		return refuse("%q is in the archive twice", name)
	}
	if h.Size > maxDocument {
		return refuse("%q says it has %d bytes; at most %d are taken", name, h.Size, maxDocument)
	}
	text, err := io.ReadAll(io.LimitReader(body, maxDocument))
	if err != nil {
		return err
	}
	f.documents[name] = text
	return nil
}

// template notes a template's name. Its text is not read: Lodge has no template engine, and what
// has to be written at first boot FirstBoot writes.
func (f *front) template(name string, h *tar.Header) error {
	switch {
	case h.Typeflag == tar.TypeDir:
		return nil
	case h.Typeflag != tar.TypeReg:
		return refuse("the template %q has to be a plain file, not a link or anything else", name)
	case h.Size > maxDocument:
		return refuse("the template %q says it has %d bytes; at most %d are taken", name, h.Size, maxDocument)
	}
	f.templates = note(f.templates, name)
	return nil
}

// root takes an entry of the root file system, by its path in it.
func (f *front) root(name, root string, h *tar.Header, body io.Reader) error {
	if name == root && h.Typeflag != tar.TypeDir {
		return refuse("%q has to be a directory, not a link or anything else", name)
	}
	inner := *h
	inner.Name = path.Join(".", strings.TrimPrefix(name, root))
	if h.Typeflag == tar.TypeLink {
		target, err := cleanPath(h.Linkname, f.limits)
		rest, inside := strings.CutPrefix(target, root+"/")
		if err != nil || !inside {
			return refuse("the hard link %q points to %.80q, which is no file of its root file system", name, h.Linkname)
		}
		inner.Linkname = rest
	}
	return f.take(&inner, body)
}
