package container

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"

	"gopkg.in/yaml.v3"

	"lodge/inventory"
)

// copyName is the file beside the container's LXC configuration that holds the desired state: a
// copy with its revision, read by nothing but recovery.
const copyName = "container.yaml"

// writeCopy replaces the copy atomically. The folder exists: the runtime made it.
func (s *Service) writeCopy(c *inventory.Container) error {
	raw, err := marshalCopy(c)
	if err != nil {
		return err
	}
	path := filepath.Join(s.LXCPath, c.LXCName(), copyName)
	if old, err := os.ReadFile(path); err == nil && bytes.Equal(old, raw) {
		return nil
	}
	// No fsync: the copy is rebuilt from the database at every change and at every start of the
	// agent; it has to be whole, not newest.
	tmp := path + ".new"
	if err := os.WriteFile(tmp, raw, 0o600); err != nil {
		return err
	}
	return os.Rename(tmp, path)
}

// marshalCopy writes the container as YAML with the field names of the API.
func marshalCopy(c *inventory.Container) ([]byte, error) {
	raw, err := json.Marshal(c)
	if err != nil {
		return nil, err
	}
	var fields map[string]any
	if err := json.Unmarshal(raw, &fields); err != nil {
		return nil, err
	}
	return yaml.Marshal(map[string]any{"format": 1, "container": fields})
}
