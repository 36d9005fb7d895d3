package client

import (
	"context"
	"strconv"

	"lodge/inventory"
	"lodge/web/wire"
)

// Policies returns those in force.
func (c *Client) Policies(ctx context.Context) (inventory.Policies, error) {
	return call[inventory.Policies](ctx, c, request{method: "GET", path: "/policies"})
}

// TestPolicies says what would become of a request.
func (c *Client) TestPolicies(ctx context.Context, q inventory.PolicyQuestion) (inventory.PolicyAnswer, error) {
	return call[inventory.PolicyAnswer](ctx, c, request{method: "POST", path: "/policies/test", body: q})
}

// PolicyVersions returns the versions of the site's policies, the newest first, without their texts.
func (c *Client) PolicyVersions(ctx context.Context) ([]inventory.PolicyVersion, error) {
	page, err := call[wire.Page[inventory.PolicyVersion]](ctx, c, request{method: "GET", path: "/policies/versions"})
	return page.Items, err
}

// PolicyVersion returns one of them.
func (c *Client) PolicyVersion(ctx context.Context, version int64) (inventory.PolicyVersion, error) {
	return call[inventory.PolicyVersion](ctx, c, request{method: "GET", path: "/policies/versions/" + strconv.FormatInt(version, 10)})
}

// SetPolicies replaces the site's policies.
func (c *Client) SetPolicies(ctx context.Context, args inventory.PolicyArgs, o Options) (Answer, error) {
	return c.mutate(ctx, request{method: "POST", path: "/policies", body: args}, o)
}

// Expectations returns what the site expects of its policies.
func (c *Client) Expectations(ctx context.Context) ([]inventory.Expectation, error) {
	page, err := call[wire.Page[inventory.Expectation]](ctx, c, request{method: "GET", path: "/policies/expectations"})
	return page.Items, err
}

// Expect adds an expectation.
func (c *Client) Expect(ctx context.Context, args inventory.ExpectArgs, o Options) (Answer, error) {
	return c.mutate(ctx, request{method: "POST", path: "/policies/expectations", body: args}, o)
}

// Unexpect removes one.
func (c *Client) Unexpect(ctx context.Context, id int64, o Options) (Answer, error) {
	return c.mutate(ctx, request{method: "DELETE", path: "/policies/expectations/" + strconv.FormatInt(id, 10)}, o)
}
