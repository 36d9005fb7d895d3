package gate

import (
	"bytes"
	"encoding/json"
	"io"

	"lodge/inventory"
)

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
