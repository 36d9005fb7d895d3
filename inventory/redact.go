package inventory

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"time"
)

// secretArgs are parameters whose values are secrets or too long for a journal that is kept for
// years and handed to outsiders.
var secretArgs = []string{"ssh_keys", "env", "command", "sealed"}

// WithoutUserData puts the SHA-256 of a cloud-init document in its place: it tells which document was
// meant, and people put passwords into them. What is hashed already stays as it is.
func WithoutUserData(args json.RawMessage) json.RawMessage {
	if !bytes.Contains(args, []byte(`"user_data"`)) {
		return args
	}
	var fields map[string]json.RawMessage
	if json.Unmarshal(args, &fields) != nil {
		return nil
	}
	hashUserData(fields)
	raw, _ := json.Marshal(fields) // a map of valid RawMessages can't fail
	return raw
}

const hashed = "sha256:"

func hashUserData(fields map[string]json.RawMessage) {
	raw, ok := fields["user_data"]
	if !ok {
		return
	}
	var text string
	if json.Unmarshal(raw, &text) != nil {
		text = string(raw)
	}
	if text == "" || len(text) == len(hashed)+2*sha256.Size && text[:len(hashed)] == hashed {
		return
	}
	sum := sha256.Sum256([]byte(text))
	fields["user_data"] = json.RawMessage(`"` + hashed + hex.EncodeToString(sum[:]) + `"`)
}

// RecordArgs returns the parameters as the audit journal may hold them.
func RecordArgs(args json.RawMessage) json.RawMessage {
	var fields map[string]json.RawMessage
	if json.Unmarshal(args, &fields) != nil {
		return nil
	}
	hashUserData(fields)
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
	facts := map[string]any{
		"name": c.Name, "project": c.Project, "owner": c.Owner, "purpose": c.Purpose,
		"environment": c.Environment, "image_digest": c.ImageDigest, "settings": c.Settings,
		"labels": c.Labels, "intent": c.Intent, "revision": c.Revision, "nics": c.NICs,
	}
	for name, end := range map[string]time.Time{"expires_at": c.ExpiresAt, "run_until": c.RunUntil} {
		if !end.IsZero() {
			facts[name] = end.UTC()
		}
	}
	raw, _ := json.Marshal(facts)
	return raw
}
