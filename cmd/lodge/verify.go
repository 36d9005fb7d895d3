package main

import (
	"crypto/ed25519"
	"fmt"
	"os"

	"github.com/urfave/cli/v2"

	"lodge/audit"
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

// verifyCopy checks a journal's folder without an agent.
func verifyCopy(c *cli.Context, dir string) error {
	key, err := pinnedKey(c.String("key"))
	if err != nil {
		return err
	}
	r, err := audit.Verify(dir, audit.VerifyOptions{PublicKey: key})
	if err != nil {
		return err
	}
	if structured(c) {
		if err := printValue(c, r); err != nil {
			return err
		}
		return verdictCode(r.ExitCode())
	}
	pinned := "the one the journal names; compare it with the one you noted"
	if r.Pinned {
		pinned = "the one you gave"
	}
	out := c.App.Writer
	fmt.Fprintf(out, "%s: %d records in %d segments, %s to %s\nkey: %s (%s)\n", r.Verdict,
		r.Records, r.Segments, when(r.From), when(r.To), r.Key, pinned)
	for _, p := range r.Problems {
		fmt.Fprintln(out, " ", printable(p.String()))
	}
	if r.More > 0 {
		fmt.Fprintf(out, "  and %d more\n", r.More)
	}
	return verdictCode(r.ExitCode())
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
