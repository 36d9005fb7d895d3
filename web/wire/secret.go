package wire

import (
	"time"

	"lodge/inventory"
)

// A SecretValue is what a secret is set to.
type SecretValue struct {
	Value []byte  `json:"value" doc:"The value, in base64; at most 64 KiB."`
	Note  *string `json:"note,omitempty" doc:"What it is, in a line; as it was when absent."`
}

// A Secret is a value the agent keeps, without the value.
type Secret struct {
	Name      string                `json:"name"`
	Note      string                `json:"note,omitempty"`
	Uses      []inventory.SecretUse `json:"uses" nullable:"false" doc:"Who has read it, and when last."`
	Revision  int64                 `json:"revision" doc:"Grows by one with every new value."`
	UpdatedBy string                `json:"updated_by"`
	CreatedAt time.Time             `json:"created_at"`
	UpdatedAt time.Time             `json:"updated_at"`
}

// FromSecret writes a secret.
func FromSecret(s inventory.Secret) Secret {
	return Secret{Name: s.Name, Note: s.Note, Uses: list(s.Uses), Revision: s.Revision, UpdatedBy: s.UpdatedBy,
		CreatedAt: s.CreatedAt.UTC(), UpdatedAt: s.UpdatedAt.UTC()}
}
