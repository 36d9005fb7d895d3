package client

import (
	"context"
	"net/url"

	"lodge/inventory"
	"lodge/web/wire"
)

// FirewallRules returns all rules, the oldest first.
func (c *Client) FirewallRules(ctx context.Context) ([]wire.FirewallRule, error) {
	return all[wire.FirewallRule](ctx, c, "/firewall/rules", nil)
}

// AllowFirewall lets connections through.
func (c *Client) AllowFirewall(ctx context.Context, args inventory.FirewallArgs, o Options) (Answer, error) {
	return c.mutate(ctx, request{method: "POST", path: "/firewall/allow", body: args}, o)
}

// DenyFirewall refuses connections.
func (c *Client) DenyFirewall(ctx context.Context, args inventory.FirewallArgs, o Options) (Answer, error) {
	return c.mutate(ctx, request{method: "POST", path: "/firewall/deny", body: args}, o)
}

// RemoveFirewallRule removes a rule.
func (c *Client) RemoveFirewallRule(ctx context.Context, id string, o Options) (Answer, error) {
	return c.mutate(ctx, request{method: "DELETE", path: "/firewall/rules/" + segment(id)}, o)
}

// TestFirewall asks what would become of a connection.
func (c *Client) TestFirewall(ctx context.Context, from, to, ports string) (wire.FirewallVerdict, error) {
	return call[wire.FirewallVerdict](ctx, c, request{method: "GET", path: "/firewall/test",
		query: url.Values{"from": {from}, "to": {to}, "ports": {ports}}})
}

// FirewallLog returns what was not let through lately, the oldest first.
func (c *Client) FirewallLog(ctx context.Context) ([]wire.FirewallDrop, error) {
	return all[wire.FirewallDrop](ctx, c, "/firewall/log", nil)
}

// Forwards returns all forwards, the oldest first.
func (c *Client) Forwards(ctx context.Context) ([]wire.Forward, error) {
	return all[wire.Forward](ctx, c, "/forwards", nil)
}

// AddForward gives ports of the host to a container.
func (c *Client) AddForward(ctx context.Context, args inventory.ForwardArgs, o Options) (Answer, error) {
	return c.mutate(ctx, request{method: "POST", path: "/forwards", body: args}, o)
}

// RemoveForward takes them back.
func (c *Client) RemoveForward(ctx context.Context, id string, o Options) (Answer, error) {
	return c.mutate(ctx, request{method: "DELETE", path: "/forwards/" + segment(id)}, o)
}
