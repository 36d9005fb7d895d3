package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"lodge/inventory"
	"lodge/web/client"
	"lodge/web/wire"
)

// identityCategory is where help shows who may do what.
const identityCategory = "Who may do what"

func userCommands() []*cli.Command {
	uids := &cli.UintSliceFlag{Name: "uid", Usage: "`UID` of this host that is them, may be repeated"}
	note := &cli.StringFlag{Name: "note", Usage: "who they are, in a line: `TEXT`"}
	return []*cli.Command{{Name: "user", Category: identityCategory, Usage: "people, and programs that act by themselves",
		Subcommands: []*cli.Command{
			{Name: "list", Aliases: []string{"ls"}, Usage: "list users", Action: listUsers},
			{Name: "show", Usage: "everything about one", ArgsUsage: "USER", Action: showUser, BashComplete: completeUsers},
			{Name: "create", Usage: "make users", ArgsUsage: "USER...", Flags: mutationFlags(uids, note), Action: createUsers,
				Description: "A user may do nothing until 'lodge role grant' says what, and sees what they own.\n" +
					"With --uid they are known at this host's socket."},
			{Name: "link", Usage: "say which uids of this host are a user, or who they are", ArgsUsage: "USER [UID...]",
				Flags: mutationFlags(note), Action: linkUser, BashComplete: completeUsers},
			{Name: "unlink", Usage: "say that uids of this host are a user no more", ArgsUsage: "USER UID...",
				Flags: mutationFlags(), Action: unlinkUser, BashComplete: completeUsers},
			{Name: "disable", Usage: "let users do nothing more, in whatever way; their sessions end", ArgsUsage: "USER...",
				Description: "Sessions end at once, tokens and keys open nothing, what they wait for is not run, and what they own\n" +
					"is listed by 'lodge list --filter orphaned=yes' until 'lodge owner' gives it to others.",
				Flags: mutationFlags(), Action: eachAccount("is disabled", (*client.Client).DisableUser), BashComplete: completeUsers},
			{Name: "enable", Usage: "let disabled users in again", ArgsUsage: "USER...", Flags: mutationFlags(),
				Action: eachAccount("is enabled", (*client.Client).EnableUser), BashComplete: completeUsers},
			{Name: "delete", Aliases: []string{"rm"}, Usage: "remove users who own nothing", ArgsUsage: "USER...",
				Flags: mutationFlags(), Action: eachAccount("is gone", (*client.Client).DeleteUser), BashComplete: completeUsers},
		}}}
}

func listUsers(c *cli.Context) error {
	all, err := read(c, func(api *client.Client) ([]wire.User, error) { return api.Users(c.Context) })
	if err != nil {
		return err
	}
	return printList(c, all, []column[wire.User]{
		{"name", false, func(u wire.User) string { return u.Name }},
		{"state", false, userState},
		{"uids", false, func(u wire.User) string { return uidText(u.UIDs) }},
		{"keys", false, func(u wire.User) string { return fmt.Sprint(u.Keys) }},
		{"groups", false, func(u wire.User) string { return strings.Join(u.Groups, " ") }},
		{"note", false, func(u wire.User) string { return u.Note }},
		{"id", true, func(u wire.User) string { return string(u.ID) }},
		{"created", true, func(u wire.User) string { return when(u.CreatedAt) }},
	})
}

func userState(u wire.User) string {
	if u.Disabled {
		return "disabled"
	}
	return "enabled"
}

func uidText(uids []uint32) string { return strings.Trim(fmt.Sprint(uids), "[]") }

func showUser(c *cli.Context) error {
	if c.NArg() != 1 {
		return usage("user show takes one USER")
	}
	all, err := read(c, func(api *client.Client) ([]wire.User, error) { return api.Users(c.Context) })
	if err != nil {
		return err
	}
	name := c.Args().First()
	i := slices.IndexFunc(all, func(u wire.User) bool { return u.Name == name || string(u.ID) == name })
	if i < 0 {
		return inventory.Errorf(inventory.ErrNotFound, "there is no user %s; 'lodge user list' shows them", name)
	}
	u := all[i]
	if structured(c) {
		return printValue(c, u)
	}
	fields := []field{{"name", u.Name}, {"id", string(u.ID)}, {"state", userState(u)}, {"uids", uidText(u.UIDs)},
		{"groups", strings.Join(u.Groups, " ")}, {"keys", fmt.Sprint(u.Keys)}, {"note", u.Note}, {"created", when(u.CreatedAt)}}
	if u.Disabled {
		fields = append(fields, field{"disabled", when(u.DisabledAt)})
	}
	printFields(c.App.Writer, fields)
	return nil
}

func createUsers(c *cli.Context) error {
	names, err := named(c)
	if err != nil {
		return err
	}
	if len(names) > 1 && c.IsSet("uid") {
		return usage("a uid is one user's: give --uid with one USER")
	}
	args := inventory.UserArgs{Note: flagText(c, "note")}
	for _, uid := range c.UintSlice("uid") {
		args.Link = append(args.Link, uint32(min(uid, inventory.NoUID)))
	}
	return mutateEach(c, names, is("is a user"),
		func(ctx context.Context, api *client.Client, name string, o client.Options) (client.Answer, error) {
			args := args
			args.Name = name
			return api.CreateUser(ctx, args, o)
		})
}

// flagText returns the value of a flag that was given, else nil.
func flagText(c *cli.Context, flag string) *string {
	if !c.IsSet(flag) {
		return nil
	}
	value := c.String(flag)
	return &value
}

func linkUser(c *cli.Context) error {
	uids, err := userUIDs(c)
	if err != nil {
		return err
	}
	return updateUser(c, inventory.UserArgs{Link: uids, Note: flagText(c, "note")})
}

func unlinkUser(c *cli.Context) error {
	uids, err := userUIDs(c)
	if err != nil {
		return err
	}
	return updateUser(c, inventory.UserArgs{Unlink: uids})
}

func updateUser(c *cli.Context, args inventory.UserArgs) error {
	return mutateEach(c, []string{c.Args().First()}, is("is changed"),
		func(ctx context.Context, api *client.Client, name string, o client.Options) (client.Answer, error) {
			return api.UpdateUser(ctx, name, args, o)
		})
}

func userUIDs(c *cli.Context) (uids []uint32, err error) {
	if c.NArg() < 2 && !c.IsSet("note") {
		return nil, usage("%s needs a USER and at least one UID", commandName(c))
	}
	for _, text := range c.Args().Tail() {
		var uid uint32
		if n, err := fmt.Sscanf(text, "%d", &uid); n != 1 || err != nil || fmt.Sprint(uid) != text {
			return nil, usage("%s is no uid; 'id -u NAME' shows one", text)
		}
		uids = append(uids, uid)
	}
	return uids, nil
}

// eachAccount does the same to every user or group that is named.
func eachAccount(end string, do func(*client.Client, context.Context, string, client.Options) (client.Answer, error)) cli.ActionFunc {
	return func(c *cli.Context) error {
		names, err := named(c)
		if err != nil {
			return err
		}
		return mutateEach(c, names, is(end),
			func(ctx context.Context, api *client.Client, name string, o client.Options) (client.Answer, error) {
				return do(api, ctx, name, o)
			})
	}
}

func completeUsers(c *cli.Context) {
	complete(c, func(ctx context.Context, api *client.Client) (names []string, err error) {
		all, err := api.Users(ctx)
		for _, u := range all {
			names = append(names, u.Name)
		}
		return names, err
	})
}
