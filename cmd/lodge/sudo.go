package main

import (
	"context"
	"encoding/json"
	"time"

	"github.com/urfave/cli/v2"

	"lodge/inventory"
	"lodge/web/client"
	"lodge/web/wire"
)

func sudoCommands() []*cli.Command {
	account := func(usage string) cli.Flag { return &cli.StringFlag{Name: "account", Usage: usage} }
	return []*cli.Command{{Name: "sudo", Category: "Access", Usage: "give an account of a container sudo for a while",
		ArgsUsage: "NAME", Action: giveSudo, BashComplete: completeContainers,
		Description: "The container's own visudo checks the file before sudo reads it. It is removed when the time is over, or\n" +
			"whom it is for may not go in any more; sudo.max bounds how long it can be.",
		Flags: mutationFlags(&cli.StringFlag{Name: "for", Usage: "how long, as a `DURATION` like 30m"},
			&cli.StringFlag{Name: "user", Usage: "the `USER` it is for; you if not given"},
			account("the `ACCOUNT` inside the container; the user's own name if not given")),
		Subcommands: []*cli.Command{
			{Name: "list", Aliases: []string{"ls"}, Usage: "who has sudo, where and until when", Action: listSudo,
				Flags: []cli.Flag{&cli.BoolFlag{Name: "all", Usage: "who had it, too"}}},
			{Name: "end", Usage: "end it before its time", ArgsUsage: "NAME", Action: endSudo, BashComplete: completeContainers,
				Flags: mutationFlags(account("only that of `ACCOUNT`"))},
		}}}
}

func giveSudo(c *cli.Context) error {
	args := inventory.SudoArgs{For: c.String("for"), User: c.String("user"), Account: c.String("account")}
	if c.NArg() != 1 || args.For == "" {
		return usage("sudo needs the name of one container, and for how long, like: lodge sudo web1 --for 30m --reason 'the disk is full'")
	}
	return mutateEach(c, c.Args().Slice(), sudoNow, func(ctx context.Context, api *client.Client, name string, o client.Options) (client.Answer, error) {
		return api.GiveSudo(ctx, ref(c, name), args, o)
	})
}

// sudoNow says who has it, and until when.
func sudoNow(_ *cli.Context, _ *client.Client, op wire.Operation) string {
	var given struct {
		Account string    `json:"account"`
		Until   time.Time `json:"until"`
	}
	if json.Unmarshal(op.Result, &given) != nil || given.Account == "" {
		return op.Name + " gives sudo"
	}
	return given.Account + " has sudo in " + op.Name + " until " + when(given.Until)
}

func endSudo(c *cli.Context) error {
	if c.NArg() != 1 {
		return usage("sudo end needs the name of one container")
	}
	args := inventory.SudoEndArgs{Account: c.String("account")}
	return mutateEach(c, c.Args().Slice(), is("has ended its sudo"), func(ctx context.Context, api *client.Client, name string, o client.Options) (client.Answer, error) {
		return api.EndSudo(ctx, ref(c, name), args, o)
	})
}

func listSudo(c *cli.Context) error {
	all, err := read(c, func(api *client.Client) ([]wire.SudoGrant, error) { return api.Sudo(c.Context, c.Bool("all")) })
	if err != nil {
		return err
	}
	return printList(c, all, []column[wire.SudoGrant]{
		{"container", false, func(g wire.SudoGrant) string { return inventory.Ref{Project: g.Project, Name: g.Name}.String() }},
		{"account", false, func(g wire.SudoGrant) string { return g.Account }},
		{"for", false, func(g wire.SudoGrant) string { return g.For }},
		{"given by", false, func(g wire.SudoGrant) string { return g.GivenBy }},
		{"until", false, func(g wire.SudoGrant) string { return when(g.Until) }},
		{"ended", !c.Bool("all"), func(g wire.SudoGrant) string { return when(g.EndedAt) }},
		{"why ended", !c.Bool("all"), func(g wire.SudoGrant) string { return g.EndReason }},
		{"reason", false, func(g wire.SudoGrant) string { return g.Reason }},
		{"id", true, func(g wire.SudoGrant) string { return string(g.ID) }},
	})
}
