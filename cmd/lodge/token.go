package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/urfave/cli/v2"

	"lodge/inventory"
	"lodge/web/client"
	"lodge/web/wire"
)

func tokenCommands() []*cli.Command {
	user := &cli.StringFlag{Name: "user", Usage: "`USER` whose it is; yourself without it"}
	return []*cli.Command{{Name: "token", Category: identityCategory, Usage: "what programs show instead of a person",
		Subcommands: []*cli.Command{
			{Name: "list", Aliases: []string{"ls"}, Usage: "list tokens with when they were used last", Flags: []cli.Flag{user}, Action: listTokens},
			{Name: "create", Usage: "make a token; it is shown once", ArgsUsage: "NAME",
				Description: "The token may what its user may at that moment, and of that only its own rights, where it holds: project\n" +
					"P with --project P, or --on WHERE. None decides about changes, gives roles or keeps users. Programs have\n" +
					"it in the environment as LODGE_TOKEN, or send it as 'Authorization: Bearer'. " + onHelp,
				Flags: mutationFlags(user,
					&cli.StringSliceFlag{Name: "right", Usage: "a `RIGHT` it has, may be repeated: view, operate, ..."},
					&cli.StringFlag{Name: "role", Usage: "the rights of `ROLE`"},
					&cli.StringFlag{Name: "on", Usage: "`WHERE` it holds; everywhere its user may without it"},
					&cli.StringFlag{Name: "expires", Usage: "open nothing after `DURATION`; 90d without it"}),
				Action: createToken},
			{Name: "revoke", Aliases: []string{"rm"}, Usage: "let tokens open nothing any more", ArgsUsage: "NAME...",
				Flags: mutationFlags(user), Action: revokeTokens},
		}}}
}

func listTokens(c *cli.Context) error {
	all, err := read(c, func(api *client.Client) ([]wire.Token, error) { return api.Tokens(c.Context, c.String("user")) })
	if err != nil {
		return err
	}
	return printList(c, all, []column[wire.Token]{
		{"user", false, func(t wire.Token) string { return t.User }},
		{"name", false, func(t wire.Token) string { return t.Name }},
		{"state", false, func(t wire.Token) string { return t.State }},
		{"on", false, func(t wire.Token) string { return t.On }},
		{"rights", false, func(t wire.Token) string { return rightsText(wire.Role{Rights: t.Rights}) }},
		{"expires", false, func(t wire.Token) string { return when(t.Expires) }},
		{"last used", false, func(t wire.Token) string { return when(t.LastUsed) }},
		{"by", true, func(t wire.Token) string { return t.CreatedBy }},
		{"id", true, func(t wire.Token) string { return string(t.ID) }},
		{"created", true, func(t wire.Token) string { return when(t.CreatedAt) }},
	})
}

// createToken makes the secret here: the agent gets its hash and never sees it, but when it is shown.
func createToken(c *cli.Context) error {
	if c.NArg() != 1 {
		return usage("token create needs one NAME")
	}
	secret := inventory.NewTokenSecret()
	args := inventory.TokenArgs{Name: c.Args().First(), User: c.String("user"), Rights: c.StringSlice("right"),
		Role: c.String("role"), On: extent(c), Expires: c.String("expires"), Hash: inventory.TokenHash(secret)}
	if p := c.String("project"); args.On == "" && p != "" {
		args.On = "project:" + p
	}
	err := mutateEach(c, []string{args.Name}, is("is made; the line below is shown this once"),
		func(ctx context.Context, api *client.Client, _ string, o client.Options) (client.Answer, error) {
			return api.CreateToken(ctx, args, o)
		})
	if held := codeError(inventory.ExitHeld); c.Bool("plan") || err != nil && !errors.Is(err, held) {
		return err
	}
	out := c.App.Writer
	if structured(c) {
		out = c.App.ErrWriter // the operation is what a program reads
	}
	fmt.Fprintln(out, secret)
	return err
}

func revokeTokens(c *cli.Context) error {
	names, err := named(c)
	if err != nil {
		return err
	}
	return mutateEach(c, names, is("opens nothing any more"),
		func(ctx context.Context, api *client.Client, name string, o client.Options) (client.Answer, error) {
			return api.RevokeToken(ctx, c.String("user"), name, o)
		})
}
