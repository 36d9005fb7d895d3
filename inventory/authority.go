package inventory

import (
	"maps"
	"slices"
	"strings"
	"time"
)

// An Authority is a key of somebody outside whose SSH certificates tell who those it is trusted for are, as
// their own keys do. It tells nothing about anybody else.
type Authority struct {
	ID   AuthorityID
	Name string
	Key  SSHKey
	// For are those it may speak of, groups with all who are in them then.
	For []GroupMember
	// Principals are users by what its certificates call them. A principal that is not here is a user's name.
	Principals map[string]UserID

	Reason    string
	CreatedBy string
	CreatedAt time.Time
}

// AuthorityArgs are the parameters of authority.add and authority.remove.
type AuthorityArgs struct {
	Name       string            `json:"name" maxLength:"64" doc:"What people call it: a-z, 0-9 and . _ - between."`
	Key        string            `json:"key,omitempty" maxLength:"8192" doc:"Of authority.add: the public key that signs, as in a .pub file."`
	For        []string          `json:"for,omitempty" doc:"Of authority.add: the users and groups it may speak of."`
	Principals map[string]string `json:"principals,omitempty" doc:"Of authority.add: users by what its certificates call them, where that is not their name."`
}

// principalsMost bounds the principals an authority's certificates are known by.
const principalsMost = 1000

// CheckPrincipal reports whether a principal of a certificate can be one user's: it is not empty, and no list
// or pattern of them (CVE-2026-35414).
func CheckPrincipal(principal string) error {
	if principal == "" || len(principal) > 200 || strings.ContainsAny(principal, ",*?! \t\r\n\x00") {
		return Errorf(ErrInvalid, "%.60q can't be a principal: it is empty, too long, or holds a space, comma or wildcard", principal)
	}
	return CheckLine("the principal", principal)
}

// Of makes the authority of the parameters; d knows who there is.
func (a AuthorityArgs) Of(d *Directory) (out Authority, err error) {
	if err := CheckAccountName("the authority", a.Name); err != nil {
		return out, err
	}
	out.Name = a.Name
	if out.Key, err = ParseSSHKey(a.Key); err != nil {
		return out, err
	}
	if len(a.For) == 0 {
		return out, Errorf(ErrInvalid, "say whom %s may speak of: users or groups", a.Name)
	}
	for _, name := range a.For {
		m, ok := d.Named(name)
		if !ok {
			return out, Errorf(ErrNotFound, "there is no user or group %s", name)
		}
		if !slices.Contains(out.For, m) {
			out.For = append(out.For, m)
		}
	}
	if len(a.Principals) > principalsMost {
		return out, Errorf(ErrQuota, "%d principals are named; %d is the most", len(a.Principals), principalsMost)
	}
	out.Principals = map[string]UserID{}
	for _, principal := range slices.Sorted(maps.Keys(a.Principals)) {
		if err := CheckPrincipal(principal); err != nil {
			return out, err
		}
		m, _ := d.Named(a.Principals[principal])
		if m.User == "" {
			return out, Errorf(ErrNotFound, "there is no user %s to be called %s", a.Principals[principal], principal)
		}
		out.Principals[principal] = m.User
	}
	return out, nil
}

// Trusting returns the directory with authorities from outside.
func (d *Directory) Trusting(all []Authority) *Directory {
	out := *d
	out.authorities = all
	return &out
}

// Authorities are all from outside, by name.
func (d *Directory) Authorities() []Authority { return slices.Clone(d.authorities) }

// authority finds one by its key's fingerprint. One whose key is revoked is none.
func (d *Directory) authority(fingerprint string) (a Authority, ok bool) {
	i := slices.IndexFunc(d.authorities, func(a Authority) bool { return a.Key.Fingerprint == fingerprint })
	if _, revoked := d.revoked.Keys[fingerprint]; i < 0 || revoked {
		return a, false
	}
	return d.authorities[i], true
}

// Vouches reports whether the authority with that key may speak of a user.
func (d *Directory) Vouches(fingerprint string, user UserID) bool {
	a, ok := d.authority(fingerprint)
	h := d.holds[user]
	if !ok || h == nil {
		return false
	}
	return slices.ContainsFunc(a.For, func(m GroupMember) bool {
		g, known := d.groups[m.Group]
		return m.User == user || known && slices.Contains(h.names[1:], g.Name)
	})
}

// UserOfPrincipals returns the one user that the principals of a certificate of an authority mean, whom it may
// speak of. Principals that mean nobody are passed over; two users are nobody.
func (d *Directory) UserOfPrincipals(fingerprint string, principals []string) (u User, ok bool) {
	a, _ := d.authority(fingerprint)
	for _, principal := range principals {
		id, mapped := a.Principals[principal]
		if !mapped {
			id = d.byName[principal].User
		}
		found, known := d.User(id)
		switch {
		case !known:
		case ok && found.ID != u.ID:
			return User{}, false
		default:
			u, ok = found, true
		}
	}
	return u, ok && d.Vouches(fingerprint, u.ID)
}
