package main

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/urfave/cli/v2"

	"lodge/web/client"
)

// proofCommands are those of audit that take something out of the journal, or change how it is kept.
func proofCommands() []*cli.Command {
	file := &cli.StringFlag{Name: "file", Aliases: []string{"f"}, Usage: "write to `FILE` instead of standard output"}
	return []*cli.Command{
		{Name: "export", Usage: "records as a bundle that audit verify checks without the agent", Action: exportAudit,
			Description: "A tar file of whole segments, so it may begin before --from and end after --to. What is exported is recorded.",
			Flags: []cli.Flag{&cli.StringFlag{Name: "from", Usage: "`TIME`: 2026-05-03, '2h ago'"},
				&cli.StringFlag{Name: "to", Usage: "`TIME`"}, file}},
		{Name: "prove", Usage: "prove that one record is in the journal", ArgsUsage: "SEQ", Action: proveAudit, Flags: []cli.Flag{file},
			Description: "Writes the record, the hashes from it to the root of the tree and a checkpoint (c2sp.org/tlog-proof).\n" +
				"audit verify FILE --key KEY checks it, without the agent and without the other records."},
		{Name: "checkpoint", Usage: "the newest checkpoint: keep it away from the host, for audit verify --checkpoint",
			Action: showCheckpoint, Flags: []cli.Flag{file}},
		{Name: "reindex", Usage: "make the index that records are found by anew, from the journal", Action: reindexAudit, Flags: mutationFlags()},
		{Name: "rotate", Usage: "sign the journal with a new key, which the old one signs", Action: rotateAuditKey, Flags: mutationFlags()},
	}
}

func exportAudit(c *cli.Context) error {
	from, to, err := bounds(c)
	if err != nil {
		return err
	}
	if c.String("file") == "" && isTerminal(c.App.Writer) {
		return usage("a bundle is not for a terminal: give --file, or redirect")
	}
	return download(c, func(ctx context.Context, api *client.Client, w io.Writer) error {
		return api.ExportAudit(ctx, w, from, to)
	})
}

func proveAudit(c *cli.Context) error {
	var seq int64
	if _, err := fmt.Sscan(c.Args().First(), &seq); err != nil || c.NArg() != 1 {
		return usage("audit prove needs the number of a record")
	}
	return download(c, func(ctx context.Context, api *client.Client, w io.Writer) error { return api.ProveAudit(ctx, w, seq) })
}

func showCheckpoint(c *cli.Context) error {
	return download(c, func(ctx context.Context, api *client.Client, w io.Writer) error { return api.AuditCheckpoint(ctx, w) })
}

// download writes what the agent answers to the file that was asked for, which is there whole or not
// at all, or to standard output.
func download(c *cli.Context, fetch func(context.Context, *client.Client, io.Writer) error) (err error) {
	api, err := dial(c)
	if err != nil {
		return err
	}
	defer api.Close()
	name := c.String("file")
	if name == "" {
		return fetch(c.Context, api, c.App.Writer)
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if err = fetch(c.Context, api, f); err == nil {
		err = f.Close()
	}
	if err != nil {
		f.Close()
		os.Remove(name)
	}
	return err
}

func reindexAudit(c *cli.Context) error {
	return mutateEach(c, []string{"audit"}, is("is being indexed"),
		func(ctx context.Context, api *client.Client, _ string, o client.Options) (client.Answer, error) {
			return api.Reindex(ctx, o)
		})
}

func rotateAuditKey(c *cli.Context) error {
	err := mutateEach(c, []string{"audit"}, is("has a new key; 'lodge audit key' shows it, to be pinned"),
		func(ctx context.Context, api *client.Client, _ string, o client.Options) (client.Answer, error) {
			return api.RotateAuditKey(ctx, o)
		})
	return err
}
