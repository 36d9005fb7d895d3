package main

import (
	"context"
	"strings"

	"github.com/urfave/cli/v2"

	"lodge/inventory"
	"lodge/web/client"
	"lodge/web/wire"
)

func sshAuthorityCommand() *cli.Command {
	return &cli.Command{Name: "authority", Usage: "authorities from outside whose certificates are taken",
		Subcommands: []*cli.Command{
			{Name: "list", Aliases: []string{"ls"}, Usage: "list them and whom they are trusted for", Action: listAuthorities},
			{Name: "add", Usage: "take the certificates of an authority", ArgsUsage: "NAME FILE.pub", Action: addAuthority,
				Description: "A certificate lets in the one user of --for that its principals name; what that user may do stays what\n" +
					"it is. It has to be in force, and for no longer than ssh.authority.lifetime in all.",
				Flags: mutationFlags(&cli.StringSliceFlag{Name: "for", Usage: "a `USER` or group it may speak of, may be repeated"},
					&cli.StringSliceFlag{Name: "map", Usage: "`PRINCIPAL=USER`: whom its certificates call something else than Lodge does"})},
			{Name: "remove", Aliases: []string{"rm"}, Usage: "trust authorities no more; what their certificates opened ends", ArgsUsage: "NAME...",
				Flags: mutationFlags(), Action: removeAuthorities},
		}}
}

func listAuthorities(c *cli.Context) error {
	all, err := read(c, func(api *client.Client) ([]wire.SSHAuthority, error) { return api.TrustedAuthorities(c.Context) })
	if err != nil {
		return err
	}
	return printList(c, all, []column[wire.SSHAuthority]{
		{"name", false, func(a wire.SSHAuthority) string { return a.Name }},
		{"for", false, func(a wire.SSHAuthority) string { return strings.Join(a.For, " ") }},
		{"fingerprint", false, func(a wire.SSHAuthority) string { return a.Fingerprint }},
		{"type", false, func(a wire.SSHAuthority) string { return a.Type }},
		{"by", true, func(a wire.SSHAuthority) string { return a.CreatedBy }},
		{"created", true, func(a wire.SSHAuthority) string { return when(a.CreatedAt) }},
		{"reason", true, func(a wire.SSHAuthority) string { return a.Reason }},
		{"key", true, func(a wire.SSHAuthority) string { return a.Key }},
	})
}

func addAuthority(c *cli.Context) error {
	if c.NArg() != 2 {
		return usage("ssh authority add needs a NAME and the FILE.pub of the key that signs")
	}
	key, err := readKey(c, c.Args().Get(1))
	if err != nil {
		return err
	}
	args := inventory.AuthorityArgs{Name: c.Args().First(), Key: key.Line, For: c.StringSlice("for"), Principals: map[string]string{}}
	for _, text := range c.StringSlice("map") {
		principal, user, ok := strings.Cut(text, "=")
		if !ok {
			return usage("--map %q is not PRINCIPAL=USER", text)
		}
		args.Principals[principal] = user
	}
	return mutateEach(c, []string{args.Name}, is("is trusted"),
		func(ctx context.Context, api *client.Client, _ string, o client.Options) (client.Answer, error) {
			return api.TrustAuthority(ctx, args, o)
		})
}

func removeAuthorities(c *cli.Context) error {
	names, err := named(c)
	if err != nil {
		return err
	}
	return mutateEach(c, names, is("is trusted no more"),
		func(ctx context.Context, api *client.Client, name string, o client.Options) (client.Answer, error) {
			return api.DistrustAuthority(ctx, name, o)
		})
}
