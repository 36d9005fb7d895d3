package evidence

import (
	"cmp"
	"context"
	"net/netip"
	"strings"
)

// identity tells who the container was, whose and what for, over time.
func identity(_ context.Context, c *Case) (Content, error) {
	t := Table{Title: "What it was, over time", Columns: []string{"since", "until", "name", "project", "owner", "purpose",
		"environment", "image", "condition", "by", "reason"}}
	for _, f := range c.during() {
		t.add(f.records, when(f.since), when(f.until), f.name, f.project, f.owner, f.purpose, f.environment, f.image,
			cmp.Or(f.condition, "kept"), f.by, f.why)
	}
	content := Content{Tables: []Table{t}}
	if p := c.Present; p != nil {
		now := Table{Title: "What the inventory says at the time of writing", Columns: []string{"id", "host", "created", "addresses"}}
		var addresses []string
		for _, n := range p.NICs {
			for _, ip := range []netip.Addr{n.IPv4, n.IPv6} {
				if ip.IsValid() {
					addresses = append(addresses, ip.String())
				}
			}
		}
		now.add(nil, string(p.ID), string(p.HostID), when(p.CreatedAt), strings.Join(addresses, ", "))
		content.Tables = append(content.Tables, now)
	}
	return content, nil
}
