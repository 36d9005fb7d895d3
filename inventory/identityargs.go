package inventory

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// UserArgs are the parameters of user.create and user.update.
type UserArgs struct {
	Name   string   `json:"name,omitempty" doc:"What people call them: a-z, 0-9 and . _ - between."`
	Note   *string  `json:"note,omitempty" doc:"Who they are, in a line."`
	Link   []uint32 `json:"link,omitempty" doc:"Uids of this host that are them."`
	Unlink []uint32 `json:"unlink,omitempty" doc:"Uids of this host that are them no more."`
}

// AccountArgs are the parameters of user.disable, user.enable, user.delete and group.delete.
type AccountArgs struct {
	Name string `json:"name"`
}

// GroupArgs are the parameters of group.create and group.update.
type GroupArgs struct {
	Name   string   `json:"name,omitempty" doc:"What people call it; no user may be called so."`
	Note   *string  `json:"note,omitempty" doc:"What it is for, in a line."`
	Add    []string `json:"add,omitempty" doc:"Users and groups to take in."`
	Remove []string `json:"remove,omitempty" doc:"Users and groups to let go."`
}

// KeyArgs are the parameters of key.add and key.remove.
type KeyArgs struct {
	User        string `json:"user,omitempty" doc:"Whose key it is; the caller's when empty."`
	Key         string `json:"key,omitempty" doc:"The line of a .pub file."`
	Fingerprint string `json:"fingerprint,omitempty" doc:"SHA256:..., of key.remove."`
}

func setNote(to *string, note *string) error {
	if note == nil {
		return nil
	}
	*to = strings.TrimSpace(*note)
	return CheckLine("the note", *to)
}

// Apply puts the parameters over u.
func (a UserArgs) Apply(u *User) error {
	if err := setNote(&u.Note, a.Note); err != nil {
		return err
	}
	uids := slices.Clone(u.UIDs)
	for _, uid := range a.Link {
		if err := CheckUID(uid); err != nil {
			return err
		}
		uids = append(uids, uid)
	}
	uids = slices.DeleteFunc(uids, func(uid uint32) bool { return slices.Contains(a.Unlink, uid) })
	slices.Sort(uids)
	u.UIDs = slices.Compact(uids)
	return nil
}

// Apply puts the parameters over g; d knows its members' names.
func (a GroupArgs) Apply(g *Group, d *Directory) error {
	if err := setNote(&g.Note, a.Note); err != nil {
		return err
	}
	members := slices.Clone(g.Members)
	for _, name := range a.Add {
		m, ok := d.Named(name)
		if !ok {
			return Errorf(ErrNotFound, "there is no user or group %s", name)
		}
		members = append(members, m)
	}
	for _, name := range a.Remove {
		m, ok := d.Named(name)
		if i := slices.Index(members, m); ok && i >= 0 {
			members = slices.Delete(members, i, i+1)
			continue
		}
		return Errorf(ErrNotFound, "%s is no member of %s", name, cmp.Or(g.Name, a.Name))
	}
	slices.SortFunc(members, func(a, b GroupMember) int {
		return cmp.Or(cmp.Compare(b.User, a.User), cmp.Compare(a.Group, b.Group))
	})
	g.Members = slices.Compact(members)
	return nil
}

// RoleArgs are the parameters of role.grant and role.revoke.
type RoleArgs struct {
	Role    string `json:"role,omitempty" enum:"viewer,operator,owner,approver,auditor,admin"`
	To      string `json:"to,omitempty" doc:"The user or group."`
	On      string `json:"on,omitempty" doc:"host, project:NAME, container:NAME or selector:FILTER, whose fields are label.KEY, env, class, project and name." example:"project:shop"`
	Expires string `json:"expires,omitempty" doc:"A duration after which it holds no more."`
}

// TokenArgs are the parameters of token.create.
type TokenArgs struct {
	Name    string   `json:"name" doc:"Unique among its user's."`
	User    string   `json:"user,omitempty" doc:"Whom it acts as; the caller when empty."`
	Rights  []string `json:"rights,omitempty" doc:"What it may at most."`
	Role    string   `json:"role,omitempty" doc:"The rights of this role, in place of a list; as far as a token may have them."`
	On      string   `json:"on,omitempty" doc:"Where; everywhere its user may when empty." example:"project:shop"`
	Expires string   `json:"expires,omitempty" doc:"A duration after which it opens nothing; 90 days when empty."`
	// Hash lets whoever makes a token keep its secret to themselves.
	Hash string `json:"hash" doc:"SHA-256 of the secret, in hexadecimal. Make the secret of 32 random bytes or more; it is shown to nobody again."`
}

// TokenRevokeArgs are the parameters of token.revoke.
type TokenRevokeArgs struct {
	Name string `json:"name"`
	User string `json:"user,omitempty" doc:"Whose it is; the caller when empty."`
}

// TokenLifetime is how long a token opens something that was made without a time.
const TokenLifetime = 90 * 24 * time.Hour

// Until returns when a duration of the parameters is over, counted from now; zero for none.
func Until(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	d, err := ParseDuration(text)
	if err == nil && d <= 0 {
		err = Errorf(ErrInvalid, "%s is no time ahead", text)
	}
	return now.Add(d).UTC(), err
}
