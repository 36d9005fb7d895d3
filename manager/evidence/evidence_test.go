package evidence

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"lodge/inventory"
)

var day = time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)

const first = "01a2000d-2142-72fa-9cee-e80610bc4555"

// log is a journal in memory, and all there is beside it.
type log struct {
	records []Record
	changes []inventory.Change
	written []File
}

func (l *log) Append(_ context.Context, r inventory.Record) (int64, error) {
	l.records = append(l.records, Record{Seq: int64(len(l.records) + 1), Hash: "00", Record: r})
	return int64(len(l.records)), nil
}

func (l *log) Records(_ context.Context, q inventory.RecordQuery) (out []Record, err error) {
	for _, r := range l.records {
		if q.Matches(r.Seq, &r.Record) {
			out = append(out, r)
		}
	}
	return out, nil
}

func (l *log) Signer() Signer { return Signer{"lodge.audit/x", "ssh-ed25519 AAAA", "SHA256:x"} }

func (l *log) Write(_ io.Writer, files []File, _, _ time.Time) error {
	l.written = files
	return nil
}

func (l *log) Container(context.Context, inventory.Ref) (*inventory.Container, error) {
	return nil, inventory.ErrNotFound
}

func (l *log) ChangesOf(context.Context, inventory.ContainerID) ([]inventory.Change, error) {
	return l.changes, nil
}

// did adds an act of a container, begun so many days after the first day.
func (l *log) did(days int, id, verb, name string, after any, change func(intent, outcome *inventory.Record)) {
	raw, _ := json.Marshal(after)
	if after == nil {
		raw = nil
	}
	at := day.AddDate(0, 0, days)
	intent := inventory.Record{Kind: inventory.RecordIntent, Verb: verb, At: at, Name: name, Project: "default",
		Operation: inventory.OperationID(id + verb + at.String()), After: raw, Principal: inventory.Principal{Name: "dev1", Proof: "peer uid 1"}}
	if id != "" {
		intent.Subject = "container:" + id
	}
	outcome := intent
	outcome.Kind, outcome.At, outcome.Result, outcome.Outcome, outcome.After = inventory.RecordOutcome, at.Add(time.Second), "done", inventory.OutcomeSuccess, nil
	if change != nil {
		change(&intent, &outcome)
	}
	l.Append(context.Background(), intent)
	l.Append(context.Background(), outcome)
}

func was(name, owner string) map[string]any {
	return map[string]any{"name": name, "project": "default", "owner": owner, "environment": "prod"}
}

// written asks for evidence and returns evidence.json, decoded, and the page.
func (l *log) evidence(t *testing.T, name string, from, to int) (doc map[string]any, page string) {
	t.Helper()
	s := New(l, l, func() time.Time { return day.AddDate(1, 0, 0) }, Chapters()...)
	write, err := s.Evidence(t.Context(), inventory.Ref{Name: name}, day.AddDate(0, 0, from), day.AddDate(0, 0, to))
	if err != nil {
		t.Fatal(err)
	}
	if err := write(io.Discard); err != nil {
		t.Fatal(err)
	}
	for _, f := range l.written {
		switch f.Name {
		case "evidence.json":
			if err := json.Unmarshal(f.Content, &doc); err != nil {
				t.Fatal(err)
			}
		case "index.html":
			page = string(f.Content)
		}
	}
	return doc, page
}

// rows are the cells of a column of a chapter's table in the n-th container.
func rows(doc map[string]any, n int, chapter string, table int, column string) (out []string) {
	c := doc["containers"].([]any)[n].(map[string]any)
	for _, ch := range c["chapters"].([]any) {
		if ch := ch.(map[string]any); ch["name"] == chapter {
			for _, r := range ch["tables"].([]any)[table].(map[string]any)["rows"].([]any) {
				out = append(out, r.(map[string]any)[column].(string))
			}
		}
	}
	return out
}

func want(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: %q, want %q", what, got, want)
	}
}

// story has a container web1 that is renamed, handed over, deleted, purged, and another of its name.
func story() *log {
	l := &log{}
	l.did(0, "", "role.grant", "ops1", nil, func(i, _ *inventory.Record) {
		i.Subject, i.Detail = "role:ops1", json.RawMessage(`{"role":"approver","to":"ops1","on":"host"}`)
	})
	l.did(0, "", "role.grant", "ann", nil, func(i, _ *inventory.Record) {
		i.Subject, i.Detail = "role:ann", json.RawMessage(`{"role":"owner","to":"ann","on":"container:web2"}`)
	})
	l.did(1, first, "container.launch", "web1", was("web1", "dev1"), nil)
	l.did(2, first, "container.update", "web1", was("web1", "dev2"), func(i, o *inventory.Record) {
		i.Before, _ = json.Marshal(was("web1", "dev1"))
	})
	l.did(3, first, "container.update", "web1", was("web1", "eve"), func(_, o *inventory.Record) {
		o.Outcome, o.Result = inventory.OutcomeFailure, "failed: no"
	})
	l.did(4, first, "container.delete", "web1", was("web1", "dev2"), nil)
	l.did(5, "", "role.revoke", "ops1", nil, func(i, _ *inventory.Record) {
		i.Subject, i.Detail = "role:ops1", json.RawMessage(`{"role":"approver","to":"ops1"}`)
	})
	l.did(6, first, "container.purge", "web1", nil, nil)
	l.did(10, "b", "container.launch", "web1", was("web1", "dev3"), nil)
	return l
}

