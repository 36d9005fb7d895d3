package inventory

import "time"

// A Secret is a value the agent keeps for what it does, sealed by the host key, and shows nobody.
type Secret struct {
	Name   string
	Note   string
	Sealed string // base64 of an age file (age-encryption.org/v1)
	Uses   []SecretUse

	Revision  int64 // grows by one with every new value
	UpdatedBy string
	CreatedAt time.Time
	UpdatedAt time.Time
}

// A SecretUse is something that has read a secret.
type SecretUse struct {
	By   string    `json:"by"`
	Last time.Time `json:"last"`
}

// MaxSecret is the most bytes of a value: a certificate chain with its key fits.
const MaxSecret = 64 << 10

// SecretArgs are the parameters of secret.set. The door seals the value before anything else sees it.
type SecretArgs struct {
	Name   string  `json:"name"`
	Note   *string `json:"note,omitempty"`
	Sealed string  `json:"sealed"`
}

// SecretNameArgs are the parameters of secret.delete.
type SecretNameArgs struct {
	Name string `json:"name"`
}

// SecretRotateArgs are the parameters of secret.rotate: none.
type SecretRotateArgs struct{}
