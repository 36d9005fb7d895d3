package recovery

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"gopkg.in/yaml.v3"

	"lodge/inventory"
)

const (
	containerFile = "container.yaml"
	hostFile      = "host.yaml"
	// format is the version of both files. It changes when a reader of the old one could misread it;
	// the rows in a copy have a schema version of their own.
	format = 2
)

// file is the contents of a copy.
type file struct {
	Format int `yaml:"format"`
	// Container is for people: the present state by the API's field names.
	Container map[string]any `yaml:"container,omitempty"`
	Copy      inventory.Copy `yaml:"copy"`
}

// encode makes the file of a copy; c is nil for the host's.
func encode(c *inventory.Container, copied inventory.Copy) ([]byte, error) {
	f := file{Format: format, Copy: copied}
	if c != nil {
		raw, err := json.Marshal(c)
		if err != nil {
			return nil, err
		}
		if err := json.Unmarshal(raw, &f.Container); err != nil {
			return nil, err
		}
	}
	return yaml.Marshal(f)
}

// write replaces a file unless its rows are in it already. It is synced: when it is needed, little
// else may be left.
func write(path string, c *inventory.Container, copied inventory.Copy) error {
	if old, err := read(path); err == nil {
		seen := copied
		seen.Event = old.Event // events go on without anything changing
		if same(old, seen) {
			return nil
		}
	}
	raw, err := encode(c, copied)
	if err != nil {
		return err
	}
	tmp := path + ".new"
	f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(raw)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return errors.Join(err, os.Remove(tmp))
	}
	return os.Rename(tmp, path)
}

func same(a, b inventory.Copy) bool {
	x, errX := yaml.Marshal(a)
	y, errY := yaml.Marshal(b)
	return errX == nil && errY == nil && bytes.Equal(x, y)
}

// read returns the copy in a file.
func read(path string) (inventory.Copy, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return inventory.Copy{}, err
	}
	var f file
	if err := yaml.Unmarshal(raw, &f); err != nil {
		return inventory.Copy{}, inventory.Errorf(inventory.ErrInvalid, "%s is no copy: %v", path, err)
	}
	if f.Format != format {
		return inventory.Copy{}, inventory.Errorf(inventory.ErrInvalid,
			"%s has format %d and this lodged reads %d", path, f.Format, format)
	}
	return f.Copy, nil
}

// Found is what lies on a root.
type Found struct {
	Host       inventory.Copy   // without tables when its file is lost
	Containers []inventory.Copy // sorted by the path of their files
	Paths      []string         // of the containers' files
	Unread     []error          // files that are there and can't be read, a sentence each
}

// Read reads every copy of a root. A root without any is no error.
func Read(root string) (Found, error) {
	var found Found
	host, err := read(filepath.Join(root, hostFile))
	switch {
	case err == nil:
		found.Host = host
	case !errors.Is(err, fs.ErrNotExist):
		found.Unread = append(found.Unread, err)
	}
	paths, err := containerFiles(root)
	for _, path := range paths {
		c, err := read(path)
		if err != nil {
			found.Unread = append(found.Unread, err)
			continue
		}
		found.Containers = append(found.Containers, c)
		found.Paths = append(found.Paths, path)
	}
	return found, err
}

// containerFiles are the paths of all containers' copies, sorted.
func containerFiles(root string) ([]string, error) {
	paths, err := filepath.Glob(filepath.Join(escapeGlob(root), "containers", "*", containerFile))
	slices.Sort(paths)
	return paths, err
}

// escapeGlob keeps a root's name from being taken for a pattern.
func escapeGlob(path string) string {
	var out []rune
	for _, r := range path {
		if r == '*' || r == '?' || r == '[' || r == '\\' {
			out = append(out, '\\')
		}
		out = append(out, r)
	}
	return string(out)
}

// Any reports whether containers' copies lie on a root: then a database that is missing there was
// lost, and an empty one would be a lie.
func Any(root string) (bool, error) {
	paths, err := containerFiles(root)
	return len(paths) > 0, err
}
