package main

import (
	"fmt"

	"github.com/urfave/cli/v2"

	"lodge/inventory"
	"lodge/web/client"
	"lodge/web/wire"
)

func hostCommands() []*cli.Command {
	history := []cli.Flag{&cli.BoolFlag{Name: "history", Usage: "who had them before, too"}}
	return []*cli.Command{
		{Name: "host", Category: "Host", Usage: "the machine",
			Subcommands: []*cli.Command{{Name: "show", Usage: "what it is and what runs on it", Action: showHost},
				{Name: "check", Usage: "what on it does not fit the inventory", Action: checkHost,
					Description: "Root file systems, snapshots and mounts nobody has, containers without their root, and LXC\n" +
						"containers made past the agent. Exit code 1 if there are any."},
				{Name: "add", Usage: "know another host by a name", ArgsUsage: "NAME ADDRESS", Action: addHost,
					Description: "The address is ssh://user@host[:port][/path/of/socket], reached with your own ssh, or unix:PATH.\n" +
						"It is kept in your own configuration folder. 'lodge --host NAME ...' then means it."},
				{Name: "use", Usage: "mean this host when none is named", ArgsUsage: "NAME", Action: useHost, BashComplete: completeHosts},
				{Name: "list", Aliases: []string{"ls"}, Usage: "the hosts you know", Action: listHosts},
				{Name: "remove", Aliases: []string{"rm"}, Usage: "forget a host", ArgsUsage: "NAME", Action: removeHost, BashComplete: completeHosts}}},
		{Name: "network", Category: "Host", Usage: "networks",
			Subcommands: []*cli.Command{{Name: "list", Aliases: []string{"ls"},
				Usage: "list networks", Action: listNetworks},
				{Name: "show", Usage: "one network", ArgsUsage: "NAME", Action: showNetwork}}},
		{Name: "address", Category: "Host", Usage: "addresses", Subcommands: []*cli.Command{
			{Name: "list", Aliases: []string{"ls"}, Usage: "who has which address", Flags: history,
				Action: func(c *cli.Context) error { return listAddresses(c, "") }},
			{Name: "history", Usage: "who had an address, from when to when", ArgsUsage: "ADDRESS", Action: addressHistory}}},
	}
}

func showHost(c *cli.Context) error {
	h, err := read(c, func(api *client.Client) (wire.Host, error) { return api.Host(c.Context) })
	if err != nil {
		return err
	}
	if structured(c) {
		return printValue(c, h)
	}
	printFields(c.App.Writer, []field{{"name", h.Name}, {"kernel", h.Kernel},
		{"architecture", h.Architecture}, {"cpus", count(h.CPUs)},
		{"memory", bytesText(h.MemoryBytes)}, {"cgroups", h.Cgroup}, {"liblxc", h.LXC}, {"root", h.Root},
		{"containers", fmt.Sprintf("%d, %d running", h.Containers, h.Running)}, {"id", string(h.ID)}, {"machine id", h.MachineID}})
	return printCapacity(c, h.Capacity)
}

var strayColumns = []column[inventory.Stray]{
	{"kind", false, func(s inventory.Stray) string { return string(s.Kind) }},
	{"name", false, func(s inventory.Stray) string { return s.Name }},
	{"detail", false, func(s inventory.Stray) string { return s.Detail }},
	{"advice", false, func(s inventory.Stray) string { return s.Advice }},
}

func checkHost(c *cli.Context) error {
	all, err := read(c, func(api *client.Client) ([]inventory.Stray, error) { return api.Strays(c.Context) })
	if err != nil {
		return err
	}
	if err := printList(c, all, strayColumns); err != nil || len(all) == 0 {
		return err
	}
	return codeError(inventory.ExitFailure)
}

var networkColumns = []column[wire.Network]{
	{"name", false, func(n wire.Network) string { return n.Name }},
	{"bridge", false, func(n wire.Network) string { return n.Bridge }},
	{"ipv4", false, func(n wire.Network) string { return n.IPv4 }},
	{"ipv6", false, func(n wire.Network) string { return n.IPv6 }},
	{"nat", false, func(n wire.Network) string { return yes(n.NAT) }},
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
		printFields(c.App.Writer, []field{{"name", n.Name}, {"bridge", n.Bridge}, {"ipv4", n.IPv4},
			{"ipv6", n.IPv6}, {"mtu", count(n.MTU)}, {"nat", yes(n.NAT)}})
		return nil
	}
	return inventory.Errorf(inventory.ErrNotFound,
		"there is no network %q; 'lodge network list' shows them all", c.Args().First())
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
