package api

import (
	"context"

	"lodge/inventory"
	"lodge/web/wire"
)

// idMutation is the input of a verb on a rule or forward.
type idMutation struct {
	ID string `path:"id" maxLength:"20"`
	Options
	Body *Nothing
}

func (in *idMutation) asked() asked {
	return asked{args: inventory.IDArgs{ID: in.ID}, options: in.Options}
}

// flowQuery is a connection that is asked about.
type flowQuery struct {
	From  string `query:"from" required:"true" maxLength:"200" doc:"A container, host, or an address."`
	To    string `query:"to" required:"true" maxLength:"200"`
	Ports string `query:"ports" required:"true" maxLength:"40" example:"tcp/5432"`
}

func (a *API) firewallRoutes() {
	tag := "firewall"
	read(a, route{id: "firewall.list", verb: "firewall.view", method: "GET", path: "/v1/firewall/rules", tag: tag,
		summary: "List the rules about who may open connections to whom"},
		func(ctx context.Context, _ *struct{}) (*body[wire.Page[wire.FirewallRule]], error) {
			if err := a.enter(ctx, "firewall.view"); err != nil {
				return nil, err
			}
			all, err := a.Reads.FirewallRules(ctx)
			return page(all, func(w wire.FirewallRule) wire.FirewallRule { return w }), err
		})
	read(a, route{id: "firewall.test", verb: "firewall.test", method: "GET", path: "/v1/firewall/test", tag: tag,
		summary: "Say what would become of a connection, and by which rule"},
		func(ctx context.Context, in *flowQuery) (*body[wire.FirewallVerdict], error) {
			if err := a.enter(ctx, "firewall.test"); err != nil {
				return nil, err
			}
			v, err := a.Reads.TestFirewall(ctx, inventory.FirewallArgs{From: in.From, To: in.To, Ports: in.Ports})
			return &body[wire.FirewallVerdict]{Body: v}, err
		})
	read(a, route{id: "firewall.log", verb: "firewall.log", method: "GET", path: "/v1/firewall/log", tag: tag,
		summary: "List what was not let through lately, and what logged rules let through"},
		func(ctx context.Context, _ *struct{}) (*body[wire.Page[wire.FirewallDrop]], error) {
			if err := a.enter(ctx, "firewall.log"); err != nil {
				return nil, err
			}
			all, err := a.Reads.FirewallLog(ctx)
			return page(all, func(w wire.FirewallDrop) wire.FirewallDrop { return w }), err
		})
	mutate[onHost[inventory.FirewallArgs]](a, route{id: "firewall.allow", method: "POST", path: "/v1/firewall/allow",
		tag: tag, summary: "Let connections through"}, true, nil)
	mutate[onHost[inventory.FirewallArgs]](a, route{id: "firewall.deny", method: "POST", path: "/v1/firewall/deny",
		tag: tag, summary: "Refuse connections, whatever is allowed"}, true, nil)
	mutate[idMutation](a, route{id: "firewall.remove", method: "DELETE", path: "/v1/firewall/rules/{id}",
		tag: tag, summary: "Remove a rule"}, false, nil)
	read(a, route{id: "forward.list", verb: "forward.view", method: "GET", path: "/v1/forwards", tag: tag,
		summary: "List the ports of the host that are a container's"},
		func(ctx context.Context, _ *struct{}) (*body[wire.Page[wire.Forward]], error) {
			if err := a.enter(ctx, "forward.view"); err != nil {
				return nil, err
			}
			all, err := a.Reads.ForwardList(ctx)
			return page(all, func(w wire.Forward) wire.Forward { return w }), err
		})
	mutate[onHost[inventory.ForwardArgs]](a, route{id: "forward.add", method: "POST", path: "/v1/forwards",
		tag: tag, summary: "Give ports of the host to a container"}, true, nil)
	mutate[idMutation](a, route{id: "forward.remove", method: "DELETE", path: "/v1/forwards/{id}",
		tag: tag, summary: "Take ports of the host back from a container"}, false, nil)
}
