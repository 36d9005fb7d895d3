package inventory

// An IdentityEdit is one change of who there is and what they may: what is set is written as a whole,
// in one transaction. A new user, group, binding or token has a fresh id.
type IdentityEdit struct {
	User    *User
	Group   *Group
	Binding *Binding
	Token   *Token

	// What is revoked: certificates there are, and a key for good.
	Revoked    []Certificate
	RevokedKey *RevokedKey

	Authority *Authority

	// What goes: a user with their uids, keys, tokens, memberships and bindings, a group with its own.
	DropUser    UserID
	DropGroup   GroupID
	DropBinding BindingID
	// DropAuthority is trusted no more.
	DropAuthority AuthorityID
}
