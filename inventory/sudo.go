package inventory

import (
	"fmt"
	"strings"
	"time"
)

// SudoPrincipal names who ends sudo when its time is over, or its holder may not go in any more.
const SudoPrincipal = "sudo"

// A SudoGrant lets an account of a container become its root until its end.
type SudoGrant struct {
	ID        OperationID // the operation that gave it
	Container ContainerID
	Account   string    // of the container
	Holder    Principal // whom it is for: it ends when they may not go in any more
	GivenBy   string
	Reason    string
	GivenAt   time.Time
	Until     time.Time
	EndedAt   time.Time // zero while it holds
	EndReason string
}

// IsOver reports whether it ended, or has to.
func (g SudoGrant) IsOver(now time.Time) bool { return !g.EndedAt.IsZero() || !now.Before(g.Until) }

// File is the name of its file in the container's /etc/sudoers.d. sudo leaves out names with a dot
// (sudoers(5), "Including other files from within sudoers"): this has none.
func (g SudoGrant) File() string { return sudoFile + string(g.ID) }

// Candidate is the name of the file while it has not been checked: sudo leaves it out.
func (g SudoGrant) Candidate() string { return g.File() + sudoCandidate }

const (
	sudoFile      = "lodge-"
	sudoCandidate = ".candidate"
)

// IsSudoFile reports whether a grant's file is called so, or its candidate.
func IsSudoFile(name string) bool {
	id, ours := strings.CutPrefix(strings.TrimSuffix(name, sudoCandidate), sudoFile)
	return ours && IsID(id)
}

// Sudoers is the content of its file (sudoers(5)). sudo itself lets it go at its end, to the second, by
// NOTAFTER (sudo 1.8.20): a file that nobody could remove gives nothing any more.
func (g SudoGrant) Sudoers() string {
	until := g.Until.UTC().Truncate(time.Second)
	return fmt.Sprintf("# Given by Lodge until %s, and removed by it then.\n%s ALL=(ALL:ALL) NOTAFTER=%s NOPASSWD: ALL\n",
		until.Format(time.RFC3339), g.Account, until.Format("20060102150405Z"))
}

// maxSudoAccount is Linux's own bound on the names of accounts (useradd(8)).
const maxSudoAccount = 32

// CheckSudoAccount reports whether an account may be named in a line of sudoers: none of what it may
// hold means anything there (sudoers(5): aliases, ALL, %group, #uid, !, quotes and backslashes do).
func CheckSudoAccount(name string) error {
	if name == RootName {
		return Errorf(ErrInvalid, "root needs no sudo; --account names the account that is to have it, --user the user it is for")
	}
	isFirst := func(c byte) bool { return c >= 'a' && c <= 'z' || c == '_' }
	for i := range len(name) {
		c := name[i]
		if !isFirst(c) && (i == 0 || !(c >= '0' && c <= '9' || c == '-' || c == '.')) {
			return Errorf(ErrInvalid, "%.64q can't be an account with sudo: its name may hold a-z, 0-9 and _ - . and begins with a letter or _; "+
				"--account names another", name)
		}
	}
	if name == "" || len(name) > maxSudoAccount {
		return Errorf(ErrInvalid, "an account has a name of 1 to %d characters; --account names it", maxSudoAccount)
	}
	return nil
}

// SudoArgs are the parameters of sudo.grant.
type SudoArgs struct {
	For     string `json:"for" doc:"How long, from when it is given: 30m."`
	User    string `json:"user,omitempty" doc:"Whom it is for; the caller when empty. It ends when they may not go in any more."`
	Account string `json:"account,omitempty" doc:"Of the container; the one called like the user when empty."`
}

// SudoEndArgs are the parameters of sudo.end.
type SudoEndArgs struct {
	Grant   OperationID `json:"grant,omitempty" doc:"Only this one."`
	Account string      `json:"account,omitempty" doc:"Only this account's."`
}

// SudoQuery narrows a list of grants. A zero field does not narrow it.
type SudoQuery struct {
	ID        OperationID
	Container ContainerID
	Open      bool // only those that have not ended
}
