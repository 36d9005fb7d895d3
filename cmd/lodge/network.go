package main

import (
	"context"

	"github.com/urfave/cli/v2"

	"lodge/inventory"
	"lodge/web/client"
	"lodge/web/wire"
)

func networkCommands() []*cli.Command {
	return []*cli.Command{{Name: "network", Category: "Host", Usage: "networks",
		Subcommands: []*cli.Command{
			{Name: "list", Aliases: []string{"ls"}, Usage: "list networks", Action: listNetworks},
			{Name: "show", Usage: "one network", ArgsUsage: "NAME", Action: showNetwork, BashComplete: completeNetworks},
			{Name: "create", Usage: "make one", ArgsUsage: "NAME", Action: createNetwork,
				Description: "managed, the default, is a bridge of its own with addresses, names, rules and a way out. bridge\n" +
					"joins containers to a bridge this host has, macvlan puts them beside the host on one of its\n" +
					"interfaces; both take the addresses of a network that somebody else routes. routed has no bridge:\n" +
					"the host routes each address to its container, and answers for it on --parent, if that is given.",
				Flags: mutationFlags(
					&cli.StringFlag{Name: "type", Usage: "`TYPE`: managed, bridge, macvlan or routed", Value: string(inventory.NetworkManaged)},
					&cli.StringFlag{Name: "parent", Usage: "the host's `INTERFACE` of a bridge, macvlan or routed network"},
					&cli.StringFlag{Name: "ipv4", Usage: "the gateway's `ADDRESS/LENGTH`; a free /24 if not given"},
					&cli.StringFlag{Name: "ipv6", Usage: "the gateway's `ADDRESS/64`, or none; a random ULA if not given"},
					&cli.IntFlag{Name: "mtu", Usage: "`BYTES` of the largest packet; the host's if not given"},
					&cli.BoolFlag{Name: "no-nat", Usage: "let others reach containers by their own addresses"},
					&cli.StringFlag{Name: "purpose", Usage: "what it is for: `TEXT`"})},
			{Name: "set", Usage: "change one; containers on it keep what they have", ArgsUsage: "NAME", Action: setNetwork,
				BashComplete: completeNetworks, Flags: mutationFlags(
					&cli.StringFlag{Name: "ipv4", Usage: "another gateway's `ADDRESS/LENGTH`, while nobody is on it"},
					&cli.IntFlag{Name: "mtu", Usage: "`BYTES` of the largest packet, 0 for the host's"},
					&cli.StringFlag{Name: "nat", Usage: "`yes` hides containers behind the host's address, no doesn't"},
					&cli.StringFlag{Name: "purpose", Usage: "what it is for: `TEXT`"})},
			{Name: "delete", Aliases: []string{"rm"}, Usage: "remove networks nobody is on", ArgsUsage: "NAME...",
				Flags: mutationFlags(), Action: deleteNetworks, BashComplete: completeNetworks},
		}}}
}

func completeNetworks(c *cli.Context) {
	complete(c, func(ctx context.Context, api *client.Client) (names []string, err error) {
		all, err := api.Networks(ctx)
		for _, n := range all {
			names = append(names, n.Name)
		}
		return names, err
	})
}

var networkColumns = []column[wire.Network]{
	{"name", false, func(n wire.Network) string { return n.Name }},
	{"type", false, func(n wire.Network) string { return string(n.Type) }},
	{"bridge", false, func(n wire.Network) string { return n.Bridge }},
	{"ipv4", false, func(n wire.Network) string { return n.IPv4 }},
	{"ipv6", false, func(n wire.Network) string { return n.IPv6 }},
	{"nat", false, func(n wire.Network) string { return yes(n.NAT) }},
	{"mtu", true, func(n wire.Network) string { return count(n.MTU) }},
	{"purpose", false, func(n wire.Network) string { return n.Purpose }},
}

func listNetworks(c *cli.Context) error {
	all, err := read(c, func(api *client.Client) ([]wire.Network, error) { return api.Networks(c.Context) })
	if err != nil {
		return err
	}
	return printList(c, all, networkColumns)
}

func showNetwork(c *cli.Context) error {
	if c.NArg() != 1 {
		return usage("network show needs the name of a network")
	}
	all, err := read(c, func(api *client.Client) ([]wire.Network, error) { return api.Networks(c.Context) })
	if err != nil {
		return err
	}
	for _, n := range all {
		if n.Name != c.Args().First() {
			continue
		}
		if structured(c) {
			return printValue(c, n)
		}
		printFields(c.App.Writer, []field{{"name", n.Name}, {"type", string(n.Type)}, {"bridge", n.Bridge}, {"ipv4", n.IPv4},
			{"ipv6", n.IPv6}, {"mtu", count(n.MTU)}, {"nat", yes(n.NAT)},
			{"purpose", n.Purpose}})
		return nil
	}
	return inventory.Errorf(inventory.ErrNotFound,
		"there is no network %q; 'lodge network list' shows them all", c.Args().First())
}

func createNetwork(c *cli.Context) error {
	if c.NArg() != 1 {
		return usage("network create needs the NAME of the network")
	}
	args := inventory.NetworkArgs{Name: c.Args().First(), Type: inventory.NetworkType(c.String("type")),
		Parent: c.String("parent"), IPv4: c.String("ipv4"), IPv6: c.String("ipv6"), MTU: c.Int("mtu"),
		NoNAT: c.Bool("no-nat"), Purpose: c.String("purpose")}
	return mutateEach(c, []string{args.Name}, is("is made"),
		func(ctx context.Context, api *client.Client, _ string, o client.Options) (client.Answer, error) {
			return api.CreateNetwork(ctx, args, o)
		})
}

func setNetwork(c *cli.Context) error {
	if c.NArg() != 1 {
		return usage("network set needs the NAME of the network")
	}
	args := inventory.NetworkUpdateArgs{Name: c.Args().First()}
	var err error
	if args.NAT, err = yesFlag(c, "nat"); err != nil {
		return err
	}
	for flag, field := range map[string]**string{"ipv4": &args.IPv4, "purpose": &args.Purpose} {
		if c.IsSet(flag) {
			text := c.String(flag)
			*field = &text
		}
	}
	if c.IsSet("mtu") {
		mtu := c.Int("mtu")
		args.MTU = &mtu
	}
	if args == (inventory.NetworkUpdateArgs{Name: args.Name}) {
		return usage("network set needs what to change, like: lodge network set lab --mtu 1400")
	}
	return mutateEach(c, []string{args.Name}, is("is changed"),
		func(ctx context.Context, api *client.Client, _ string, o client.Options) (client.Answer, error) {
			return api.UpdateNetwork(ctx, args, o)
		})
}

func deleteNetworks(c *cli.Context) error {
	names, err := named(c)
	if err != nil {
		return err
	}
	return mutateEach(c, names, is("is gone"),
		func(ctx context.Context, api *client.Client, name string, o client.Options) (client.Answer, error) {
			return api.DeleteNetwork(ctx, name, o)
		})
}
