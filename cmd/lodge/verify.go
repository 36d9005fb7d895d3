package main

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/urfave/cli/v2"

	"lodge/audit"
	"lodge/inventory"
	"lodge/web/client"
	"lodge/web/wire"
)

func verifyAudit(c *cli.Context) error {
	if c.NArg() > 0 {
		return verifyCopy(c, c.Args().First())
	}
	r, err := read(c, func(api *client.Client) (wire.AuditReport,
		error) {
		return api.VerifyAudit(c.Context)
	})
	if err != nil {
		return err
	}
	if structured(c) {
		if err := printValue(c, r); err != nil {
			return err
		}
	} else {
		fmt.Fprintf(c.App.Writer, "%s: %d records\n", r.Verdict, r.Entries)
		for _, line := range r.Detail {
			fmt.Fprintln(c.App.Writer, " ", printable(line))
		}
	}
	report := audit.Report{Verdict: audit.Verdict(r.Verdict)}
	return verdictCode(report.ExitCode())
}

// verifyCopy checks a folder, a bundle or a proof without an agent.
func verifyCopy(c *cli.Context, path string) error {
	key, err := pinnedKey(c.String("key"))
	if err != nil {
		return err
	}
	if text, err := readStart(path); err == nil && audit.IsProof(text) {
		return verifyProof(c, path, key)
	}
	o := audit.VerifyOptions{PublicKey: key, Recordings: c.String("recordings")}
	for _, name := range c.StringSlice("checkpoint") {
		if err := addKept(&o, name); err != nil {
			return usage("--checkpoint: %v", err)
		}
	}
	check := audit.Verify
	if audit.IsEvidence(path) {
		check = audit.VerifyEvidence
	}
	r, err := check(path, o)
	if err != nil {
		return err
	}
	if structured(c) {
		err = printValue(c, r)
	} else {
		showReport(c.App.Writer, r)
	}
	if err != nil {
		return err
	}
	return verdictCode(r.ExitCode())
}

func showReport(out io.Writer, r audit.Report) {
	pinned := "named by the journal itself; compare it with the one you noted"
	if r.Pinned {
		pinned = "the journal has the key you gave"
	}
	fmt.Fprintf(out, "%s: records %d to %d in %d segments, %s to %s\n", r.Verdict,
		r.First, r.Last, r.Segments, when(r.From), when(r.To))
	fmt.Fprintf(out, "journal:     %s\ncheckpoint:  %d %s\nkey:         %s (%s)\n", printable(r.Origin), r.Size, r.Root, r.Key, pinned)
	if r.Documents > 0 {
		fmt.Fprintf(out, "evidence:    %d files, resting on %d of the records\n", r.Documents, r.Cited)
	}
	for _, p := range r.Problems {
		fmt.Fprintln(out, " ", printable(p.String()))
	}
	if r.More > 0 {
		fmt.Fprintf(out, "  and %d more\n", r.More)
	}
	for _, n := range r.Remarks() {
		fmt.Fprintln(out, "note:", printable(n))
	}
	for _, l := range r.Limits() {
		fmt.Fprintln(out, "limit:", l)
	}
}

// verifyProof checks that one record is in the journal, by what 'lodge audit prove' wrote.
func verifyProof(c *cli.Context, path string, key ed25519.PublicKey) error {
	if key == nil {
		return usage("a proof is checked with the audit key: give --key")
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	e, cp, err := audit.CheckProof(text, key)
	if errors.Is(err, inventory.ErrState) {
		fmt.Fprintln(c.App.Writer, "tampered:", printable(err.Error()))
		return verdictCode(10)
	}
	if err != nil {
		return err
	}
	if structured(c) {
		return printValue(c, wire.AuditRecord{Seq: e.Seq, Hash: e.Hash.String(), Record: e.Record})
	}
	fmt.Fprintf(c.App.Writer, "clean: record %d of %s, by the checkpoint of %d records signed %s\n%s\n",
		e.Seq, printable(cp.Origin), cp.Size, when(cp.At), printable(string(e.Payload)))
	return nil
}

// readStart reads as much of a file as tells what it is.
func readStart(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	start := make([]byte, 64)
	n, err := io.ReadFull(f, start)
	if err == io.ErrUnexpectedEOF {
		err = nil
	}
	return start[:n], err
}

// pinnedKey reads a key that is given as a file or as text; nil for none.
func pinnedKey(text string) (ed25519.PublicKey, error) {
	if text == "" {
		return nil, nil
	}
	if raw, err := os.ReadFile(text); err == nil {
		text = string(raw)
	}
	key, err := audit.ParsePublicKey(text)
	if err != nil {
		return nil, usage("--key: %v", err)
	}
	return key, nil
}

func verdictCode(code int) error {
	if code == 0 {
		return nil
	}
	return codeError(code)
}
