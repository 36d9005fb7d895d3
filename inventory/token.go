package inventory

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
	"time"
)

// A Token lets a program act as a user, within the token's own bounds: it may what its user may at
// that moment and its own Rights and extent allow, and nothing that takes a person.
type Token struct {
	ID     TokenID
	Name   string // unique among its user's
	User   UserID
	Rights []Right
	On     Extent
	// Hash is what TokenHash makes of the secret, which is kept nowhere.
	Hash     string
	Expires  time.Time // zero: never
	LastUsed time.Time // to about a minute; zero: not yet
	Revoked  time.Time // zero: not

	CreatedBy string
	CreatedAt time.Time
}

// IsGood reports whether the token opens anything at that time.
func (t Token) IsGood(now time.Time) bool {
	return t.Revoked.IsZero() && (t.Expires.IsZero() || now.Before(t.Expires))
}

// Allows reports whether the token's own bounds let the right through. Asking at all is in every token.
func (t Token) Allows(right Right, c *Container) bool {
	if right == RightEnter {
		return true
	}
	return right.ForToken() && slices.Contains(t.Rights, right) &&
		(t.On.Holds(c) || c == nil && right == RightCreate)
}

// TokenRights are the rights a token is made with: those of a role, as far as a token may have them,
// or those that are listed, each of which it has to be able to.
func TokenRights(role string, list []string) ([]Right, error) {
	if (role == "") == (len(list) == 0) {
		return nil, Errorf(ErrInvalid, "a token is made with the rights of a role, or with a list of rights")
	}
	var out []Right
	if role != "" {
		r, err := ParseRole(role)
		row, _ := r.Row()
		for _, right := range slices.Concat(row.Rights, row.NotProd) {
			if right.ForToken() {
				out = append(out, right)
			}
		}
		return out, err
	}
	for _, text := range list {
		right := Right(text)
		if !slices.Contains(Rights, right) {
			return nil, Errorf(ErrInvalid, "there is no right %q; 'lodge role show' lists them", text)
		}
		if !right.ForToken() {
			return nil, Errorf(ErrInvalid, "the right %q takes a person; no token has it", text)
		}
		if !slices.Contains(out, right) {
			out = append(out, right)
		}
	}
	return out, nil
}

// tokenPrefix lets people and scanners of leaked secrets know one when they see it.
const tokenPrefix = "lodge_"

// NewTokenSecret returns a fresh secret: 260 bits of randomness (26 characters of base32 carry 130;
// two of them). Whoever makes it shows it once, and sends its hash alone.
func NewTokenSecret() string { return tokenPrefix + rand.Text() + rand.Text() }

// TokenHash is the SHA-256 of a secret in hexadecimal. A slow hash would add nothing: what it is slow
// for is guessing, and 2^256 secrets are not guessed.
func TokenHash(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}

// IsTokenSecret reports whether text has the shape of a secret, before it is looked up.
func IsTokenSecret(text string) bool {
	return strings.HasPrefix(text, tokenPrefix) && len(text) == len(tokenPrefix)+2*26
}

// CheckTokenHash refuses what is no SHA-256 in hexadecimal.
func CheckTokenHash(hash string) error {
	if raw, err := hex.DecodeString(hash); err != nil || len(raw) != sha256.Size {
		return Errorf(ErrInvalid, "a token is made with the SHA-256 of its secret in hexadecimal")
	}
	return nil
}
