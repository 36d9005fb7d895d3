package inventory

import (
	"bytes"
	"encoding/json"
	"io"
)

// DecodeArgs reads the parameters of a verb: exactly one JSON object without unknown fields. Empty input is the empty
// object: every field not given.
func DecodeArgs(raw json.RawMessage, into any) error {
	if len(bytes.TrimSpace(raw)) == 0 {
		return nil
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return Errorf(ErrInvalid, "the parameters can't be read: %v", err)
	}
	if _, err := d.Token(); err != io.EOF {
		return Errorf(ErrInvalid, "the parameters are followed by something else")
	}
	return nil
}
