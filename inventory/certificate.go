package inventory

import (
	"crypto/sha256"
	"encoding/base64"
	"strconv"
	"strings"
	"time"
)

// A Certificate is one that this host has signed: a key is a user's, for a while.
type Certificate struct {
	Serial      uint64 // never 0, and fits in 63 bits
	KeyID       string // what sshds log: NAME/ID of the user
	User        UserID
	Fingerprint string // of the key it is for
	Principals  []string
	Authority   string // the public key that signed it, "ssh-ed25519 AAAA..."
	From, Until time.Time

	Revoked   time.Time // zero: it is not
	RevokedBy string
	Reason    string
}

// IsRevoked reports whether it was taken back.
func (c Certificate) IsRevoked() bool { return !c.Revoked.IsZero() }

// IsGood reports whether it is in force: its time is now, and it is not revoked.
func (c Certificate) IsGood(now time.Time) bool {
	return !c.IsRevoked() && !now.Before(c.From) && now.Before(c.Until)
}

// A CertificateQuery narrows a list of certificates. A zero field does not narrow it.
type CertificateQuery struct {
	Serial      uint64
	KeyID       string
	User        UserID
	Fingerprint string
	Since       time.Time // only those whose time ends later
}

const (
	// MostCertificates is how many of one user's may be in force at once: 'lodge ssh' asks for one in eight
	// hours on each machine it is used on.
	MostCertificates = 100
	// CertificatesKept is for how long after its time a certificate is listed. The journal has it for good.
	CertificatesKept = 90 * 24 * time.Hour
)

// A RevokedKey is an SSH key that tells nobody any more, in whoever's hands: not as a user's own, and in no
// certificate of whatever authority. That is for good.
type RevokedKey struct {
	Fingerprint string
	User        UserID // whose it was; empty if nobody's
	Reason      string
	By          string
	At          time.Time
}

// CertificateRevokeArgs are the parameters of certificate.revoke; exactly one is set.
type CertificateRevokeArgs struct {
	Serial      string `json:"serial,omitempty" maxLength:"20" doc:"One certificate, by its number."`
	KeyID       string `json:"key_id,omitempty" maxLength:"200" doc:"All in force with this key id."`
	Fingerprint string `json:"fingerprint,omitempty" maxLength:"100" doc:"SHA256:... of a key: it is forbidden for good, by itself and in certificates."`
	User        string `json:"user,omitempty" maxLength:"64" doc:"All of this user's that are in force."`
}

// Subject is what is revoked, in a word.
func (a CertificateRevokeArgs) Subject() string { return a.Serial + a.KeyID + a.Fingerprint + a.User }

// Query is what the parameters ask for; ErrInvalid unless it is exactly one thing. User is by name and not
// part of it.
func (a CertificateRevokeArgs) Query() (q CertificateQuery, err error) {
	set := 0
	for _, s := range []string{a.Serial, a.KeyID, a.Fingerprint, a.User} {
		if s != "" {
			set++
		}
	}
	if set != 1 {
		return q, Errorf(ErrInvalid, "say one thing to revoke: a serial, a key id, a key's fingerprint or a user")
	}
	q.KeyID, q.Fingerprint = a.KeyID, a.Fingerprint
	if a.Fingerprint != "" {
		return q, CheckFingerprint(a.Fingerprint)
	}
	if a.Serial == "" {
		return q, CheckLine("the key id", a.KeyID)
	}
	if q.Serial, err = strconv.ParseUint(a.Serial, 10, 63); err != nil || q.Serial == 0 {
		return q, Errorf(ErrInvalid, "%.40q is no serial of a certificate; 'lodge ssh certs' shows them", a.Serial)
	}
	return q, nil
}

// CheckFingerprint reports whether text is an SSH key's fingerprint as ssh-keygen -l shows it.
func CheckFingerprint(text string) error {
	if _, err := FingerprintSum(text); err != nil {
		return Errorf(ErrInvalid, "%.60q is no fingerprint; 'ssh-keygen -lf FILE.pub' shows it, like SHA256:...", text)
	}
	return nil
}

// FingerprintSum is the SHA-256 a fingerprint is made of.
func FingerprintSum(text string) ([sha256.Size]byte, error) {
	sum, ok := strings.CutPrefix(text, "SHA256:")
	raw, err := base64.RawStdEncoding.Strict().DecodeString(sum)
	if !ok || err != nil || len(raw) != sha256.Size {
		return [sha256.Size]byte{}, ErrInvalid
	}
	return [sha256.Size]byte(raw), nil
}
