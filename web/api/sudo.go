package api

import (
	"context"

	"lodge/inventory"
	"lodge/web/wire"
)

// SudoReads say who has sudo.
type SudoReads interface {
	// SudoGrants returns the grants q chooses, the newest first.
	SudoGrants(ctx context.Context, q inventory.SudoQuery) ([]inventory.SudoGrant, error)
}

type sudoList struct {
	All bool `query:"all" doc:"Those that have ended, too."`
}

type sudoEnd struct {
	Target
	Grant   string `query:"grant" maxLength:"64" doc:"Only this one."`
	Account string `query:"account" maxLength:"32" doc:"Only this account's."`
	Options
}

func (in *sudoEnd) asked() asked {
	return asked{ref: in.ref(), options: in.Options,
		args: inventory.SudoEndArgs{Grant: inventory.OperationID(in.Grant), Account: in.Account}}
}

func (a *API) sudoRoutes() {
	at := routesBelow("/v1/containers/{name}/sudo", "sudo")
	mutate[onContainer[inventory.SudoArgs]](a, at("sudo.grant", "", "POST", "", "Give an account of a container sudo for a while"), true, nil)
	mutate[sudoEnd](a, at("sudo.end", "", "DELETE", "", "End sudo before its time"), false, nil)
	read(a, route{id: "sudo.list", verb: "container.view", method: "GET", path: "/v1/sudo", tag: "sudo",
		summary: "List who has sudo, in which container and until when"}, a.listSudo)
}

func (a *API) listSudo(ctx context.Context, in *sudoList) (*body[wire.Page[wire.SudoGrant]], error) {
	all, err := a.Reads.SudoGrants(ctx, inventory.SudoQuery{Open: !in.All})
	if err != nil {
		return nil, err
	}
	sight := a.sight()
	sight.look(ctx)
	seen := only(all, func(g inventory.SudoGrant) bool {
		c := sight.known[g.Container]
		return c != nil && a.sees(ctx, c)
	})
	return page(seen, func(g inventory.SudoGrant) wire.SudoGrant { return wire.FromSudo(g, sight.known[g.Container]) }), nil
}
