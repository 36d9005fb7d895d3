package main

import (
	"context"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"lodge/inventory"
	"lodge/web/client"
	"lodge/web/wire"
)

// said are all the words people give reasons, purposes and notes in.
func (l *lab) said(text string) map[string]mutation {
	options := func(o client.Options) mutation {
		return func(ctx context.Context) (client.Answer, error) {
			ticket := "T-1"
			return l.api.Update(ctx, at("lw-box"), inventory.UpdateArgs{Ticket: &ticket}, o)
		}
	}
	purposeful := tiny("lw-new")
	purposeful.Purpose = text
	none := client.Options{}
	return map[string]mutation{
		"reason": options(client.Options{Reason: text}), "ticket": options(client.Options{Ticket: text}),
		"purpose": l.create(purposeful, false), "another purpose": l.updating("lw-box", inventory.UpdateArgs{Purpose: &text}),
		"owner": l.updating("lw-box", inventory.UpdateArgs{Owner: &text}),
		"label": l.updating("lw-box", inventory.UpdateArgs{Labels: map[string]string{"x": text}}),
		"user": func(ctx context.Context) (client.Answer, error) {
			return l.api.CreateUser(ctx, inventory.UserArgs{Name: "lw-user", Note: &text}, none)
		},
		"group": func(ctx context.Context) (client.Answer, error) {
			return l.api.CreateGroup(ctx, inventory.GroupArgs{Name: "lw-group", Note: &text}, none)
		},
		"project": func(ctx context.Context) (client.Answer, error) {
			return l.api.CreateProject(ctx, inventory.ProjectArgs{Name: "lw-project", Purpose: &text}, none)
		},
		"volume": func(ctx context.Context) (client.Answer, error) {
			return l.api.CreateVolume(ctx, inventory.VolumeArgs{Name: "lw-volume", Size: "1MiB", Purpose: text}, none)
		},
		"network": func(ctx context.Context) (client.Answer, error) {
			return l.api.CreateNetwork(ctx, inventory.NetworkArgs{Name: "lw-net", Purpose: text}, none)
		},
		"reservation": func(ctx context.Context) (client.Answer, error) {
			return l.api.Reserve(ctx, inventory.ReserveArgs{Range: "10.86.0.100", Note: text}, none)
		},
	}
}

// TestWordsAreBounded: through the door, the gate and the store, what would steer a terminal or fill the
// journal is refused with a sentence that doesn't repeat it, and changes nothing.
func TestWordsAreBounded(t *testing.T) {
	l := newLab(t)
	l.stopped("lw-box")
	for _, text := range []string{strings.Repeat("x", 1<<20), strings.Repeat("\x1b[31m", 1<<18), strings.Repeat("word ", 220),
		"\x1b]0;owned\x07", "a\u202etxt.exe", "two\nlines", "zero\u200bwidth", "nul\x00"} {
		for what, m := range l.said(text) {
			_, err := l.try(m)
			if !errors.Is(err, inventory.ErrInvalid) {
				t.Errorf("%s of %.12q: %.200v", what, text, err)
			} else if len(err.Error()) > 400 || strings.ContainsAny(err.Error(), "\x1b\u202e\u200b\x00") {
				t.Errorf("%s of %.12q says %.500q", what, text, err)
			}
		}
	}
	longest := strings.Repeat("東", 1000)
	l.do(l.said(longest)["reason"])
	page, err := l.api.AuditRecords(context.Background(), client.RecordQuery{})
	l.must(err)
	kept := 0
	for _, r := range page.Items {
		if r.Verb == "container.update" && r.Reason == longest {
			kept++
		}
		if n := utf8.RuneCountInString(r.Reason); n > 1000 {
			t.Errorf("the journal keeps %d characters of a reason of %s", n, r.Verb)
		}
	}
	if kept == 0 {
		t.Errorf("the longest reason is not in the journal whole: %.300v", reasons(page.Items))
	}
}

func reasons(all []wire.AuditRecord) (out []string) {
	for _, r := range all {
		out = append(out, r.Verb+": "+r.Reason)
	}
	return out
}
