package evidence

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"lodge/inventory"
)

// sessions tells who went into the container or its files.
func sessions(_ context.Context, c *Case) (Content, error) {
	t := Table{Columns: []string{"began", "ended", "verb", "by", "proof", "from", "result", "reason", "recording"}}
	for _, a := range c.done() {
		if a.Intent.Session == "" || a.Intent.Operation != "" {
			continue
		}
		ended, recording := "", ""
		if a.Outcome != nil {
			ended = when(a.Outcome.At)
			if r := a.Outcome.Recording; r != nil {
				recording = fmt.Sprintf("%s, %d bytes, sha256 %s", r.File, r.Bytes, r.SHA256)
			}
		}
		p := a.Intent.Principal
		t.add(a.Seqs(), when(a.Intent.At), ended, a.Intent.Verb, p.Name, p.Proof, p.From, a.Result(), a.Intent.Reason, recording)
	}
	return Content{Tables: []Table{t}}, nil
}

// operations tells everything that was done, in order.
func operations(_ context.Context, c *Case) (Content, error) {
	t := Table{Columns: []string{"began", "took", "verb", "by", "proof", "outcome", "reason", "ticket", "operation", "policies"}}
	for _, a := range c.done() {
		if a.Intent.Operation == "" {
			continue
		}
		took, policies := "", ""
		if a.Outcome != nil {
			took = a.Outcome.At.Sub(a.Intent.At).Round(time.Millisecond).String()
		}
		if d := a.Intent.Decision; d != nil {
			policies = strings.TrimSpace(d.Policy + " " + strings.Join(d.IDs, " "))
		}
		p := a.Intent.Principal
		t.add(a.Seqs(), when(a.Intent.At), took, a.Intent.Verb, p.Name, p.Proof, a.Result(), a.Intent.Reason, a.Intent.Ticket,
			string(a.Intent.Operation), policies)
	}
	return Content{Tables: []Table{t}}, nil
}

// exceptions tells what was out of the ordinary.
func exceptions(_ context.Context, c *Case) (Content, error) {
	t := Table{Columns: []string{"at", "what", "verb", "by", "text", "reason"}}
	all := c.within(c.Records)
	for _, r := range all {
		if what := exception(r); what != "" {
			t.add([]int64{r.Seq}, when(r.At), what, r.Verb, r.Principal.Name, r.Result, r.Reason)
		}
	}
	for _, a := range acts(all) {
		if a.Outcome == nil {
			r := a.Intent
			t.add(a.Seqs(), when(r.At), "without an outcome", r.Verb, r.Principal.Name, "it ran still when this was written, or its outcome is later", r.Reason)
		}
	}
	slices.SortStableFunc(t.Rows, func(a, b Row) int { return int(a.Records[0] - b.Records[0]) })
	content := Content{Tables: []Table{t}}
	if len(t.Rows) == 0 {
		content.Notes = []string{"There were none."}
	}
	return content, nil
}

// exception says in a word why a record is one, "" if it is none.
func exception(r Record) string {
	switch {
	case r.Verb == "change.emergency":
		return "emergency"
	case r.Verb == "change.overdue":
		return "review overdue"
	case r.Kind == inventory.RecordRefusal:
		return "refused"
	case r.Outcome == inventory.OutcomeUnknown:
		return "unknown outcome"
	case r.Outcome == inventory.OutcomeFailure && r.Operation != "":
		return "failed"
	case r.Kind == inventory.RecordIntent && (r.Principal.Override || r.Decision != nil && r.Decision.BreakGlass):
		return "break-glass"
	case r.Kind == inventory.RecordIntent && r.Principal.BreakGlass:
		return "by root, where roles are in use"
	}
	return ""
}

// proof tells how all of this is checked.
func proof(_ context.Context, c *Case) (Content, error) {
	t := Table{Columns: []string{"journal", "audit key", "fingerprint"}}
	t.add(nil, c.Journal.Origin, c.Journal.PublicKey, c.Journal.Fingerprint)
	return Content{Notes: []string{
		"The folder journal is the part of the audit journal that holds every record named here, as a Merkle tree with signed " +
			"checkpoints. The file manifest lists the SHA-256 of every file, signed with the audit key.",
		"Checked without the agent and without a network: lodge audit verify --key KEY FOLDER, where KEY is the audit key that was " +
			"noted down away from the host. Exit code 0: as it was written; 10: something was changed; 11: something is missing.",
		"What the host recorded is its own word: a checkpoint that left it before (lodge audit verify --checkpoint FILE FOLDER) " +
			"shows that the journal was not written anew since."}, Tables: []Table{t}}, nil
}
