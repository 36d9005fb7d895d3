package client

import (
	"context"
	"net/url"

	"lodge/inventory"
	"lodge/web/wire"
)

// Users returns those the caller may see, by name.
func (c *Client) Users(ctx context.Context) ([]wire.User, error) {
	return all[wire.User](ctx, c, "/users", nil)
}

// CreateUser makes a user.
func (c *Client) CreateUser(ctx context.Context, args inventory.UserArgs, o Options) (Answer, error) {
	return c.mutate(ctx, request{method: "POST", path: "/users", body: args}, o)
}

// UpdateUser changes what is known of a user.
func (c *Client) UpdateUser(ctx context.Context, name string, args inventory.UserArgs, o Options) (Answer, error) {
	return c.mutate(ctx, request{method: "PATCH", path: "/users/" + segment(name), body: args}, o)
}

// DisableUser lets a user do nothing more and ends their sessions.
func (c *Client) DisableUser(ctx context.Context, name string, o Options) (Answer, error) {
	return c.mutate(ctx, request{method: "POST", path: "/users/" + segment(name) + "/disable"}, o)
}

// EnableUser lets a disabled user in again.
func (c *Client) EnableUser(ctx context.Context, name string, o Options) (Answer, error) {
	return c.mutate(ctx, request{method: "POST", path: "/users/" + segment(name) + "/enable"}, o)
}

// DeleteUser removes a user who owns nothing.
func (c *Client) DeleteUser(ctx context.Context, name string, o Options) (Answer, error) {
	return c.mutate(ctx, request{method: "DELETE", path: "/users/" + segment(name)}, o)
}

// Groups returns those the caller may see, by name.
func (c *Client) Groups(ctx context.Context) ([]wire.Group, error) {
	return all[wire.Group](ctx, c, "/groups", nil)
}

// CreateGroup makes a group.
func (c *Client) CreateGroup(ctx context.Context, args inventory.GroupArgs, o Options) (Answer, error) {
	return c.mutate(ctx, request{method: "POST", path: "/groups", body: args}, o)
}

// UpdateGroup changes a group and its members.
func (c *Client) UpdateGroup(ctx context.Context, name string, args inventory.GroupArgs, o Options) (Answer, error) {
	return c.mutate(ctx, request{method: "PATCH", path: "/groups/" + segment(name), body: args}, o)
}

// DeleteGroup removes a group.
func (c *Client) DeleteGroup(ctx context.Context, name string, o Options) (Answer, error) {
	return c.mutate(ctx, request{method: "DELETE", path: "/groups/" + segment(name)}, o)
}

// Keys returns the SSH keys of a user, or of all the caller may see for "".
func (c *Client) Keys(ctx context.Context, user string) ([]wire.UserKey, error) {
	q := url.Values{}
	set(q, "user", user)
	return all[wire.UserKey](ctx, c, "/keys", q)
}

// AddKey gives a user an SSH key.
func (c *Client) AddKey(ctx context.Context, args inventory.KeyArgs, o Options) (Answer, error) {
	return c.mutate(ctx, request{method: "POST", path: "/keys", body: args}, o)
}

// RemoveKey takes an SSH key from its user, who has to be the named one unless that is "".
func (c *Client) RemoveKey(ctx context.Context, user, fingerprint string, o Options) (Answer, error) {
	q := url.Values{"fingerprint": {fingerprint}}
	set(q, "user", user)
	return c.mutate(ctx, request{method: "DELETE", path: "/keys", query: q}, o)
}

// Roles returns the table of roles.
func (c *Client) Roles(ctx context.Context) ([]wire.Role, error) {
	return all[wire.Role](ctx, c, "/roles", nil)
}

// Bindings returns who was given which role on what: those of one user or group, or of all for "".
func (c *Client) Bindings(ctx context.Context, to string) ([]wire.Binding, error) {
	q := url.Values{}
	set(q, "to", to)
	return all[wire.Binding](ctx, c, "/bindings", q)
}

// Grant gives a user or group a role.
func (c *Client) Grant(ctx context.Context, args inventory.RoleArgs, o Options) (Answer, error) {
	return c.mutate(ctx, request{method: "POST", path: "/bindings", body: args}, o)
}

// Revoke takes a role from a user or group.
func (c *Client) Revoke(ctx context.Context, args inventory.RoleArgs, o Options) (Answer, error) {
	q := url.Values{"role": {args.Role}, "to": {args.To}, "on": {args.On}}
	return c.mutate(ctx, request{method: "DELETE", path: "/bindings", query: q}, o)
}

// Who returns who holds which role on a container, or on the host for an empty reference.
func (c *Client) Who(ctx context.Context, ref inventory.Ref) ([]wire.Holding, error) {
	if ref.Name == "" {
		return all[wire.Holding](ctx, c, "/host/roles", nil)
	}
	q := url.Values{}
	set(q, "project", ref.Project)
	return all[wire.Holding](ctx, c, "/containers/"+segment(ref.Name)+"/roles", q)
}

// Tokens returns the tokens of a user, or of all the caller may see for "".
func (c *Client) Tokens(ctx context.Context, user string) ([]wire.Token, error) {
	q := url.Values{}
	set(q, "user", user)
	return all[wire.Token](ctx, c, "/tokens", q)
}

// CreateToken makes a token of the secret whose hash the parameters have.
func (c *Client) CreateToken(ctx context.Context, args inventory.TokenArgs, o Options) (Answer, error) {
	return c.mutate(ctx, request{method: "POST", path: "/tokens", body: args}, o)
}

// RevokeToken lets a token open nothing any more; user is whose it is, "" for the caller's own.
func (c *Client) RevokeToken(ctx context.Context, user, name string, o Options) (Answer, error) {
	q := url.Values{}
	set(q, "user", user)
	return c.mutate(ctx, request{method: "DELETE", path: "/tokens/" + segment(name), query: q}, o)
}
