package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/urfave/cli/v2"
	"golang.org/x/term"

	"lodge/inventory"
	"lodge/web/client"
	"lodge/web/wire"
)

func secretCommands() []*cli.Command {
	return []*cli.Command{{Name: "secret", Category: "Host", Usage: "values the agent keeps and shows nobody",
		Subcommands: []*cli.Command{
			{Name: "list", Aliases: []string{"ls"}, Usage: "list secrets with who uses them", Action: listSecrets},
			{Name: "set", Usage: "set a secret's value, from standard input or a prompt", ArgsUsage: "NAME",
				Description: "One newline at the end is left out. The value is shown to nobody again.",
				Flags:       mutationFlags(&cli.StringFlag{Name: "note", Usage: "what it is, in a line: `TEXT`"}), Action: setSecret},
			{Name: "delete", Aliases: []string{"rm"}, Usage: "remove secrets", ArgsUsage: "NAME...", Flags: mutationFlags(),
				Action: eachAccount("is gone", (*client.Client).DeleteSecret)},
			{Name: "rotate", Usage: "make another host key, and seal every secret by it", Flags: mutationFlags(), Action: rotateHostKey},
		}}}
}

func listSecrets(c *cli.Context) error {
	all, err := read(c, func(api *client.Client) ([]wire.Secret, error) { return api.Secrets(c.Context) })
	if err != nil {
		return err
	}
	return printList(c, all, []column[wire.Secret]{
		{"name", false, func(s wire.Secret) string { return s.Name }},
		{"used by", false, func(s wire.Secret) string {
			var by []string
			for _, u := range s.Uses {
				by = append(by, u.By)
			}
			return strings.Join(by, ", ")
		}},
		{"set", false, func(s wire.Secret) string { return when(s.UpdatedAt) }},
		{"by", false, func(s wire.Secret) string { return s.UpdatedBy }},
		{"note", false, func(s wire.Secret) string { return s.Note }},
		{"revision", true, func(s wire.Secret) string { return fmt.Sprint(s.Revision) }},
	})
}

func setSecret(c *cli.Context) error {
	if c.NArg() != 1 {
		return usage("secret set needs one NAME; the value comes from standard input, never from an argument")
	}
	value, err := secretValue(c)
	if err != nil {
		return err
	}
	if len(value) == 0 {
		return usage("the value is empty; 'lodge secret delete' removes a secret")
	}
	return mutateEach(c, []string{c.Args().First()}, is("is set"),
		func(ctx context.Context, api *client.Client, name string, o client.Options) (client.Answer, error) {
			return api.SetSecret(ctx, name, wire.SecretValue{Value: value, Note: flagText(c, "note")}, o)
		})
}

// secretValue asks for a value without showing it, or reads what is piped in.
func secretValue(c *cli.Context) ([]byte, error) {
	if f, ok := c.App.Reader.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		fmt.Fprintf(c.App.ErrWriter, "value of %s: ", c.Args().First())
		value, err := term.ReadPassword(int(f.Fd()))
		fmt.Fprintln(c.App.ErrWriter)
		return value, err
	}
	value, err := io.ReadAll(io.LimitReader(c.App.Reader, inventory.MaxSecret+2))
	return bytes.TrimSuffix(value, []byte("\n")), err
}

func rotateHostKey(c *cli.Context) error {
	if c.NArg() > 0 {
		return usage("secret rotate takes no name: there is one host key")
	}
	return mutateEach(c, []string{"host key"}, is("is another now; every secret is sealed by it"),
		func(ctx context.Context, api *client.Client, _ string, o client.Options) (client.Answer, error) {
			return api.RotateHostKey(ctx, o)
		})
}
