package main

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"lodge/inventory"
	"lodge/web/client"
	"lodge/web/wire"
)

// mostPolicies bounds what is read as policies: what the agent takes, and a little to be told so.
const mostPolicies = 256<<10 + 1

func policyCommands() []*cli.Command {
	asked := func(more ...cli.Flag) []cli.Flag {
		return append(more, &cli.StringFlag{Name: "as", Usage: "`WHO` asks: a user, root, role:ROLE, group:GROUP; you, if not given"})
	}
	const words = "WORDS are those of a command and a name (delete db1), or a verb and a name (container.delete db1).\n" +
		"In place of a name facts do as well: stop env=prod,label.tier=db."
	return []*cli.Command{{Name: "policy", Category: "Checks and balances", Usage: "what is refused, or waits for others, whatever roles give",
		Subcommands: []*cli.Command{
			{Name: "list", Aliases: []string{"ls"}, Usage: "the policies in force", Action: listPolicies},
			{Name: "show", Usage: "the site's policies as text", ArgsUsage: "[VERSION]", Action: showPolicies,
				Flags: []cli.Flag{&cli.BoolFlag{Name: "base", Usage: "those that hold on every host"},
					&cli.BoolFlag{Name: "schema", Usage: "what policies may speak of"}}},
			{Name: "set", Usage: "replace the site's policies", ArgsUsage: " ", Action: setPolicies,
				Description: "They are checked against the schema and what is expected of them before they hold; --plan shows which decisions\n" +
					"about what there is would change. Once there are any, the next ones take another administrator.",
				Flags: mutationFlags(&cli.StringFlag{Name: "file", Aliases: []string{"f"}, Usage: "`FILE` with all of them, in Cedar; - is standard input"})},
			{Name: "edit", Usage: "change the site's policies in your editor", Action: editPolicies, Flags: mutationFlags()},
			{Name: "diff", Usage: "compare two versions of the site's policies", ArgsUsage: "[OLD [NEW]]", Action: diffPolicies,
				Description: "Without NEW, with those in force; without OLD, the version before them."},
			{Name: "history", Usage: "the versions of the site's policies", Action: policyHistory},
			{Name: "revert", Usage: "go back to an earlier version", ArgsUsage: "VERSION", Action: revertPolicies, Flags: mutationFlags(),
				Description: "It becomes the newest version. 0 is no policies of the site."},
			{Name: "test", Usage: "say what would become of a request, and by which policies", ArgsUsage: "WORDS...",
				Description: words + "\nExits 0 for allow, 4 for deny, 5 for hold.", Action: testPolicies,
				Flags: asked(&cli.StringSliceFlag{Name: "set", Usage: "what the plan would change: `KEY=VALUE`, may be repeated"},
					&cli.StringFlag{Name: "file", Aliases: []string{"f"}, Usage: "ask the policies in `FILE` in place of the site's"})},
			{Name: "expect", Usage: "decisions the policies have to make", Subcommands: []*cli.Command{
				{Name: "list", Aliases: []string{"ls"}, Usage: "what is expected", Action: listExpectations},
				{Name: "add", Usage: "expect a decision from now on", ArgsUsage: "WORDS...", Action: addExpectation,
					Description: words + "\nPolicies that decide otherwise are refused from then on.",
					Flags: mutationFlags(asked(&cli.StringFlag{Name: "want", Usage: "`VERDICT`: allow, deny, hold, or pass for allow or hold"},
						&cli.StringFlag{Name: "note", Usage: "what it is for: `TEXT`"})...)},
				{Name: "remove", Aliases: []string{"rm"}, Usage: "expect it no more", ArgsUsage: "NUMBER...", Flags: mutationFlags(), Action: removeExpectations},
			}},
		}}}
}

func listPolicies(c *cli.Context) error {
	all, err := read(c, func(api *client.Client) (inventory.Policies, error) { return api.Policies(c.Context) })
	if err != nil {
		return err
	}
	if all.Broken != "" {
		complain(c.App.ErrWriter, fmt.Errorf("version %d can't be read, and nothing is allowed: %s", all.Version, printable(all.Broken)))
	}
	return printList(c, all.Rows, []column[inventory.PolicyRow]{
		{"name", false, func(p inventory.PolicyRow) string { return p.Name }},
		{"effect", false, func(p inventory.PolicyRow) string { return string(p.Effect) }},
		{"needs", false, func(p inventory.PolicyRow) string { return p.Needs }},
		{"reason", false, func(p inventory.PolicyRow) string { return p.Reason }},
		{"line", true, func(p inventory.PolicyRow) string { return strconv.Itoa(p.Line) }},
	})
}

