package inventory

import "time"

// The uids Lodge gives in containers, one per user and the same in all of them. Programs inside give
// 1000 to 60000 (login.defs(5)), and systemd 60001 to 60577 and, to services as they start, 61184 to
// 65519 (its UIDS-GIDS): the first 584 users have uids nobody else gives.
const (
	FirstUnixUID = 60600
	LastUnixUID  = 65000
)

// UnixAccountState says how far Lodge has come with an account.
type UnixAccountState string

const (
	UnixAccountMaking UnixAccountState = "making" // it may be there in part
	UnixAccountOpen   UnixAccountState = "open"
	UnixAccountLocked UnixAccountState = "locked" // or gone: what the container has of it is not Lodge's
)

// A UnixAccount is an account that Lodge made in a container for a user. What has no such row of this
// container Lodge did not make, whatever the container says.
type UnixAccount struct {
	Container ContainerID
	User      UserID
	Name      string
	UID       int
	State     UnixAccountState
	CreatedAt time.Time
	ChangedAt time.Time
}

// maxUnixName is Linux's bound on the names of accounts (useradd(8)).
const maxUnixName = 32

// CheckUnixName reports whether an account inside may be asked for by this name. What begins with a dash
// would be an option to programs inside.
func CheckUnixName(name string) error {
	bad := name == "" || len(name) > maxUnixName || name[0] == '-' || name[0] >= '0' && name[0] <= '9'
	for _, c := range []byte(name) {
		bad = bad || !(c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '_' || c == '-')
	}
	if bad {
		return Errorf(ErrInvalid,
			"%.40q can't be an account; one has 1 to %d of a-z, 0-9, _ and -, and begins with a letter or _", name, maxUnixName)
	}
	return nil
}
