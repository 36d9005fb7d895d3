package inventory

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"time"
)

// Named identifiers, so that one can't be passed for another. All are UUIDs of version 7
// (RFC 9562, 5.7): they sort by the time they were made.
type (
	ContainerID string
	OperationID string
	HostID      string
	SessionID   string
	ChangeID    string
	DeadlineID  string
	UserID      string
	GroupID     string
	TokenID     string
	BindingID   string
	AuthorityID string
)

// NewID returns a fresh UUIDv7 for the given instant.
func NewID(now time.Time) string {
	var b [16]byte
	rand.Read(b[6:])
	var ms [8]byte
	binary.BigEndian.PutUint64(ms[:], uint64(now.UnixMilli()))
	copy(b[:6], ms[2:])
	b[6] = b[6]&0x0f | 0x70
	b[8] = b[8]&0x3f | 0x80
	h := hex.EncodeToString(b[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

// IsID reports whether s has the shape of an identifier, as opposed to a name.
func IsID(s string) bool {
	if len(s) != 36 || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
		return false
	}
	_, err := hex.DecodeString(s[:8] + s[9:13] + s[14:18] + s[19:23] + s[24:])
	return err == nil
}

// Short returns the last ten hexadecimal digits: all random, so they name host-side things whose
// length the kernel limits (a network interface has 15 characters: if_nametoindex(3), IFNAMSIZ).
func (id ContainerID) Short() string {
	if len(id) < 10 {
		return string(id)
	}
	return string(id[len(id)-10:])
}
