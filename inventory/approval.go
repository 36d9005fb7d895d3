package inventory

import (
	"bytes"
	"encoding/json"
	"time"
)

// ApprovalNamespace is what SSH keys sign approvals for; a signature made for something else is none.
const ApprovalNamespace = "lodge-change@v1"

// An ApprovalMessage is what an approver signs: that they agree to this one plan until then.
type ApprovalMessage struct {
	Approver string    `json:"approver"`
	At       time.Time `json:"at"`
	Change   ChangeID  `json:"change"`
	Digest   string    `json:"digest"`
	Expires  time.Time `json:"expires"`
}

// Canonical is the message's one form in bytes: JSON with sorted keys and no blanks, times in UTC
// and whole seconds.
func (m ApprovalMessage) Canonical() ([]byte, error) {
	m.At, m.Expires = m.At.UTC().Truncate(time.Second), m.Expires.UTC().Truncate(time.Second)
	raw, err := json.Marshal(m)
	if err != nil {
		return nil, err
	}
	return canonical(raw)
}

// ParseApprovalMessage reads a message in its canonical form, and no other.
func ParseApprovalMessage(text string) (m ApprovalMessage, err error) {
	d := json.NewDecoder(bytes.NewReader([]byte(text)))
	d.DisallowUnknownFields()
	if err := d.Decode(&m); err != nil {
		return m, Errorf(ErrInvalid, "what was signed can't be read: %v", err)
	}
	if form, err := m.Canonical(); err != nil || string(form) != text {
		return m, Errorf(ErrInvalid, "what was signed is not written in the one form it has: keys sorted, no blanks, times in UTC and seconds")
	}
	return m, nil
}

// ApprovalRequest is what somebody is asked to sign.
type ApprovalRequest struct {
	Message   string   `json:"message" doc:"The exact bytes to sign: canonical JSON of approver, at, change, digest, expires."`
	Namespace string   `json:"namespace" doc:"What ssh-keygen -Y sign is given with -n."`
	Keys      []string `json:"keys" nullable:"false" doc:"Fingerprints of the caller's registered keys."`
	Required  bool     `json:"required" doc:"The caller's approval has to be signed."`
}