func showPolicies(c *cli.Context) error {
	if c.NArg() > 1 {
		return usage("policy show takes one VERSION")
	}
	text, err := read(c, func(api *client.Client) (string, error) {
		if c.NArg() == 1 {
			return versionText(c.Context, api, c.Args().First())
		}
		all, err := api.Policies(c.Context)
		switch {
		case c.Bool("schema"):
			return all.Schema, err
		case c.Bool("base"):
			return all.BaseText, err
		}
		return all.Text, err
	})
	if err != nil {
		return err
	}
	_, err = fmt.Fprint(c.App.Writer, text)
	return err
}

// versionText is the text of a version; 0 is none.
func versionText(ctx context.Context, api *client.Client, text string) (string, error) {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 {
		return "", usage("%q is no version; 'lodge policy history' lists them", text)
	}
	if n == 0 {
		return "", nil
	}
	v, err := api.PolicyVersion(ctx, n)
	return v.Text, err
}

func policyFile(c *cli.Context, name string) (string, error) {
	text, err := readFile(c, name, mostPolicies)
	return string(text), err
}

func setPolicies(c *cli.Context) error {
	if c.String("file") == "" || c.NArg() > 0 {
		return usage("policy set needs --file FILE with all policies of the site, like: lodge policy set -f site.cedar --plan")
	}
	text, err := policyFile(c, c.String("file"))
	if err != nil {
		return err
	}
	return replacePolicies(c, inventory.PolicyArgs{Text: text})
}

func replacePolicies(c *cli.Context, args inventory.PolicyArgs) error {
	return mutateEach(c, []string{"site"}, says("the site's policies are in force"),
		func(ctx context.Context, api *client.Client, _ string, o client.Options) (client.Answer, error) {
			return api.SetPolicies(ctx, args, o)
		})
}

func editPolicies(c *cli.Context) error {
	all, err := read(c, func(api *client.Client) (inventory.Policies, error) { return api.Policies(c.Context) })
	if err != nil {
		return err
	}
	edited, err := edit([]byte(all.Text), ".cedar")
	if err != nil || bytes.Equal(edited, []byte(all.Text)) {
		return err
	}
	if err := replacePolicies(c, inventory.PolicyArgs{Text: string(edited), Base: all.Version}); err != nil {
		return kept(edited, err)
	}
	return nil
}

func revertPolicies(c *cli.Context) error {
	n, err := strconv.ParseInt(c.Args().First(), 10, 64)
	if err != nil || n < 0 || c.NArg() != 1 {
		return usage("policy revert needs a VERSION; 'lodge policy history' lists them, 0 is none")
	}
	return replacePolicies(c, inventory.PolicyArgs{Revert: &n})
}

func policyHistory(c *cli.Context) error {
	all, err := read(c, func(api *client.Client) ([]inventory.PolicyVersion, error) { return api.PolicyVersions(c.Context) })
	if err != nil {
		return err
	}
	return printList(c, all, []column[inventory.PolicyVersion]{
		{"version", false, func(v inventory.PolicyVersion) string { return strconv.FormatInt(v.Version, 10) }},
		{"at", false, func(v inventory.PolicyVersion) string { return when(v.CreatedAt) }},
		{"by", false, func(v inventory.PolicyVersion) string { return v.By }},
		{"policies", false, func(v inventory.PolicyVersion) string { return strconv.Itoa(v.Policies) }},
		{"change", false, func(v inventory.PolicyVersion) string { return string(v.Change) }},
		{"reason", false, func(v inventory.PolicyVersion) string { return v.Reason }},
		{"ticket", true, func(v inventory.PolicyVersion) string { return v.Ticket }},
		{"sha256", true, func(v inventory.PolicyVersion) string { return v.SHA256 }},
	})
}

// diffPolicies compares two versions line by line.
func diffPolicies(c *cli.Context) error {
	if c.NArg() > 2 {
		return usage("policy diff takes OLD and NEW")
	}
	var old, now string
	_, err := read(c, func(api *client.Client) (none struct{}, err error) {
		all, err := api.Policies(c.Context)
		if err != nil {
			return none, err
		}
		first := cmp.Or(c.Args().First(), strconv.FormatInt(max(all.Version-1, 0), 10))
		second := cmp.Or(c.Args().Get(1), strconv.FormatInt(all.Version, 10))
		if old, err = versionText(c.Context, api, first); err != nil {
			return none, err
		}
		now, err = versionText(c.Context, api, second)
		return none, err
	})
	if err != nil {
		return err
	}
	for _, line := range inventory.DiffLines(old, now) {
		if _, err := fmt.Fprintln(c.App.Writer, line); err != nil {
			return err
		}
	}
	return nil
}

