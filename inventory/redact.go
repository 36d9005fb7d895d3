package inventory

import "encoding/json"

// secretArgs are parameters whose values are secrets or too long for a journal that is kept for
// years and handed to outsiders.
var secretArgs = []string{"user_data", "ssh_keys", "env", "command"}

// RecordArgs returns the parameters as the audit journal may hold them.
func RecordArgs(args json.RawMessage) json.RawMessage {
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

// RecordFacts is what the audit journal says of a container's desired state.
func RecordFacts(c *Container) json.RawMessage {
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
