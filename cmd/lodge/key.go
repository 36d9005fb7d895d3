package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"

	"lodge/inventory"
	"lodge/web/client"
	"lodge/web/wire"
)

func keyCommands() []*cli.Command {
	user := &cli.StringFlag{Name: "user", Usage: "`USER` whose key it is; yourself without it"}
	return []*cli.Command{{Name: "key", Category: identityCategory, Usage: "SSH keys that tell who somebody is",
		Subcommands: []*cli.Command{
			{Name: "list", Aliases: []string{"ls"}, Usage: "list keys with their fingerprints", Flags: []cli.Flag{user}, Action: listKeys},
			{Name: "add", Usage: "add public keys", ArgsUsage: "FILE.pub...", Flags: mutationFlags(user), Action: addKeys,
				Description: "ed25519, ecdsa, rsa of 3072 bits or more, and their sk- forms. - reads standard input."},
			{Name: "remove", Aliases: []string{"rm"}, Usage: "remove keys", ArgsUsage: "SHA256:...", Flags: mutationFlags(user), Action: removeKeys},
		}}}
}

func listKeys(c *cli.Context) error {
	all, err := read(c, func(api *client.Client) ([]wire.UserKey, error) { return api.Keys(c.Context, c.String("user")) })
	if err != nil {
		return err
	}
	return printList(c, all, []column[wire.UserKey]{
		{"user", false, func(k wire.UserKey) string { return k.User }},
		{"fingerprint", false, func(k wire.UserKey) string { return k.Fingerprint }},
		{"type", false, keyType},
		{"comment", false, func(k wire.UserKey) string { return k.Comment }},
		{"key", true, func(k wire.UserKey) string { return k.Key }},
		{"created", true, func(k wire.UserKey) string { return when(k.CreatedAt) }},
	})
}

func keyType(k wire.UserKey) string {
	if k.Bits > 0 {
		return fmt.Sprintf("%s %d", k.Type, k.Bits)
	}
	return k.Type
}

func addKeys(c *cli.Context) error {
	lines := map[string]string{} // by fingerprint
	var names []string
	for _, path := range c.Args().Slice() {
		k, err := readKey(c, path)
		if err != nil {
			return err
		}
		lines[k.Fingerprint], names = k.Line+" "+k.Comment, append(names, k.Fingerprint)
	}
	if len(names) == 0 {
		return usage("key add needs the FILE of a public key, like ~/.ssh/id_ed25519.pub")
	}
	return mutateEach(c, once(names), is("is added"),
		func(ctx context.Context, api *client.Client, name string, o client.Options) (client.Answer, error) {
			return api.AddKey(ctx, inventory.KeyArgs{User: c.String("user"), Key: strings.TrimSpace(lines[name])}, o)
		})
}

// maxKeyFile is far above any public key, and keeps a mistaken file from being read whole.
const maxKeyFile = 64 << 10

func readKey(c *cli.Context, path string) (inventory.SSHKey, error) {
	raw, err := readFile(c, path, maxKeyFile)
	if err != nil {
		return inventory.SSHKey{}, usage("the key can't be read: %v", err)
	}
	return inventory.ParseSSHKey(string(raw))
}

func removeKeys(c *cli.Context) error {
	names, err := named(c)
	if err != nil {
		return err
	}
	return mutateEach(c, names, is("is removed"),
		func(ctx context.Context, api *client.Client, fingerprint string, o client.Options) (client.Answer, error) {
			return api.RemoveKey(ctx, c.String("user"), fingerprint, o)
		})
}
