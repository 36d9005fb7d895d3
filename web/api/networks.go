package api

import (
	"context"

	"lodge/inventory"
	"lodge/web/wire"
)

// networkMutation names a network in its path.
type networkMutation struct {
	Name string `path:"name" maxLength:"63" doc:"The network's name."`
	Options
	Body *Nothing
}

func (in *networkMutation) asked() asked {
	return asked{args: inventory.NetworkNameArgs{Name: in.Name}, options: in.Options}
}

// networkChange is what of a network is to change.
type networkChange struct {
	Name string `path:"name" maxLength:"63" doc:"The network's name."`
	Options
	Body inventory.NetworkUpdateArgs
}

func (in *networkChange) asked() asked {
	args := in.Body
	args.Name = in.Name
	return asked{args: args, options: in.Options}
}

// releaseMutation names reserved addresses in its query, since a range has slashes and dashes.
type releaseMutation struct {
	Network string `query:"network" maxLength:"63" doc:"default when empty."`
	Range   string `query:"range" required:"true" maxLength:"64" doc:"As it was reserved."`
	Options
	Body *Nothing
}

func (in *releaseMutation) asked() asked {
	return asked{args: inventory.ReleaseArgs{Network: in.Network, Range: in.Range}, options: in.Options}
}

func (a *API) networkRoutes() {
	tag := "network"
	read(a, route{id: "network.list", verb: "network.view", method: "GET", path: "/v1/networks", tag: tag,
		summary: "List networks"}, func(ctx context.Context, _ *struct{}) (*body[wire.Page[wire.Network]], error) {
		if err := a.enter(ctx, "network.view"); err != nil {
			return nil, err
		}
		all, err := a.Reads.Networks(ctx)
		return page(all, wire.FromNetwork), err
	})
	mutate[onHost[inventory.NetworkArgs]](a, route{verb: "network.create", method: "POST", path: "/v1/networks", tag: tag,
		summary: "Make a network"}, true, nil)
	mutate[networkChange](a, route{verb: "network.update", method: "PATCH", path: "/v1/networks/{name}", tag: tag,
		summary: "Change a network"}, true, nil)
	mutate[networkMutation](a, route{verb: "network.delete", method: "DELETE", path: "/v1/networks/{name}", tag: tag,
		summary: "Remove a network nobody is on"}, false, nil)
	read(a, route{id: "address.list", verb: "address.view", method: "GET", path: "/v1/addresses", tag: tag,
		summary: "List who holds, or held, which address"}, a.listAddresses)
	read(a, route{id: "address.reserved", verb: "address.view", method: "GET", path: "/v1/reservations", tag: tag,
		summary: "List the addresses that are kept from containers"},
		func(ctx context.Context, _ *struct{}) (*body[wire.Page[wire.Reservation]], error) {
			if err := a.enter(ctx, "address.view"); err != nil {
				return nil, err
			}
			all, err := a.Reads.Reservations(ctx, "")
			return page(only(all, func(inventory.AddressReservation) bool { return a.sees(ctx, nil) }), wire.FromReservation), err
		})
	mutate[onHost[inventory.ReserveArgs]](a, route{verb: "address.reserve", method: "POST", path: "/v1/reservations", tag: tag,
		summary: "Keep addresses from containers"}, true, nil)
	mutate[releaseMutation](a, route{verb: "address.release", method: "DELETE", path: "/v1/reservations", tag: tag,
		summary: "Let containers have reserved addresses again"}, false, nil)
}
