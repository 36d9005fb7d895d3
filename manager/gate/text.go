package gate

import (
	"bytes"
	"encoding/json"
	"io"
	"strings"

	"lodge/inventory"
)

func join(reasons []string) string {
	if len(reasons) == 0 {
		return "a policy says so"
	}
	return strings.Join(reasons, "; ")
}

func joinStates(states []inventory.State) string {
	words := make([]string, len(states))
	for i, s := range states {
		words[i] = string(s)
	}
	return strings.Join(words, " or ")
}

// secretArgs are parameters whose values are secrets or too long for a journal that is kept for
// years and handed to outsiders.
var secretArgs = []string{"user_data", "ssh_keys", "env", "command"}

// redact returns the parameters as the audit journal may hold them.
func redact(args json.RawMessage) json.RawMessage {
	var fields map[string]json.RawMessage
	if json.Unmarshal(args, &fields) != nil {
		return nil
	}
	for _, name := range secretArgs {
		if _, ok := fields[name]; ok {
			fields[name] = json.RawMessage(`"(not recorded)"`)
		}
	}
	raw, _ := json.Marshal(fields)
	return raw
}

// facts is what the audit journal says of a container's desired state.
func facts(c *inventory.Container) json.RawMessage {
	if c == nil {
		return nil
	}
	raw, _ := json.Marshal(map[string]any{
		"name": c.Name, "project": c.Project, "owner": c.Owner, "purpose": c.Purpose,
		"environment": c.Environment, "image_digest": c.ImageDigest, "settings": c.Settings,
		"labels": c.Labels, "intent": c.Intent, "revision": c.Revision, "nics": c.NICs,
	})
	return raw
}

// decodeStrict reads exactly one JSON object without unknown fields. Empty input is the empty
// object: every field not given.
func decodeStrict(raw json.RawMessage, into any) error {
	if len(bytes.TrimSpace(raw)) == 0 {
		return nil
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return inventory.Errorf(inventory.ErrInvalid, "the parameters can't be read: %v", err)
	}
	if _, err := d.Token(); err != io.EOF {
		return inventory.Errorf(inventory.ErrInvalid, "the parameters are followed by something else")
	}
	return nil
}
