package client

import (
	"context"

	"lodge/web/wire"
)

// Secrets returns all by name, without their values.
func (c *Client) Secrets(ctx context.Context) ([]wire.Secret, error) {
	return all[wire.Secret](ctx, c, "/secrets", nil)
}

// SetSecret sets a secret's value.
func (c *Client) SetSecret(ctx context.Context, name string, v wire.SecretValue, o Options) (Answer, error) {
	return c.mutate(ctx, request{method: "PUT", path: "/secrets/" + segment(name), body: v}, o)
}

// DeleteSecret removes a secret.
func (c *Client) DeleteSecret(ctx context.Context, name string, o Options) (Answer, error) {
	return c.mutate(ctx, request{method: "DELETE", path: "/secrets/" + segment(name)}, o)
}

// RotateHostKey makes another host key and seals every secret by it.
func (c *Client) RotateHostKey(ctx context.Context, o Options) (Answer, error) {
	return c.mutate(ctx, request{method: "POST", path: "/secrets/rotate"}, o)
}
