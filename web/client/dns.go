package client

import (
	"context"
	"net/url"

	"lodge/inventory"
	"lodge/web/wire"
)

// DNSRecords returns all records that were added.
func (c *Client) DNSRecords(ctx context.Context) ([]wire.DNSRecord, error) {
	return all[wire.DNSRecord](ctx, c, "/dns", nil)
}

// AddDNSRecord adds a record, or replaces the one of the same name, type and data.
func (c *Client) AddDNSRecord(ctx context.Context, args inventory.DNSRecordArgs, o Options) (Answer, error) {
	return c.mutate(ctx, request{method: "POST", path: "/dns", body: args}, o)
}

// RemoveDNSRecord removes a record.
func (c *Client) RemoveDNSRecord(ctx context.Context, args inventory.DNSRecordArgs, o Options) (Answer, error) {
	return c.mutate(ctx, request{method: "DELETE", path: "/dns/" + segment(args.Name),
		query: url.Values{"type": {args.Type}, "data": {args.Data}}}, o)
}
