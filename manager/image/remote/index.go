package remote

import (
	"cmp"
	"encoding/json"
	"net/url"
	"path"
	"slices"
	"strings"

	"lodge/inventory"
)

// A File is one file of an image on a server.
type File struct {
	Path   string `json:"path"` // below the remote's address
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}

// A Found is an image on a server: one file, or metadata and files in two.
type Found struct {
	Product string `json:"product"` // "debian:bookworm:amd64:default"
	Version string `json:"version"` // "20260503_05:24"
	Files   []File `json:"files"`
	Signed  bool   `json:"signed"`
}

// indexFile is streams/v1/index.json.
type indexFile struct {
	Index map[string]struct {
		DataType string `json:"datatype"`
		Path     string `json:"path"`
	} `json:"index"`
}

// productsFile is what an index points to.
type productsFile struct {
	Products map[string]product `json:"products"`
}

type product struct {
	Aliases  string             `json:"aliases"`
	Arch     string             `json:"arch"`
	Versions map[string]version `json:"versions"`
}

type version struct {
	Items map[string]item `json:"items"`
}

type item struct {
	Kind   string `json:"ftype"`
	Path   string `json:"path"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}

// imageLists returns the paths of the products files that are about images.
func imageLists(text []byte) ([]string, error) {
	var f indexFile
	if err := json.Unmarshal(text, &f); err != nil {
		return nil, refuse("the server's index can't be read: %.100v", err)
	}
	var paths []string
	for _, entry := range f.Index {
		if entry.DataType != "image-downloads" {
			continue
		}
		if err := checkPath(entry.Path); err != nil {
			return nil, err
		}
		paths = append(paths, entry.Path)
	}
	slices.Sort(paths)
	if len(paths) == 0 {
		return nil, refuse("the server's index names no images")
	}
	return paths[:min(len(paths), 8)], nil
}

// choose returns the newest version of the image of that alias for a machine; ok is false when this
// file has none.
func choose(text []byte, alias, arch string, most int64) (found Found, ok bool, err error) {
	var f productsFile
	if err := json.Unmarshal(text, &f); err != nil {
		return found, false, refuse("the server's list of images can't be read: %.100v", err)
	}
	for name, p := range f.Products {
		if p.Arch != arch || !named(name, p, alias) {
			continue
		}
		for id, v := range p.Versions {
			files := pair(v)
			if files == nil || id <= found.Version && ok {
				continue
			}
			found, ok = Found{Product: name, Version: id, Files: files}, true
		}
	}
	if !ok {
		return found, false, nil
	}
	return found, true, found.check(most)
}

// maxOffers bounds a list of images; the largest public server has some 800 for one machine.
const maxOffers = 5000

// offers lists the images for a machine, each with its newest version that has files. What can't be
// shown as text is left out.
func offers(text []byte, arch string) (out []inventory.RemoteImage, err error) {
	var f productsFile
	if err := json.Unmarshal(text, &f); err != nil {
		return nil, refuse("the server's list of images can't be read: %.100v", err)
	}
	for name, p := range f.Products {
		offer := inventory.RemoteImage{Product: name}
		for id, v := range p.Versions {
			if files := pair(v); files != nil && id > offer.Version {
				offer.Version, offer.Size = id, 0
				for _, file := range files {
					offer.Size += inventory.Bytes(max(file.Size, 0))
				}
			}
		}
		if p.Arch == arch && offer.Version != "" {
			offer.Image, offer.Aliases = names(p.Aliases, name)
			out = append(out, offer)
		}
	}
	return slices.DeleteFunc(out, func(o inventory.RemoteImage) bool { return !isOffer(o) }), nil
}

// names returns the shortest name of a product to pull it by, and its others.
func names(aliases, product string) (name string, others []string) {
	for alias := range strings.SplitSeq(aliases, ",") {
		alias = strings.TrimSuffix(strings.TrimSpace(alias), "/default")
		if alias != "" && !slices.Contains(others, alias) && len(others) < 20 {
			others = append(others, alias)
		}
	}
	if len(others) == 0 {
		return product, nil
	}
	slices.SortFunc(others, func(a, b string) int { return cmp.Or(len(a)-len(b), strings.Compare(a, b)) })
	return others[0], others[1:]
}

// isOffer is what the child leaves in, and the agent asks again.
func isOffer(o inventory.RemoteImage) bool {
	ok := o.Image != "" && isPlain(o.Image) && isPlain(o.Product) && isPlain(o.Version) && o.Size >= 0 && len(o.Aliases) < 20
	for _, alias := range o.Aliases {
		ok = ok && isPlain(alias)
	}
	return ok
}

// named reports whether a product goes by an alias: one of its list, with /default left out as
// people do, or its own name.
func named(name string, p product, alias string) bool {
	for own := range strings.SplitSeq(p.Aliases, ",") {
		own = strings.TrimSpace(own)
		if own == alias || own == alias+"/default" {
			return true
		}
	}
	return name == alias
}

// The kinds of files, best first: Incus' names and LXD's for the same.
var (
	metadataKinds = []string{"incus.tar.xz", "lxd.tar.xz"}
	rootKinds     = []string{"squashfs", "root.tar.xz", "root.tar.gz"}
	wholeKinds    = []string{"incus_combined.tar.gz", "lxd_combined.tar.gz"}
)

// pair picks the files of a version: metadata and root, or both in one; nil if there are none.
func pair(v version) []File {
	metadata, hasMetadata := pick(v, metadataKinds)
	root, hasRoot := pick(v, rootKinds)
	if hasMetadata && hasRoot {
		return []File{metadata, root}
	}
	if whole, ok := pick(v, wholeKinds); ok {
		return []File{whole}
	}
	return nil
}

func pick(v version, kinds []string) (File, bool) {
	for _, kind := range kinds {
		for _, i := range v.Items {
			if i.Kind == kind {
				return File{i.Path, i.Size, strings.ToLower(i.SHA256)}, true
			}
		}
	}
	return File{}, false
}

// check reports whether the files can be asked for: below the remote, of a size that is taken, with
// a hash. It is called by the child, and by the agent again.
func (f *Found) check(most int64) error {
	total := int64(0)
	for _, file := range f.Files {
		if err := checkPath(file.Path); err != nil {
			return err
		}
		if len(file.SHA256) != 64 || strings.Trim(file.SHA256, "0123456789abcdef") != "" {
			return refuse("the server names no SHA-256 of %.80q; without it nothing can be checked", file.Path)
		}
		if file.Size <= 0 || file.Size > most-total {
			return refuse("the server says that %.80q has %d bytes; at most %d are taken", file.Path, file.Size, most)
		}
		total += file.Size
	}
	if len(f.Files) == 0 || len(f.Files) > 2 || !isPlain(f.Product) || !isPlain(f.Version) {
		return refuse("the server's image has a form it can't have")
	}
	return nil
}

func isPlain(s string) bool {
	return len(s) <= 256 && inventory.CheckLine("", s) == nil
}

// checkPath refuses paths that lead out of the remote's folder, or to another server.
func checkPath(p string) error {
	u, err := url.Parse(p)
	if err != nil || p == "" || len(p) > 1024 || u.IsAbs() || u.Host != "" || u.RawQuery != "" || u.Fragment != "" ||
		strings.HasPrefix(p, "/") || path.Clean(p) != p || strings.HasPrefix(p, "..") || strings.ContainsAny(p, "\\\r\n\x00") {
		return refuse("the server names the path %.80q, which lies outside of the remote", p)
	}
	return nil
}

// machineNames maps Go's names of machines to those of simplestreams, which are Debian's.
var machineNames = map[string]string{"386": "i386", "arm": "armhf", "ppc64le": "ppc64el"}

func refuse(format string, args ...any) error {
	return inventory.Errorf(inventory.ErrInvalid, format, args...)
}
