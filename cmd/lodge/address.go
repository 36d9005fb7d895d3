package main

import (
	"context"

	"github.com/urfave/cli/v2"

	"lodge/inventory"
	"lodge/web/client"
	"lodge/web/wire"
)

func addressCommands() []*cli.Command {
	history := []cli.Flag{&cli.BoolFlag{Name: "history", Usage: "who had them before, too"}}
	network := &cli.StringFlag{Name: "network", Usage: "`NETWORK` they are of; default if not given"}
	return []*cli.Command{{Name: "address", Category: "Host", Usage: "addresses", Subcommands: []*cli.Command{
		{Name: "list", Aliases: []string{"ls"}, Usage: "who has which address", Flags: history,
			Action: func(c *cli.Context) error { return listAddresses(c, "") }},
		{Name: "history", Usage: "who had an address, from when to when", ArgsUsage: "ADDRESS", Action: addressHistory},
		{Name: "reserved", Usage: "which addresses are kept from containers", Action: listReservations},
		{Name: "reserve", Usage: "keep addresses from containers, or for one", ArgsUsage: "ADDRESS|FROM-TO|PREFIX",
			Action: reserveAddresses, Flags: mutationFlags(network,
				&cli.StringFlag{Name: "for", Usage: "the one container that may have them, made yet or not: `NAME`"},
				&cli.StringFlag{Name: "note", Usage: "who else has them, or why: `TEXT`"})},
		{Name: "release", Usage: "let containers have reserved addresses again", ArgsUsage: "ADDRESS|FROM-TO|PREFIX",
			Action: releaseAddresses, Flags: mutationFlags(network)},
	}}}
}

func addressHistory(c *cli.Context) error {
	if c.NArg() != 1 {
		return usage("address history needs one ADDRESS")
	}
	return listAddresses(c, c.Args().First())
}

func listAddresses(c *cli.Context, ip string) error {
	all, err := read(c, func(api *client.Client) ([]wire.Address, error) {
		return api.Addresses(c.Context, client.AddressQuery{IP: ip, History: c.Bool("history")})
	})
	if err != nil {
		return err
	}
	return printList(c, all, []column[wire.Address]{
		{"ip", false, func(a wire.Address) string { return a.IP }},
		{"name", false, func(a wire.Address) string {
			return inventory.Ref{Project: a.Project,
				Name: a.Name}.String()
		}},
		{"network", false, func(a wire.Address) string { return a.Network }},
		{"from", false, func(a wire.Address) string { return when(a.From) }},
		{"to", false, func(a wire.Address) string { return when(a.To) }},
		{"container", true, func(a wire.Address) string { return string(a.Container) }},
	})
}

func listReservations(c *cli.Context) error {
	all, err := read(c, func(api *client.Client) ([]wire.Reservation, error) { return api.Reservations(c.Context) })
	if err != nil {
		return err
	}
	return printList(c, all, []column[wire.Reservation]{
		{"range", false, func(r wire.Reservation) string { return r.Range }},
		{"network", false, func(r wire.Reservation) string { return r.Network }},
		{"for", false, func(r wire.Reservation) string { return r.For }},
		{"by", false, func(r wire.Reservation) string { return r.CreatedBy }},
		{"since", false, func(r wire.Reservation) string { return when(r.CreatedAt) }},
		{"note", false, func(r wire.Reservation) string { return r.Note }},
	})
}

func reserveAddresses(c *cli.Context) error {
	if c.NArg() != 1 {
		return usage("address reserve needs addresses, like: lodge address reserve 10.86.0.100-10.86.0.120")
	}
	args := inventory.ReserveArgs{Network: c.String("network"), Range: c.Args().First(), Note: c.String("note")}
	if name := c.String("for"); name != "" {
		args.For = ref(c, name).String()
	}
	return mutateEach(c, []string{args.Range}, is("is reserved"),
		func(ctx context.Context, api *client.Client, _ string, o client.Options) (client.Answer, error) {
			return api.Reserve(ctx, args, o)
		})
}

func releaseAddresses(c *cli.Context) error {
	if c.NArg() != 1 {
		return usage("address release needs the addresses as they were reserved; 'lodge address reserved' shows them")
	}
	args := inventory.ReleaseArgs{Network: c.String("network"), Range: c.Args().First()}
	return mutateEach(c, []string{args.Range}, is("is free"),
		func(ctx context.Context, api *client.Client, _ string, o client.Options) (client.Answer, error) {
			return api.Release(ctx, args, o)
		})
}
