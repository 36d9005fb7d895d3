package main

import (
	"context"
	"os"
	"strings"

	"github.com/urfave/cli/v2"

	"lodge/inventory"
	"lodge/web/client"
	"lodge/web/wire"
)

// sshCertificateCommands are about certificates the host has signed.
func sshCertificateCommands() []*cli.Command {
	return []*cli.Command{
		{Name: "certs", Usage: "list certificates the host has signed", Action: listCertificates,
			Flags: []cli.Flag{&cli.StringFlag{Name: "user", Usage: "only `USER`'s"},
				&cli.BoolFlag{Name: "all", Usage: "those that are over or revoked, too"}}},
		{Name: "revoke", Usage: "take certificates back, or forbid a key for good", ArgsUsage: "[SERIAL|KEY-ID...]", Action: revokeCertificates,
			Description: "What they opened ends at once. A KEY-ID is NAME/ID, as sshds log it, and means all in force with it. A key\n" +
				"that is forbidden can't be added by anybody again, and no certificate of it is taken, whoever signed it.",
			Flags: mutationFlags(&cli.StringFlag{Name: "key", Usage: "the key with this `FINGERPRINT`, for good"},
				&cli.StringFlag{Name: "user", Usage: "all of `USER`'s that are in force"})},
		{Name: "krl", Usage: "write a key revocation list for other sshds", ArgsUsage: "[FILE]", Action: writeRevocationList,
			Description: "It is what OpenSSH's RevokedKeys reads, and belongs beside TrustedUserCAKeys. FILE is replaced as a whole."},
	}
}

func writeRevocationList(c *cli.Context) error {
	if c.NArg() > 1 {
		return usage("ssh krl takes one FILE")
	}
	list, err := read(c, func(api *client.Client) ([]byte, error) { return api.RevocationList(c.Context) })
	if err != nil {
		return err
	}
	path := c.Args().First()
	if path == "" || path == "-" {
		_, err := c.App.Writer.Write(list)
		return err
	}
	// sshd lets nobody in while the file is not whole (sshd_config(5), RevokedKeys).
	if err := os.WriteFile(path+".new", list, 0o644); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

func listCertificates(c *cli.Context) error {
	all, err := read(c, func(api *client.Client) ([]wire.CertificateEntry, error) {
		return api.Certificates(c.Context, c.String("user"), c.Bool("all"))
	})
	if err != nil {
		return err
	}
	return printList(c, all, []column[wire.CertificateEntry]{
		{"serial", false, func(x wire.CertificateEntry) string { return x.Serial }},
		{"user", false, func(x wire.CertificateEntry) string { return x.User }},
		{"state", false, func(x wire.CertificateEntry) string { return x.State }},
		{"until", false, func(x wire.CertificateEntry) string { return when(x.Until) }},
		{"fingerprint", false, func(x wire.CertificateEntry) string { return x.Fingerprint }},
		{"key id", true, func(x wire.CertificateEntry) string { return x.KeyID }},
		{"principals", true, func(x wire.CertificateEntry) string { return strings.Join(x.Principals, " ") }},
		{"from", true, func(x wire.CertificateEntry) string { return when(x.From) }},
		{"revoked", true, func(x wire.CertificateEntry) string { return when(x.RevokedAt) }},
		{"by", true, func(x wire.CertificateEntry) string { return x.RevokedBy }},
		{"reason", true, func(x wire.CertificateEntry) string { return x.Reason }},
	})
}

func revokeCertificates(c *cli.Context) error {
	asked := map[string]inventory.CertificateRevokeArgs{}
	var names []string
	add := func(args inventory.CertificateRevokeArgs) {
		asked[args.Subject()], names = args, append(names, args.Subject())
	}
	for _, name := range c.Args().Slice() {
		if strings.Contains(name, "/") {
			add(inventory.CertificateRevokeArgs{KeyID: name})
		} else {
			add(inventory.CertificateRevokeArgs{Serial: name})
		}
	}
	if key := c.String("key"); key != "" {
		add(inventory.CertificateRevokeArgs{Fingerprint: key})
	}
	if user := c.String("user"); user != "" {
		add(inventory.CertificateRevokeArgs{User: user})
	}
	if len(names) == 0 {
		return usage("ssh revoke needs a SERIAL or KEY-ID of 'lodge ssh certs', or --key or --user")
	}
	return mutateEach(c, once(names), is("is revoked"),
		func(ctx context.Context, api *client.Client, name string, o client.Options) (client.Answer, error) {
			return api.RevokeCertificates(ctx, asked[name], o)
		})
}
