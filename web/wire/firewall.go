package wire

import (
	"time"

	"lodge/inventory"
)

// A FirewallRule judges connections from one set of ends to another.
type FirewallRule struct {
	ID        string                   `json:"id"`
	Action    inventory.FirewallAction `json:"action" enum:"allow,deny"`
	From      string                   `json:"from" example:"label:role=web"`
	To        string                   `json:"to" example:"label:role=db"`
	Ports     string                   `json:"ports" example:"tcp/5432"`
	Expires   *time.Time               `json:"expires,omitempty"`
	Log       bool                     `json:"log,omitempty" doc:"Connections it matches are in the log."`
	Reason    string                   `json:"reason,omitempty"`
	CreatedAt time.Time                `json:"created_at"`
}

// FromFirewallRule writes a rule; name tells what people call a container.
func FromFirewallRule(r inventory.FirewallRule, name func(inventory.ContainerID) string) FirewallRule {
	out := FirewallRule{ID: r.ID, Action: r.Action, From: r.From.Named(name).String(), To: r.To.Named(name).String(), Ports: r.Ports.String(),
		Log: r.Log, Reason: r.Reason, CreatedAt: r.CreatedAt.UTC()}
	if !r.Expires.IsZero() {
		at := r.Expires.UTC()
		out.Expires = &at
	}
	return out
}

// A FirewallVerdict is what would become of a connection.
type FirewallVerdict struct {
	Allowed bool   `json:"allowed"`
	Rule    string `json:"rule,omitempty" doc:"The id of the rule that says so."`
	Why     string `json:"why" doc:"The rule, or what holds where there is none."`
}

// A FirewallDrop is a connection that was not let through, or was by a rule that is logged.
type FirewallDrop struct {
	At       time.Time          `json:"at"`
	Allowed  bool               `json:"allowed"`
	Rule     string             `json:"rule" doc:"The rule's id; default, or host for what was asked of the host."`
	From     string             `json:"from"`
	FromName string             `json:"from_name,omitempty" doc:"The container that has the address."`
	To       string             `json:"to"`
	ToName   string             `json:"to_name,omitempty"`
	Protocol inventory.Protocol `json:"protocol,omitempty"`
	Port     uint16             `json:"port,omitempty"`
}

// A Forward gives ports of the host to a container.
type Forward struct {
	ID        string    `json:"id"`
	Listen    string    `json:"listen" example:"tcp/:8443"`
	Target    string    `json:"target" example:"web1:443"`
	Reason    string    `json:"reason,omitempty"`
	CreatedAt time.Time `json:"created_at"`
}
