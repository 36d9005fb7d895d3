package main

import (
	"fmt"

	"github.com/urfave/cli/v2"

	"lodge/inventory"
	"lodge/web/client"
	"lodge/web/wire"
)

func hostCommands() []*cli.Command {
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
