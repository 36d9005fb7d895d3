package main

import (
	"cmp"
	"context"
	"fmt"

	"github.com/urfave/cli/v2"

	"lodge/inventory"
	"lodge/web/client"
	"lodge/web/wire"
)

func firewallCommands() []*cli.Command {
	change := func(name, usage string, do func(*client.Client, context.Context, inventory.FirewallArgs, client.Options) (client.Answer, error)) *cli.Command {
		return &cli.Command{Name: name, Usage: usage, ArgsUsage: "FROM TO PORTS",
			Description: "FROM opens connections to TO, each of them NAME, label:role=web, project:shop, host, any, or an address\n" +
				"like 192.0.2.0/24. PORTS are tcp/5432, udp/53,67-68, tcp, icmp, or any. Answers always pass. What is denied is\n" +
				"denied whatever is allowed; without a rule projects are apart, and network.within says what holds in one.",
			Flags: mutationFlags(&cli.StringFlag{Name: "for", Usage: "remove the rule after `DURATION`"},
				&cli.BoolFlag{Name: "log", Usage: "tell of the connections it matches in 'lodge firewall log'"}),
			Action: func(c *cli.Context) error { return addRule(c, do) }}
	}
	return []*cli.Command{{Name: "firewall", Category: "Network", Usage: "who may open connections to whom",
		Subcommands: []*cli.Command{
			{Name: "list", Aliases: []string{"ls"}, Usage: "the rules", Action: listRules},
			change("allow", "let connections through", (*client.Client).AllowFirewall),
			change("deny", "refuse connections, whatever is allowed", (*client.Client).DenyFirewall),
			{Name: "remove", Aliases: []string{"rm"}, Usage: "remove rules", ArgsUsage: "ID...", Flags: mutationFlags(), Action: removeRules},
			{Name: "log", Usage: "what was not let through lately, or was by a logged rule, and by which",
				Description: "Rules made with --log tell of what they match, and network.log has what no rule lets through told. Each tells of at\n" +
					"most ten packets a second; what an earlier agent was told is forgotten.",
				Action: listDrops},
			{Name: "test", Usage: "say whether a connection would be let through, and by which rule", ArgsUsage: "FROM TO PORT",
				Description: "Exits 0 for yes and 4 for no.", Action: testRules},
		}}}
}

// endIn puts a container's bare name into the project the caller means.
func endIn(c *cli.Context, text string) string {
	s, err := inventory.ParseSelector(text)
	if err != nil || s.Kind != inventory.SelectContainer || inventory.IsID(s.Value) {
		return text
	}
	return ref(c, s.Value).String()
}

func addRule(c *cli.Context, do func(*client.Client, context.Context, inventory.FirewallArgs, client.Options) (client.Answer, error)) error {
	if c.NArg() != 3 {
		return usage("%s needs who, to whom, and ports, like: lodge %[1]s label:role=web label:role=db tcp/5432", commandName(c))
	}
	args := inventory.FirewallArgs{From: endIn(c, c.Args().Get(0)), To: endIn(c, c.Args().Get(1)), Ports: c.Args().Get(2), For: c.String("for"), Log: c.Bool("log")}
	ends := args.From + " to " + args.To
	// As it was asked: between the request and its end a container may get another name.
	said := func(*cli.Context, *client.Client, wire.Operation) string { return ends + " has its rule" }
	return mutateEach(c, []string{ends}, said,
		func(ctx context.Context, api *client.Client, _ string, o client.Options) (client.Answer, error) {
			return do(api, ctx, args, o)
		})
}

func listRules(c *cli.Context) error {
	all, err := read(c, func(api *client.Client) ([]wire.FirewallRule, error) { return api.FirewallRules(c.Context) })
	if err != nil {
		return err
	}
	return printList(c, all, []column[wire.FirewallRule]{
		{"id", false, func(r wire.FirewallRule) string { return r.ID }},
		{"action", false, func(r wire.FirewallRule) string { return string(r.Action) }},
		{"from", false, func(r wire.FirewallRule) string { return r.From }},
		{"to", false, func(r wire.FirewallRule) string { return r.To }},
		{"ports", false, func(r wire.FirewallRule) string { return r.Ports }},
		{"expires", false, func(r wire.FirewallRule) string {
			if r.Expires == nil {
				return ""
			}
			return when(*r.Expires)
		}},
		{"log", false, func(r wire.FirewallRule) string {
			if r.Log {
				return "yes"
			}
			return ""
		}},
		{"reason", true, func(r wire.FirewallRule) string { return r.Reason }},
	})
}

func listDrops(c *cli.Context) error {
	all, err := read(c, func(api *client.Client) ([]wire.FirewallDrop, error) { return api.FirewallLog(c.Context) })
	if err != nil {
		return err
	}
	return printList(c, all, []column[wire.FirewallDrop]{
		{"at", false, func(d wire.FirewallDrop) string { return when(d.At) }},
		{"verdict", false, func(d wire.FirewallDrop) string {
			if d.Allowed {
				return string(inventory.FirewallAllow)
			}
			return string(inventory.FirewallDeny)
		}},
		{"rule", false, func(d wire.FirewallDrop) string { return d.Rule }},
		{"from", false, func(d wire.FirewallDrop) string { return cmp.Or(d.FromName, d.From) }},
		{"to", false, func(d wire.FirewallDrop) string { return cmp.Or(d.ToName, d.To) }},
		{"port", false, func(d wire.FirewallDrop) string {
			ports := inventory.Ports{Protocol: d.Protocol}
			if d.Port != 0 { // ICMP has none
				ports.Ranges = []inventory.PortRange{{First: d.Port, Last: d.Port}}
			}
			return ports.String()
		}},
		{"addresses", true, func(d wire.FirewallDrop) string { return d.From + " " + d.To }},
	})
}

func removeRules(c *cli.Context) error {
	ids, err := named(c)
	if err != nil {
		return err
	}
	return mutateEach(c, ids, is("is removed"),
		func(ctx context.Context, api *client.Client, id string, o client.Options) (client.Answer, error) {
			return api.RemoveFirewallRule(ctx, id, o)
		})
}

func testRules(c *cli.Context) error {
	if c.NArg() != 3 {
		return usage("firewall test needs two ends and a port, like: lodge firewall test web1 db1 tcp/5432")
	}
	v, err := read(c, func(api *client.Client) (wire.FirewallVerdict, error) {
		return api.TestFirewall(c.Context, endIn(c, c.Args().Get(0)), endIn(c, c.Args().Get(1)), c.Args().Get(2))
	})
	if err != nil {
		return err
	}
	if structured(c) {
		err = printValue(c, v)
	} else {
		_, err = fmt.Fprintf(c.App.Writer, "%s: %s\n", yes(v.Allowed), printable(v.Why))
	}
	if err == nil && !v.Allowed {
		refused, _ := inventory.Kind(inventory.ErrDenied)
		return codeError(refused.Exit)
	}
	return err
}
