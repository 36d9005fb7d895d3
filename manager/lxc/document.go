package lxc

import (
	"errors"
	"os"
	"path/filepath"
	"strings"

	"lodge/inventory"
)

// configHeader begins every configuration this package writes.
const configHeader = `# Made by Lodge from its inventory and written anew before each start: edits are lost.
# Change the container with 'lodge set' instead.
`

// A document collects the lines of a liblxc configuration (lxc.container.conf(5)). The first value
// that can't stand in a line makes the whole document an error, so that no string from outside can
// add a line of its own.
type document struct {
	text strings.Builder
	err  error
}

// set adds "key = value". An empty value clears what the key held so far.
func (d *document) set(key, value string) {
	// liblxc strips quotes around a value and blanks at its ends, so such a value would not be
	// what was meant.
	if strings.ContainsFunc(value, isControl) || strings.TrimSpace(value) != value ||
		strings.HasPrefix(value, `"`) || strings.HasPrefix(value, "'") {
		d.err = errors.Join(d.err, inventory.Errorf(inventory.ErrInvalid,
			"%s can't be %q: it has to be one plain line", key, value))
		return
	}
	d.text.WriteString(key + " = " + value + "\n")
}

func isControl(r rune) bool { return r < ' ' || r == 0x7f }

// path adds a key whose value is a path of the host, which must be absolute.
func (d *document) path(key, prefix, path string) {
	if d.isPath(key, path) {
		d.set(key, prefix+path)
	}
}

// isPath reports whether path is an absolute one; if not there will be no document.
func (d *document) isPath(key, path string) bool {
	if filepath.IsAbs(path) && filepath.Clean(path) == path && !strings.ContainsFunc(path, isControl) {
		return true
	}
	d.err = errors.Join(d.err, inventory.Errorf(inventory.ErrInvalid,
		"%s can't be %q: it has to be an absolute path", key, path))
	return false
}

// bytes returns the document, or why there is none.
func (d *document) bytes() ([]byte, error) {
	if d.err != nil {
		return nil, d.err
	}
	return []byte(configHeader + d.text.String()), nil
}

// configValue returns the last value of a key in a configuration this package wrote.
func configValue(text []byte, key string) string {
	value := ""
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, key+" = "); ok {
			value = strings.TrimSpace(rest)
		}
	}
	return value
}

// writeFile replaces path so that a reader sees the old content or the new. The mode is 0600 from
// the first byte. It is not synced: everything written this way can be made again.
func writeFile(path string, content []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
	}
	return err
}