func TestOneNameTwoContainers(t *testing.T) {
	doc, _ := story().evidence(t, "web1", 0, 20)
	if n := len(doc["containers"].([]any)); n != 2 {
		t.Fatalf("%d containers", n)
	}
	want(t, "conditions", rows(doc, 0, "identity", 0, "condition"), "kept", "kept", "in the trash", "purged")
	want(t, "owners", rows(doc, 0, "access", 0, "who"), "dev1", "dev2", "dev2", "ops1")
	want(t, "the revoked role ends", rows(doc, 0, "access", 0, "until")[3:], "2026-05-06T00:00:01Z")
	want(t, "failures", rows(doc, 0, "exceptions", 0, "what"), "failed")
	want(t, "differences", rows(doc, 0, "changes", 0, "difference")[1:2], "owner: dev1 -> dev2")
	want(t, "the second one's owner", rows(doc, 1, "identity", 0, "owner"), "dev3")
}

func TestPeriods(t *testing.T) {
	l := story()
	for _, c := range []struct {
		what       string
		from, to   int
		containers int
		owners     []string
	}{
		{"what it began with counts", 3, 4, 1, []string{"dev2"}},
		{"after the purge there is the other", 8, 20, 1, []string{"dev3"}},
	} {
		doc, _ := l.evidence(t, "web1", c.from, c.to)
		if n := len(doc["containers"].([]any)); n != c.containers {
			t.Errorf("%s: %d containers", c.what, n)
		}
		want(t, c.what, rows(doc, 0, "identity", 0, "owner"), c.owners...)
	}
	s := New(l, l, time.Now, Chapters()...)
	if _, err := s.Evidence(t.Context(), inventory.Ref{Name: "web1"}, day.AddDate(0, 0, 7), day.AddDate(0, 0, 9)); err == nil {
		t.Error("there was none of that name then")
	}
	doc, _ := l.evidence(t, first, 0, 20)
	want(t, "by id", rows(doc, 0, "identity", 0, "owner"), "dev1", "dev2", "dev2", "dev2")
	if _, err := s.Evidence(t.Context(), inventory.Ref{Name: "01a2000d-2142-72fa-9cee-e80610bc4500"}, day, time.Time{}); err == nil {
		t.Error("nothing ever had that id")
	}
}

// TestHostileText: what people and containers wrote is shown, and neither runs nor steers.
func TestHostileText(t *testing.T) {
	l := story()
	evil := "<script>alert(1)</script>\x1b[31m\u202e\u009b2J" + strings.Repeat("x", 4000)
	l.did(12, "b", "container.update", "web1", was("web1", `"><img src=x onerror=1>`), func(i, _ *inventory.Record) {
		i.Reason, i.Principal.Name = evil, "<b>dev"
	})
	_, page := l.evidence(t, "web1", 0, 20)
	for _, bad := range []string{"<script", "<img", "<b>", "\x1b", "\u202e", "\u009b"} {
		if strings.Contains(page, bad) {
			t.Errorf("the page has %q as it is", bad)
		}
	}
	if !strings.Contains(page, "&lt;script&gt;alert(1)&lt;/script&gt;&lt;U&#43;001B&gt;[31m&lt;U&#43;202E&gt;&lt;U&#43;009B&gt;2J") {
		t.Error("the text is not shown")
	}
	for _, f := range l.written {
		if f.Name == "evidence.json" && bytes.ContainsAny(f.Content, "\x1b\u202e\u009b") {
			t.Error("evidence.json steers a terminal")
		}
	}
}

func TestExceptions(t *testing.T) {
	for _, c := range []struct {
		want string
		r    inventory.Record
	}{
		{"", inventory.Record{Kind: inventory.RecordIntent}},
		{"emergency", inventory.Record{Kind: inventory.RecordFact, Verb: "change.emergency"}},
		{"refused", inventory.Record{Kind: inventory.RecordRefusal}},
		{"unknown outcome", inventory.Record{Kind: inventory.RecordOutcome, Outcome: inventory.OutcomeUnknown}},
		{"failed", inventory.Record{Kind: inventory.RecordOutcome, Outcome: inventory.OutcomeFailure, Operation: "o"}},
		{"", inventory.Record{Kind: inventory.RecordOutcome, Outcome: inventory.OutcomeFailure, Session: "s"}},
		{"break-glass", inventory.Record{Kind: inventory.RecordIntent, Decision: &inventory.RecordDecision{BreakGlass: true}}},
		{"by root, where roles are in use", inventory.Record{Kind: inventory.RecordIntent, Principal: inventory.Principal{BreakGlass: true}}},
	} {
		if got := exception(Record{Record: c.r}); got != c.want {
			t.Errorf("%+v: %q, want %q", c.r, got, c.want)
		}
	}
}

func TestDifference(t *testing.T) {
	for _, c := range []struct {
		before, after string
		want          []string
	}{
		{`{"labels":null,"revision":1}`, `{"labels":{},"revision":2}`, nil},
		{`{"settings":{"a.b":"1"}}`, `{"settings":{"a.b":"2"}}`, []string{"settings.a.b: 1 -> 2"}},
		{`{"nics":[{"IPv4":"10.0.0.1"}]}`, `{"nics":[]}`, []string{"nics[0].IPv4: 10.0.0.1 -> (none)"}},
		{``, `{"owner":"x"}`, []string{"owner: (none) -> x"}},
		{`{`, `[`, nil},
	} {
		if got := Difference(json.RawMessage(c.before), json.RawMessage(c.after)); !slices.Equal(got, c.want) {
			t.Errorf("%s to %s: %q, want %q", c.before, c.after, got, c.want)
		}
	}
}
