package api

import (
	"context"

	"lodge/inventory"
	"lodge/web/wire"
)

type dnsMutation struct {
	Name string `path:"name" maxLength:"230" doc:"The name below lodge.internal; @ for the domain itself."`
	Type string `query:"type" required:"true" doc:"The kind of record." example:"CNAME"`
	Data string `query:"data" required:"true" maxLength:"1024" doc:"Its data, as it was added." example:"web1"`
	Options
	Body *Nothing
}

func (in *dnsMutation) asked() asked {
	return asked{args: inventory.DNSRecordArgs{Name: in.Name, Type: in.Type, Data: in.Data}, options: in.Options}
}

func (a *API) dnsRoutes() {
	tag := "dns"
	read(a, route{id: "dns.list", verb: "dns.view", method: "GET", path: "/v1/dns", tag: tag,
		summary: "List the records that were added to the containers' names"},
		func(ctx context.Context, _ *struct{}) (*body[wire.Page[wire.DNSRecord]], error) {
			if err := a.enter(ctx, "dns.view"); err != nil {
				return nil, err
			}
			all, err := a.Reads.DNSRecords(ctx)
			return page(all, wire.FromDNSRecord), err
		})
	mutate[onHost[inventory.DNSRecordArgs]](a, route{id: "dns.add", method: "POST", path: "/v1/dns",
		tag: tag, summary: "Add a record beside the containers' names"}, true, nil)
	mutate[dnsMutation](a, route{id: "dns.remove", method: "DELETE", path: "/v1/dns/{name}",
		tag: tag, summary: "Remove a record that was added"}, false, nil)
}
