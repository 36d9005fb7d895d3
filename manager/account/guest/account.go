package guest

import (
	"fmt"
	"strings"

	"lodge/inventory"
)

// An Account is one that Lodge has, or wants, in a container.
type Account struct {
	Name string `json:"name"`
	UID  int    `json:"uid"` // and the gid of its own group
	// Known says that Lodge made it in this very container, or began to.
	Known bool `json:"known,omitempty"`
}

// State is what the container has of an account.
type State string

const (
	StateMissing State = "missing" // or in part: there is something to make
	StateOpen    State = "open"
	StateLocked  State = "locked"
	StateForeign State = "foreign" // the name is an account's that Lodge did not make
)

// A Reply is what lodge-lxc account prints: the state there was before, and an error with its kind.
type Reply struct {
	State State  `json:"state,omitempty"`
	Error string `json:"error,omitempty"`
	Kind  string `json:"kind,omitempty"`
}

// The files, in the order they are written in: who is in passwd is in the others.
const (
	group = iota
	gshadow
	shadow
	passwd
	files
)

var fileNames = [files]string{"group", "gshadow", "shadow", "passwd"}

// The tables of a container.
type tables [files]table

const (
	comment      = "made by Lodge"
	fieldShell   = 6
	shadowFields = 9
	expires      = 7 // field of shadow(5): days since 1970
	longAgo      = "1"
)

func (a Account) home() string { return "/home/" + a.Name }

// ours returns the account's line of passwd.
func (t *tables) ours(a Account) (line entry, ok bool) {
	named := t[passwd].named(a.Name)
	if !a.Known || len(named) != 1 || !isNumber([]byte(named[0].field(2)), a.UID) {
		return entry{}, false
	}
	return named[0], true
}

// look says what there is of an account. Where it can't be made, the error says why.
func (t *tables) look(a Account) (State, error) {
	_, ours := t.ours(a)
	switch {
	case ours && t.isLocked(a):
		return StateLocked, nil
	case ours:
		return StateOpen, nil
	case len(t[passwd].named(a.Name)) > 0:
		return StateForeign, inventory.Errorf(inventory.ErrExists,
			"the container has an account %s that Lodge did not make and does not take over; who means that one logs in as it by name", a.Name)
	}
	return StateMissing, t.checkFree(a)
}

// checkFree refuses what would give somebody's files or rights to the new account.
func (t *tables) checkFree(a Account) error {
	taken := func(format string, args ...any) error {
		return inventory.Errorf(inventory.ErrState, "account %s can't be made: "+format+"; nothing was changed", append([]any{a.Name}, args...)...)
	}
	if others := t[passwd].numbered(a.UID); len(others) > 0 {
		return taken("the container gives uid %d to %.40q", a.UID, others[0].field(0))
	}
	for _, g := range t[group].numbered(a.UID) {
		if g.field(0) != a.Name || !a.Known {
			return taken("the container gives gid %d to group %.40q", a.UID, g.field(0))
		}
	}
	for _, g := range t[group].named(a.Name) {
		if !a.Known || !isNumber([]byte(g.field(2)), a.UID) {
			return taken("the container has a group %s that Lodge did not make", a.Name)
		}
	}
	if !a.Known && (len(t[shadow].named(a.Name)) > 0 || len(t[gshadow].named(a.Name)) > 0) {
		return taken("the container keeps a password for that name")
	}
	return nil
}

// isLocked looks for what lock has written. A guest's own lock, a password that begins with !, is its own.
func (t *tables) isLocked(a Account) bool {
	if !t[shadow].there {
		line, ok := t.ours(a)
		return ok && strings.HasPrefix(line.field(1), "!")
	}
	line := t[shadow].named(a.Name)
	return len(line) > 0 && strings.HasPrefix(line[0].field(1), "!") && line[0].field(expires) == longAgo
}

// make adds what is missing of an account, and takes the lock off. look has found that it may.
func (t *tables) make(a Account, shell string) {
	password := "x"
	if !t[shadow].there {
		password = "*"
	}
	if len(t[passwd].named(a.Name)) == 0 {
		t[passwd] = t[passwd].add(fmt.Sprintf("%s:%s:%d:%d:%s:%s:%s", a.Name, password, a.UID, a.UID, comment, a.home(), shell))
	}
	if len(t[group].named(a.Name)) == 0 && len(t[group].numbered(a.UID)) == 0 {
		t[group] = t[group].add(fmt.Sprintf("%s:x:%d:", a.Name, a.UID))
	}
	if t[gshadow].there && len(t[gshadow].named(a.Name)) == 0 {
		t[gshadow] = t[gshadow].add(a.Name + ":!::")
	}
	// No password fits "*". A "!" in its place would have sshd(8) refuse keys, too.
	if t[shadow].there && len(t[shadow].named(a.Name)) == 0 {
		t[shadow] = t[shadow].add(a.Name + ":*::0:99999:7:::")
	}
	if t.isLocked(a) {
		t.unlock(a)
	}
}

func (t *tables) unlock(a Account) {
	if !t[shadow].there {
		line, _ := t.ours(a)
		t[passwd] = t[passwd].set(line, 0, map[int]string{1: strings.TrimPrefix(line.field(1), "!")})
		return
	}
	line := t[shadow].named(a.Name)[0]
	t[shadow] = t[shadow].set(line, shadowFields, map[int]string{1: strings.TrimPrefix(line.field(1), "!"), expires: ""})
}

// lock shuts an account that is ours: no password fits, and who asks PAM or sshd is told that it has
// expired (shadow(5)). Its files and its shell stay.
func (t *tables) lock(a Account) {
	line, ok := t.ours(a)
	if !ok || t.isLocked(a) {
		return
	}
	if !t[shadow].there {
		t[passwd] = t[passwd].set(line, 0, map[int]string{1: barred(line.field(1))})
		return
	}
	if len(t[shadow].named(a.Name)) == 0 {
		t[shadow] = t[shadow].add(a.Name + ":!*::0:99999:7::1:")
		return
	}
	kept := t[shadow].named(a.Name)[0]
	t[shadow] = t[shadow].set(kept, shadowFields, map[int]string{1: barred(kept.field(1)), expires: longAgo})
}

// barred is a password that fits no more, and can be had back (usermod(8) -L). An empty one let everybody in.
func barred(password string) string {
	if password == "" || password == "x" {
		password = "*"
	}
	return "!" + password
}
