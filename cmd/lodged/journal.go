package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"lodge/audit"
	"lodge/inventory"
	"lodge/manager/anchor"
	"lodge/web/api"
	"lodge/web/wire"
)

// journal shows the audit journal to the API door.
type journal struct {
	*audit.Indexed
	dir     string
	anchors *anchor.Service
}

func (a *Agent) shown() journal { return journal{a.indexed, journalDir(a.Root), a.anchors} }

// Records returns the newest first, at most q.Limit.
func (j journal) Records(ctx context.Context, q api.RecordQuery) ([]wire.AuditRecord, error) {
	entries, err := j.Find(ctx, q)
	out := make([]wire.AuditRecord, len(entries))
	for i, e := range entries {
		out[i] = toWire(e)
	}
	return out, err
}

func toWire(e audit.Entry) wire.AuditRecord {
	return wire.AuditRecord{Seq: e.Seq, Hash: e.Hash.String(), Record: e.Record}
}

// RecordsAfter returns at most limit records numbered above after, oldest first, and waits for one.
func (j journal) RecordsAfter(ctx context.Context, after int64, limit int) ([]wire.AuditRecord, error) {
	entries, _, err := j.After(ctx, after, limit)
	out := make([]wire.AuditRecord, len(entries))
	for i, e := range entries {
		out[i] = toWire(e)
	}
	return out, err
}

// Verify checks all of the journal as it lies on the disk, also by the checkpoints that left this host.
func (j journal) Verify(ctx context.Context) (wire.AuditReport, error) {
	r, err := audit.Verify(j.dir, audit.VerifyOptions{Logs: j.anchors.Checkpoints(), Recordings: recordingsDir(filepath.Dir(j.dir))})
	if err != nil {
		return wire.AuditReport{}, err
	}
	w := wire.AuditReport{Verdict: string(r.Verdict), Entries: r.Records, Root: r.Root, Detail: []string{}}
	for _, p := range r.Problems {
		w.Detail = append(w.Detail, p.String())
	}
	w.Detail = append(append(w.Detail, r.Remarks()...), j.window(ctx)...)
	return w, nil
}

// Export records who took the records away, and returns what writes them.
func (j journal) Export(ctx context.Context, from, to time.Time) (func(io.Writer) error, error) {
	by, _ := inventory.PrincipalFrom(ctx)
	detail, _ := json.Marshal(map[string]time.Time{"from": from, "to": to})
	_, err := j.Append(ctx, inventory.Record{Kind: inventory.RecordFact, Verb: "audit.export", Principal: by,
		Subject: "audit", Result: "records were exported", Detail: detail})
	return func(w io.Writer) error { return j.Journal.Export(w, from, to) }, err
}

// Checkpoint is the newest.
func (j journal) Checkpoint(context.Context) ([]byte, error) { return j.Latest().Note, nil }

// ChangeKey makes a key beside the present one and puts it in its place.
func (j journal) ChangeKey(ctx context.Context, by inventory.Principal) (string, error) {
	key, err := audit.ChangeKey(ctx, j.Journal, by, auditKey(filepath.Dir(j.dir)))
	return audit.Fingerprint(key), err
}

// recordingsDir is where manager/session keeps recordings.
func recordingsDir(root string) string { return filepath.Join(root, "sessions") }

func auditKey(root string) string { return filepath.Join(root, "keys", "audit.key") }

// Key is the public key the journal is verified with.
func (j journal) Key() wire.AuditKey {
	pub := j.PublicKey()
	return wire.AuditKey{PublicKey: audit.PublicKeyText(pub), Fingerprint: audit.Fingerprint(pub)}
}

// quiet is the journal for the gate: refusals of callers that come too fast are counted.
type quiet struct {
	*audit.Journal
	flood *audit.Flood
}

// Append returns 0 for a refusal that is only counted. Those of administrators are all written.
func (q quiet) Append(ctx context.Context, r inventory.Record) (int64, error) {
	if r.Kind == inventory.RecordRefusal && !r.Principal.Admin && !q.flood.Add(r) {
		return 0, nil
	}
	return q.Journal.Append(ctx, r)
}

// floodPoll is how late a count may be written after its minute.
const floodPoll = 10 * time.Second

// tellFloods writes the counts of refusals, until ctx ends; then those that are left.
func (a *Agent) tellFloods(ctx context.Context) {
	for ctx.Err() == nil {
		select {
		case <-time.After(floodPoll):
		case <-ctx.Done():
		}
		for _, r := range a.flood.Due(a.now(), ctx.Err() != nil) {
			if _, err := a.journal.Append(context.WithoutCancel(ctx), r); err != nil {
				a.log.Error("refusals were not recorded", "principal", r.Principal.Name, "times", r.Count.Times, "error", err)
			}
		}
	}
}

// reserveSize is what the journal keeps for a full disk: room for thousands of records.
const reserveSize = 4 << 20

// openJournal opens the journal of a root with its own key. A folder of an earlier journal that was
// set aside is what a new one goes on from.
func (a *Agent) openJournal() (*audit.Journal, error) {
	prior, err := priorJournal(a.Root)
	if err != nil {
		return nil, err
	}
	return audit.OpenKeyed(journalDir(a.Root), auditKey(a.Root),
		audit.Options{Now: a.now, Log: a.log, Reserve: reserveSize, Freeing: freesSpace, Stamp: a.stamp, Prior: prior})
}

func journalDir(root string) string { return filepath.Join(root, "audit") }

// stamp says where and when by the machine's own measure a record was made.
func (a *Agent) stamp(r *inventory.Record) {
	r.Host, r.Boot, r.MonoNs = a.host.ID, a.boot, sinceBoot()
}

// freesSpace reports whether the record is of something that gives room back, which has to work on
// a full disk.
func freesSpace(r inventory.Record) bool {
	noun, verb, _ := strings.Cut(r.Verb, ".")
	return noun == "audit" || verb == "purge" || verb == "delete" || verb == "prune"
}

// asidePrefix is how the folder of a journal begins that was set aside.
const asidePrefix = "audit.before-"

// setJournalAside keeps a journal that can't be gone on with, or shouldn't, as evidence.
func (a *Agent) setJournalAside(out io.Writer) error {
	aside := filepath.Join(a.Root, asidePrefix+a.now().UTC().Format("20060102-150405.000000000"))
	if err := os.Rename(journalDir(a.Root), aside); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	}
	fmt.Fprintf(out, "the old audit journal is kept as %s; the new one names it\n", aside)
	return nil
}

// priorJournal returns what the newest journal that was set aside last vouched for, nil without one.
func priorJournal(root string) (*audit.Prior, error) {
	aside, err := filepath.Glob(filepath.Join(root, asidePrefix+"*"))
	if err != nil || len(aside) == 0 {
		return nil, err
	}
	newest := slices.Max(aside)
	p, err := audit.PriorOf(newest)
	p.Folder = filepath.Base(newest)
	return &p, err
}
