package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"lodge/audit"
	"lodge/inventory"
	"lodge/web/client"
	"lodge/web/wire"
)

var anchorColumns = []column[wire.AuditAnchor]{
	{"sink", false, func(a wire.AuditAnchor) string { return a.Sink }},
	{"target", false, func(a wire.AuditAnchor) string { return a.Target }},
	{"state", false, func(a wire.AuditAnchor) string { return a.State }},
	{"sent", false, func(a wire.AuditAnchor) string { return fmt.Sprint(a.Sent) }},
	{"arrived", true, func(a wire.AuditAnchor) string { return fmt.Sprint(a.Arrived) }},
	{"size", false, func(a wire.AuditAnchor) string { return fmt.Sprint(a.Size) }},
	{"anchored", false, func(a wire.AuditAnchor) string { return fmt.Sprint(a.Anchored) }},
	{"at", false, func(a wire.AuditAnchor) string { return when(a.At) }},
	{"missed", true, func(a wire.AuditAnchor) string { return fmt.Sprint(a.Missed) }},
	{"since", true, func(a wire.AuditAnchor) string { return when(a.Since) }},
	{"error", false, func(a wire.AuditAnchor) string { return a.Error }},
	{"note", true, func(a wire.AuditAnchor) string { return a.Note }},
}

func listAnchors(c *cli.Context) error {
	page, err := read(c, func(api *client.Client) (wire.Page[wire.AuditAnchor], error) { return api.AuditAnchors(c.Context) })
	if err != nil {
		return err
	}
	if err := printList(c, page.Items, anchorColumns); err != nil {
		return err
	}
	if slices.ContainsFunc(page.Items, func(a wire.AuditAnchor) bool { return a.State == "failing" || a.State == "ahead" }) {
		return codeError(inventory.ExitFailure)
	}
	return nil
}

// checkAnchors asks the agent whether what is recorded leaves the host.
func checkAnchors(h *host) check {
	k := check{Name: "audit anchors", Verdict: verdictOK}
	all, err := h.anchors()
	var good []string
	for _, a := range all {
		where := a.Sink + " " + a.Target
		switch {
		case a.State == "ahead":
			k.Verdict = verdictFail
			k.Found = fmt.Sprintf("%s has records up to %d, which the journal had lost when an agent started", where, a.Ahead)
			k.Advice = "the end of the journal was cut off; keep it as it is, and verify it with --checkpoint from there"
			return k
		case a.State == "failing":
			k.Verdict = verdictFail
			k.Found = fmt.Sprintf("%s takes nothing since %s, %d records wait: %s", where, when(a.Since), a.Behind, a.Error)
			k.Advice = "'lodge audit anchors' tells more; until it works again those records are proved by this host alone"
			return k
		case a.Missed > 0:
			k.Verdict, k.Found = verdictWarn, fmt.Sprintf("%s never got %d records: they were archived first", where, a.Missed)
			k.Advice = "copy them from audit/archive, and raise audit.keep"
			return k
		case a.Note != "" && a.Sink != "journald":
			k.Verdict, k.Advice = verdictWarn, where+": "+a.Note
		}
		good = append(good, fmt.Sprintf("%s (%d of %d records)", where, a.Anchored, a.Size))
	}
	switch {
	case err != nil:
		k.Verdict, k.Found = verdictWarn, "not known: "+err.Error()
	case len(all) == 0:
		k.Found = "none: the audit journal stays on this host, whose root can rewrite it"
		k.Advice = "lodge config set audit.syslog=tls://HOST:6514, or audit.drop=FOLDER on another machine's disk"
	default:
		k.Found = strings.Join(good, ", ")
	}
	return k
}

// addKept adds the checkpoints of a file, a log or a folder.
func addKept(o *audit.VerifyOptions, name string) error {
	names := []string{name}
	if info, err := os.Stat(name); err == nil && info.IsDir() {
		if names, err = filepath.Glob(filepath.Join(name, "*.checkpoint*")); err != nil || len(names) == 0 {
			return fmt.Errorf("%s has no file *.checkpoint", name)
		}
		names = names[max(0, len(names)-mostKept):]
	}
	before := len(o.Checkpoints) + len(o.Logs)
	for _, name := range names {
		f, err := os.Open(name)
		if err != nil {
			return err
		}
		notes, err := audit.KeptCheckpoints(f)
		f.Close()
		if errors.Is(err, inventory.ErrInvalid) && len(names) > 1 {
			continue // a crash cut it short, and the whole one lies beside it
		}
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if len(names) == 1 && len(notes) == 1 {
			o.Checkpoints = append(o.Checkpoints, notes...)
		} else {
			o.Logs = append(o.Logs, notes...)
		}
	}
	if len(o.Checkpoints)+len(o.Logs) == before {
		return fmt.Errorf("no file in %s is a checkpoint", name)
	}
	return nil
}

// mostKept of a folder are compared, the newest: two months of one per minute.
const mostKept = 100_000
