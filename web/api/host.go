package api

import (
	"context"
	"maps"
	"runtime"
	"slices"

	"lodge/inventory"
	"lodge/web/wire"
)

type addressesInput struct {
	Network   string `query:"network" maxLength:"63"`
	IP        string `query:"ip" maxLength:"45" doc:"Who had this address; implies history."`
	Container string `query:"container" maxLength:"64" doc:"Id of a container."`
	History   bool   `query:"history" doc:"Rows that are over too."`
}

func (a *API) hostRoutes() {
	tag := "host"
	read(a, route{id: "host.show", verb: "host.view", method: "GET", path: "/v1/host", tag: tag,
		summary: "Describe the host"}, func(ctx context.Context, _ *struct{}) (*body[wire.Host], error) {
		if err := a.enter(ctx, "host.view"); err != nil {
			return nil, err
		}
		h, err := a.Reads.Host(ctx)
		return &body[wire.Host]{Body: h}, err
	})
	read(a, route{id: "host.check", verb: "host.check", method: "GET", path: "/v1/host/strays", tag: tag,
		summary: "List what on the host does not fit the inventory"},
		func(ctx context.Context, _ *struct{}) (*body[wire.Page[inventory.Stray]], error) {
			if err := a.enter(ctx, "host.check"); err != nil {
				return nil, err
			}
			all, err := a.Reads.Strays(ctx)
			return page(all, func(s inventory.Stray) inventory.Stray { return s }), err
		})
	read(a, route{id: "config.list", verb: "config.view", method: "GET", path: "/v1/settings", tag: tag,
		summary: "List all settings with the values in force on the host"}, a.listSettings)
	mutate[onHost[inventory.ConfigArgs]](a, route{verb: "config.set", method: "PATCH",
		path: "/v1/settings", tag: tag,
		summary: "Change host-wide settings"}, true, nil)
	read(a, route{id: "version", method: "GET", path: "/v1/version", tag: tag, summary: "Say what answers"},
		func(context.Context, *struct{}) (*body[wire.Version], error) {
			return &body[wire.Version]{Body: wire.Version{Version: a.Version, API: "v1",
				Go: runtime.Version()}}, nil
		})
}

func (a *API) listSettings(ctx context.Context, _ *struct{}) (*body[wire.Page[wire.Setting]], error) {
	if err := a.enter(ctx, "config.view"); err != nil {
		return nil, err
	}
	set, err := a.Settings.Host(ctx)
	if err != nil {
		return nil, err
	}
	table := a.Settings.Table()
	return page(slices.Sorted(maps.Keys(table)), func(name string) wire.Setting {
		value, ok := set[name]
		return wire.FromSetting(table[name], value, ok)
	}), nil
}

func (a *API) listAddresses(ctx context.Context,
	in *addressesInput) (*body[wire.Page[wire.Address]], error) {
	if err := a.enter(ctx, "address.view"); err != nil {
		return nil, err
	}
	all, err := a.Reads.Addresses(ctx, AddressQuery{Network: in.Network, IP: in.IP,
		Container: inventory.ContainerID(in.Container), History: in.History || in.IP != ""})
	sight := a.sight()
	return page(only(all, func(ad inventory.Address) bool { return sight.of(ctx, ad.Container, "") }), wire.FromAddress), err
}
