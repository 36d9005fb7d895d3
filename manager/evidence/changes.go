package evidence

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"lodge/inventory"
)

// changes tells what was changed, and every plan that waited for others, with their signatures.
func changes(_ context.Context, c *Case) (Content, error) {
	changed := Table{Title: "What was changed", Columns: []string{"at", "by", "verb", "difference", "outcome", "reason", "ticket",
		"change", "approved by", "plan"}}
	numbers := map[inventory.ChangeID]string{}
	for _, h := range c.Changes {
		numbers[h.ID] = h.Label()
	}
	for _, a := range c.done() {
		diff := Difference(a.Intent.Before, a.Intent.After)
		if a.Intent.Operation == "" || len(diff) == 0 {
			continue
		}
		changed.add(a.Seqs(), when(a.Intent.At), a.Intent.Principal.Name, a.Intent.Verb, strings.Join(diff, "\n"), a.Result(),
			a.Intent.Reason, a.Intent.Ticket, numbers[a.Intent.Change], strings.Join(a.Intent.Approvals, ", "), a.Intent.Plan)
	}
	held, files := c.held()
	content := Content{Tables: []Table{changed, held}, Files: files}
	if len(files) > 0 {
		content.Notes = []string{"Signatures lie in the folder signatures. OpenSSH alone verifies them: ssh-keygen -Y verify " +
			"-f allowed_signers -I NAME -n " + inventory.ApprovalNamespace + " -s change-N-K.json.sig < change-N-K.json"}
	}
	return content, nil
}

// held are the plans that waited in the period, and the files of their signatures.
func (c *Case) held() (t Table, files []File) {
	t = Table{Title: "Plans that waited for others", Columns: []string{"change", "class", "state", "asked by", "asked at", "reason",
		"verb", "plan", "digest", "needed", "approvals", "review", "note"}}
	signers := map[string]bool{}
	for _, h := range slices.Backward(c.Changes) {
		var seqs []int64
		for _, r := range c.within(c.Records) {
			if r.Change == h.ID {
				seqs = append(seqs, r.Seq)
			}
		}
		if len(seqs) == 0 && !c.covers(h.CreatedAt) {
			continue
		}
		var approvals []string
		for i, a := range h.Approvals {
			approvals = append(approvals, approval(a))
			if s := a.Signature; s != nil {
				name := fmt.Sprintf("signatures/change-%d-%d.json", h.Number, i+1)
				files = append(files, File{name, []byte(s.Message)}, File{name + ".sig", []byte(s.Armored)})
				signers[a.Principal.Name+` namespaces="`+inventory.ApprovalNamespace+`" `+s.Key+"\n"] = true
			}
		}
		t.add(seqs, h.Label(), string(h.Class), string(h.State), h.Requester.Name, when(h.CreatedAt), h.Reason, h.Plan.Verb,
			effects(h.Plan.Effects), h.Plan.Digest, strings.Join(inventory.ConditionTexts(h.Needs), "\n"),
			strings.Join(approvals, "\n"), review(h.Review), h.Note)
	}
	if len(signers) > 0 {
		lines := slices.Sorted(maps.Keys(signers))
		files = append(files, File{"signatures/allowed_signers", []byte(strings.Join(lines, ""))})
	}
	return t, files
}

func approval(a inventory.Approval) string {
	text := a.Principal.Name + " at " + when(a.At)
	if a.Signature != nil {
		text += ", signed with " + a.Signature.Fingerprint
	}
	if !a.Withdrawn.IsZero() {
		text += ", withdrawn at " + when(a.Withdrawn)
	}
	if a.Note != "" {
		text += ": " + a.Note
	}
	return text
}

func review(r inventory.Review) string {
	switch {
	case r.Due.IsZero():
		return ""
	case r.At.IsZero():
		return "open, due " + when(r.Due)
	}
	return r.By + " at " + when(r.At) + ": " + r.Note
}

func effects(lines []inventory.EffectLine) string {
	var out []string
	for _, e := range lines {
		out = append(out, fmt.Sprintf("%s: %s -> %s", e.Field, e.Before, e.After))
	}
	return strings.Join(out, "\n")
}

// Difference compares what a record says was before with what is after, member by member: "owner: dev1
// -> dev2". What moves with every change is left out, as is one that says nothing.
func Difference(before, after json.RawMessage) (out []string) {
	was, is := members(before), members(after)
	names := maps.Clone(was)
	maps.Copy(names, is)
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if name != "revision" && was[name] != is[name] {
			out = append(out, fmt.Sprintf("%s: %s -> %s", name, orNone(was[name]), orNone(is[name])))
		}
	}
	return out
}

func orNone(s string) string {
	if s == "" {
		return "(none)"
	}
	return s
}

// members flattens an object: settings.limits.cpus of an object within.
func members(raw json.RawMessage) map[string]string {
	out := map[string]string{}
	var v any
	if json.Unmarshal(raw, &v) == nil {
		flatten(out, "", v)
	}
	return out
}

func flatten(out map[string]string, name string, v any) {
	switch v := v.(type) {
	case map[string]any:
		for key, item := range v {
			flatten(out, strings.TrimPrefix(name+"."+key, "."), item)
		}
	case []any:
		for i, item := range v {
			flatten(out, fmt.Sprintf("%s[%d]", name, i), item)
		}
	case nil:
	case string:
		if v != "" {
			out[name] = v
		}
	default:
		text, _ := json.Marshal(v) // of a decoded number or boolean
		out[name] = string(text)
	}
}
