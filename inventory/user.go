package inventory

import (
	"slices"
	"strings"
	"time"
)

// A User is one person, or one program that acts by itself. The name is for people; what others keep
// is the id, which is never given again.
type User struct {
	ID       UserID
	Name     string
	Note     string
	UIDs     []uint32 // of this host, that are them; sorted
	Keys     []SSHKey // sorted by fingerprint
	Disabled time.Time

	CreatedAt time.Time
}

// IsDisabled reports whether nothing may be done as them, in whatever way.
func (u User) IsDisabled() bool { return !u.Disabled.IsZero() }

// A Group is users, and other groups with theirs.
type Group struct {
	ID      GroupID
	Name    string
	Note    string
	Members []GroupMember // users first, then by id

	CreatedAt time.Time
}

// A GroupMember is a user or a group: one of the two is set.
type GroupMember struct {
	User  UserID  `json:"user,omitempty"`
	Group GroupID `json:"group,omitempty"`
}

// reservedNames are what is called so already: uid 0, the agent, the Unix group, and who nobody knows.
var reservedNames = []string{RootName, "lodged", "lodge", "nobody", "restart policy", "host", "me"}

// maxAccountName is Linux's own bound on names (useradd(8)) with room for names from elsewhere.
const maxAccountName = 64

// CheckAccountName reports whether a user or group may be called so. Users and groups share their
// names, since either may own a container. What is the thing being named.
func CheckAccountName(what, name string) error {
	switch {
	case name == "" || len(name) > maxAccountName:
		return Errorf(ErrInvalid, "%s needs a name of 1 to %d characters", what, maxAccountName)
	case slices.Contains(reservedNames, name):
		return Errorf(ErrInvalid, "%s can't be called %s: that is somebody already", what, name)
	case IsID(name):
		return Errorf(ErrInvalid, "%s name %q looks like an id; choose a name of words", what, name)
	case name[0] == '-' || name[0] == '.':
		return Errorf(ErrInvalid, "%s name %q may not begin with %c", what, name, name[0])
	}
	for _, c := range []byte(name) {
		if !(c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || strings.IndexByte("._-", c) >= 0) {
			return Errorf(ErrInvalid, "%s name %q may hold only a-z, 0-9, and . _ - between them", what, name)
		}
	}
	return nil
}

// MostUID is the highest uid of this host that can be a user's: above are those of containers.
const MostUID = 999_999

// CheckUID reports whether a uid of this host may be a user's. Root is nobody in particular: it can
// do anything here whatever Lodge says, so its socket stays for emergencies and is flagged.
func CheckUID(uid uint32) error {
	if uid == 0 {
		return Errorf(ErrInvalid, "uid 0 is nobody in particular: link the uid they sign in with")
	}
	if uid > MostUID {
		return Errorf(ErrInvalid, "uid %d is in the range of containers; a user's is at most %d", uid, MostUID)
	}
	return nil
}