func testPolicies(c *cli.Context) error {
	if c.NArg() == 0 {
		return usage("policy test needs what to ask, like: lodge policy test --as dev1 delete db1")
	}
	q := inventory.PolicyQuestion{As: c.String("as"), Ask: c.Args().Slice(), Set: c.StringSlice("set"), Project: project(c)}
	if name := c.String("file"); name != "" {
		text, err := policyFile(c, name)
		if err != nil {
			return err
		}
		q.Text = &text
	}
	a, err := read(c, func(api *client.Client) (inventory.PolicyAnswer, error) { return api.TestPolicies(c.Context, q) })
	if err != nil {
		return err
	}
	if structured(c) {
		err = printValue(c, a)
	} else {
		printAnswer(c.App.Writer, a)
	}
	code, _ := inventory.Kind(inventory.ErrDenied)
	switch {
	case err == nil && a.Verdict == "deny":
		return codeError(code.Exit)
	case err == nil && a.Verdict == "hold":
		return codeError(inventory.ExitHeld)
	}
	return err
}

func printAnswer(out io.Writer, a inventory.PolicyAnswer) {
	fmt.Fprintf(out, "%s: %s\n", a.Verdict, printable(strings.TrimSpace(a.As+" "+a.Verb+" "+a.On)))
	for _, why := range a.Reasons {
		fmt.Fprintf(out, "  because %s\n", printable(why))
	}
	for _, need := range inventory.ConditionTexts(a.Needs) {
		fmt.Fprintf(out, "  needs %s\n", printable(need))
	}
	roles := make([]string, len(a.Roles))
	for i, r := range a.Roles {
		roles[i] = string(r)
	}
	fields := []field{{"right", string(a.Right) + ": " + yes(a.HasRight)}, {"roles", cmp.Or(strings.Join(roles, ", "), "none")},
		{"groups", strings.Join(a.Groups, ", ")}}
	for _, p := range a.Policies {
		text := string(p.Effect)
		if p.Effect == inventory.PolicyHolds && p.Missing == "" {
			text += ", and nothing is missing"
		}
		fields = append(fields, field{"policy", p.Name + " (" + text + ")"})
	}
	printFields(out, append(fields, field{"revision", a.Revision}))
}

func listExpectations(c *cli.Context) error {
	all, err := read(c, func(api *client.Client) ([]inventory.Expectation, error) { return api.Expectations(c.Context) })
	if err != nil {
		return err
	}
	return printList(c, all, []column[inventory.Expectation]{
		{"number", false, func(e inventory.Expectation) string { return strconv.FormatInt(e.ID, 10) }},
		{"as", false, func(e inventory.Expectation) string { return e.As }},
		{"verb", false, func(e inventory.Expectation) string { return e.Verb }},
		{"on", false, func(e inventory.Expectation) string { return e.On }},
		{"want", false, func(e inventory.Expectation) string { return e.Want }},
		{"note", false, func(e inventory.Expectation) string { return e.Note }},
		{"by", true, func(e inventory.Expectation) string { return e.By }},
	})
}

func addExpectation(c *cli.Context) error {
	if c.NArg() == 0 || c.String("as") == "" || c.String("want") == "" {
		return usage("policy expect add needs who, what, and the decision, like: lodge policy expect add --as dev1 --want deny purge db1")
	}
	args := inventory.ExpectArgs{As: c.String("as"), Ask: c.Args().Slice(), Want: c.String("want"), Note: c.String("note"), Project: project(c)}
	return mutateEach(c, []string{strings.Join(args.Ask, " ")}, says("expected from now on"),
		func(ctx context.Context, api *client.Client, _ string, o client.Options) (client.Answer, error) {
			return api.Expect(ctx, args, o)
		})
}

func removeExpectations(c *cli.Context) error {
	ids, err := named(c)
	if err != nil {
		return err
	}
	return mutateEach(c, ids, func(*cli.Context, *client.Client, wire.Operation) string { return "no longer expected" },
		func(ctx context.Context, api *client.Client, id string, o client.Options) (client.Answer, error) {
			n, err := strconv.ParseInt(id, 10, 64)
			if err != nil {
				return client.Answer{}, usage("%q is no number; 'lodge policy expect list' shows them", id)
			}
			return api.Unexpect(ctx, n, o)
		})
}
