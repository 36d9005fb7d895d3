package main

import (
	"fmt"
	"time"

	"github.com/urfave/cli/v2"

	"lodge/inventory"
	"lodge/web/client"
	"lodge/web/wire"
)

func auditCommands() []*cli.Command {
	filter := func() []cli.Flag {
		return []cli.Flag{&cli.StringFlag{Name: "verb", Usage: "only of `VERB`: container.delete"},
			&cli.StringFlag{Name: "by", Aliases: []string{"actor"}, Usage: "only of `PRINCIPAL`"},
			&cli.StringFlag{Name: "target", Usage: "only about `NAME` or subject: web1, container:ID"},
			&cli.StringFlag{Name: "name", Usage: "only about `NAME`"},
			&cli.StringFlag{Name: "kind", Usage: "intent, refusal, outcome or fact"},
			&cli.StringFlag{Name: "outcome", Usage: "success, failure, denied or unknown"},
			&cli.StringFlag{Name: "change", Usage: "only of the change `ID`"},
			&cli.StringFlag{Name: "since",
				Usage: "`TIME`: 2026-05-03, '2h ago'"}, &cli.StringFlag{Name: "until", Usage: "`TIME`"},
			&cli.IntFlag{Name: "limit", Value: 50, Usage: "at most `N`, the newest"}}
	}
	return []*cli.Command{{Name: "audit", Category: "Evidence",
		Usage: "who did what, when, why, and how it ended", Subcommands: append([]*cli.Command{
			{Name: "list", Aliases: []string{"ls"}, Usage: "records, newest first", Flags: filter(),
				Action: listAudit},
			{Name: "key", Usage: "the public key to pin: keep it away from the host", Action: showAuditKey,
				Description: "The key goes to standard output, as audit verify --key takes it; its fingerprint to standard error."},
			{Name: "show", Usage: "one record", ArgsUsage: "SEQ", Action: showAudit},
			{Name: "tail", Usage: "follow the journal", Action: tailAudit},
			{Name: "verify", Usage: "check that nothing was changed, removed or added",
				ArgsUsage: "[DIR|BUNDLE|EVIDENCE|PROOF]", Action: verifyAudit,
				Description: "Without an argument the agent checks its own journal. With one, a copy of a journal's folder, what audit export, evidence or audit prove wrote is checked here, without an agent or a network.\nExit codes of its own: 0 clean, 10 tampered, 11 incomplete.",
				Flags: []cli.Flag{&cli.StringFlag{Name: "key", Usage: "public audit key to hold it against: `FILE` or text"},
					&cli.StringFlag{Name: "recordings", Usage: "`FOLDER` of the sessions' recordings, to compare with their hashes"},
					&cli.StringSliceFlag{Name: "checkpoint", Usage: "checkpoint that was kept elsewhere, which the journal has to agree with: `FILE`; " +
						"or a syslog with checkpoints in it, or a folder of them"}}},
			{Name: "anchors", Usage: "where records and checkpoints leave the host, and how far that is", Action: listAnchors,
				Description: "Exit code 1 if one of them fails. They are settings of the host: audit.syslog, audit.drop, audit.journald."},
		}, proofCommands()...)}}
}

var auditColumns = []column[wire.AuditRecord]{
	{"seq", false, func(r wire.AuditRecord) string { return fmt.Sprint(r.Seq) }},
	{"at", false, func(r wire.AuditRecord) string { return when(r.At) }},
	{"kind", false, func(r wire.AuditRecord) string { return string(r.Kind) }},
	{"verb", false, func(r wire.AuditRecord) string { return r.Verb }},
	{"name", false, func(r wire.AuditRecord) string { return r.Name }},
	{"by", false, func(r wire.AuditRecord) string { return r.Principal.Name }},
	{"outcome", true, func(r wire.AuditRecord) string { return string(r.Outcome) }},
	{"result", false, func(r wire.AuditRecord) string { return r.Result }},
	{"reason", false, func(r wire.AuditRecord) string { return r.Reason }},
	{"ticket", true, func(r wire.AuditRecord) string { return r.Ticket }},
	{"from", true, func(r wire.AuditRecord) string { return r.Principal.From }},
	{"operation", true, func(r wire.AuditRecord) string { return string(r.Operation) }},
	{"hash", true, func(r wire.AuditRecord) string { return r.Hash }},
}

func listAudit(c *cli.Context) error {
	q := client.RecordQuery{Verb: c.String("verb"), Principal: c.String("by"), Name: c.String("name"),
		Target: c.String("target"), Outcome: inventory.Outcome(c.String("outcome")), Change: inventory.ChangeID(c.String("change")),
		Kind: inventory.RecordKind(c.String("kind")), Limit: c.Int("limit"), Project: c.String("project")}
	for name, t := range map[string]*time.Time{"since": &q.Since, "until": &q.Until} {
		if text := c.String(name); text != "" {
			at, err := inventory.ParseTime(text, time.Now())
			if err != nil {
				return err
			}
			*t = at
		}
	}
	page, err := read(c, func(api *client.Client) (wire.Page[wire.AuditRecord],
		error) {
		return api.AuditRecords(c.Context, q)
	})
	if err != nil {
		return err
	}
	return printList(c, page.Items, auditColumns)
}

func showAudit(c *cli.Context) error {
	var seq int64
	if _, err := fmt.Sscan(c.Args().First(), &seq); err != nil || c.NArg() != 1 {
		return usage("audit show needs the number of a record")
	}
	api, err := dial(c)
	if err != nil {
		return err
	}
	defer api.Close()
	newest, err := api.AuditRecords(c.Context, client.RecordQuery{Limit: 1})
	if err != nil {
		return err
	}
	if len(newest.Items) == 0 || seq < 1 || seq > newest.Items[0].Seq { // the tail would wait for it
		return inventory.Errorf(inventory.ErrNotFound, "there is no record %d", seq)
	}
	for r, err := range api.AuditTail(c.Context, seq-1) {
		if err != nil {
			return err
		}
		if r.Seq != seq {
			break
		}
		return printValue(c, r)
	}
	return inventory.Errorf(inventory.ErrNotFound, "there is no record %d", seq)
}

func showAuditKey(c *cli.Context) error {
	k, err := read(c, func(api *client.Client) (wire.AuditKey, error) { return api.AuditKey(c.Context) })
	if err != nil {
		return err
	}
	if structured(c) {
		return printValue(c, k)
	}
	fmt.Fprintln(c.App.Writer, k.PublicKey)
	if !c.Bool("quiet") {
		fmt.Fprintln(c.App.ErrWriter, k.Fingerprint)
	}
	return nil
}

func tailAudit(c *cli.Context) error {
	api, err := dial(c)
	if err != nil {
		return err
	}
	defer api.Close()
	for r, err := range api.AuditTail(c.Context, -1) {
		if err != nil {
			return err
		}
		if structured(c) {
			if err := printValue(c, r); err != nil {
				return err
			}
			continue
		}
		fmt.Fprintf(c.App.Writer, "%d  %s  %-7s  %s %s  by %s  %s\n", r.Seq, when(r.At), r.Kind,
			r.Verb, printable(r.Name), printable(r.Principal.Name), printable(r.Result))
	}
	return nil
}
