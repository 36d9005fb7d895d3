package api

import (
	"context"
	"io"
	"net/http"
	"strconv"
	"time"

	"lodge/inventory"
	"lodge/web/wire"
)

type recordsInput struct {
	Paging
	Verb      string    `query:"verb" maxLength:"64"`
	Principal string    `query:"principal" maxLength:"200" doc:"Name of who asked."`
	Name      string    `query:"name" maxLength:"200" doc:"Name of the container or other subject."`
	Project   string    `query:"project" maxLength:"63"`
	Target    string    `query:"target" maxLength:"300" doc:"Name or subject: web1, container:ID."`
	Kind      string    `query:"kind" enum:"intent,refusal,outcome,fact"`
	Outcome   string    `query:"outcome" enum:"success,failure,denied,unknown"`
	Change    string    `query:"change" maxLength:"64" doc:"Id of the change it belongs to."`
	Since     time.Time `query:"since" doc:"RFC 3339."`
	Until     time.Time `query:"until" doc:"RFC 3339."`
}

func (a *API) auditRoutes() {
	tag := "audit"
	read(a, route{id: "audit.list", verb: "audit.view", method: "GET", path: "/v1/audit/records", tag: tag,
		summary: "List audit records, newest first"}, a.listRecords)
	a.raw(raw{route: route{id: "audit.tail", verb: "audit.view", method: "GET",
		path: "/v1/audit/tail", tag: tag,
		summary: "Follow the audit journal (server-sent events)"}, status: 200, answers: "text/event-stream",
		headers: []string{"Last-Event-ID"}, handle: a.auditTail,
		query: []field{{"after", "integer", "Replay what came after this number; -1 for new ones only."}}})
	read(a, route{id: "audit.verify", verb: "audit.verify", method: "POST",
		path: "/v1/audit/verify", tag: tag,
		summary: "Check the audit journal"}, func(ctx context.Context, _ *struct{}) (*body[wire.AuditReport], error) {
		if err := a.journal(ctx, "audit.verify"); err != nil {
			return nil, err
		}
		report, err := a.Journal.Verify(ctx)
		return &body[wire.AuditReport]{Body: report}, err
	})
	read(a, route{id: "audit.key", verb: "audit.view", method: "GET", path: "/v1/audit/key", tag: tag,
		summary: "Show the public key of the audit journal"}, func(ctx context.Context, _ *struct{}) (*body[wire.AuditKey], error) {
		if err := a.journal(ctx, "audit.view"); err != nil {
			return nil, err
		}
		return &body[wire.AuditKey]{Body: a.Journal.Key()}, nil
	})
}

// journal passes a look at the audit journal through the gate.
func (a *API) journal(ctx context.Context, verb string) error {
	if a.Journal == nil {
		return missing("audit journal")
	}
	return a.enter(ctx, verb)
}

func (a *API) listRecords(ctx context.Context,
	in *recordsInput) (*body[wire.Page[wire.AuditRecord]], error) {
	if err := a.journal(ctx, "audit.view"); err != nil {
		return nil, err
	}
	before, err := in.decodeNumber()
	if err != nil {
		return nil, err
	}
	limit := in.limit(defaultPage)
	records, err := a.Journal.Records(ctx, RecordQuery{Verb: in.Verb, Principal: in.Principal,
		Name: in.Name, Target: in.Target, Outcome: inventory.Outcome(in.Outcome), Change: inventory.ChangeID(in.Change),
		Project: in.Project, Kind: inventory.RecordKind(in.Kind), From: in.Since, To: in.Until,
		BeforeSeq: before, Limit: limit + 1})
	if err != nil {
		return nil, err
	}
	out := page(records[:min(limit, len(records))], func(r wire.AuditRecord) wire.AuditRecord { return r })
	if len(records) > limit {
		out.Body.Next = encodeCursor(strconv.FormatInt(records[limit-1].Seq, 10))
	}
	return out, nil
}

func (a *API) auditTail(w http.ResponseWriter, r *http.Request) error {
	if err := a.journal(r.Context(), "audit.view"); err != nil {
		return err
	}
	after, err := start(r, a.lastRecord)
	if err != nil {
		return err
	}
	return a.follow(w, r, "audit.view", after, func(ctx context.Context, s *eventStream) error {
		records, err := a.Journal.RecordsAfter(ctx, s.last, batch)
		for _, rec := range records {
			s.last = rec.Seq
			if err := s.add(rec.Seq, string(rec.Kind), rec); err != nil {
				return err
			}
		}
		return err
	})
}

func (a *API) lastRecord(ctx context.Context) (int64, error) {
	newest, err := a.Journal.Records(ctx, RecordQuery{Limit: 1})
	if err != nil || len(newest) == 0 {
		return 0, err
	}
	return newest[0].Seq, nil
}

var periodQuery = []field{{"from", "string", "RFC 3339; without it from the first record on."},
	{"to", "string", "RFC 3339; without it up to the last record."}}

// proofRoutes are what an auditor takes away.
func (a *API) proofRoutes() {
	tag := "audit"
	mutate[onHost[Nothing]](a, route{id: "audit.reindex", method: "POST", path: "/v1/audit/reindex", tag: tag,
		summary: "Make the index of the audit journal anew"}, false, nil)
	mutate[onHost[Nothing]](a, route{id: "audit.rotate", method: "POST", path: "/v1/audit/key/rotate", tag: tag,
		summary: "Sign the audit journal with a new key from now on"}, false, nil)
	a.raw(raw{route: route{id: "audit.export", verb: "audit.export", method: "GET", path: "/v1/audit/export", tag: tag,
		summary: "Export records as a bundle that verifies without the agent"}, status: 200, answers: "application/x-tar",
		handle: a.exportJournal, query: periodQuery})
	a.raw(raw{route: route{id: "evidence.export", verb: "evidence.export", method: "GET", path: "/v1/evidence/{name}", tag: tag,
		summary: "Export what is known about a container, with its proof"}, status: 200, answers: "application/x-tar",
		handle: a.exportEvidence, query: append([]field{{"project", "string", "Project of the container."}}, periodQuery...)})
	a.raw(raw{route: route{id: "audit.prove", verb: "audit.view", method: "GET", path: "/v1/audit/records/{seq}/proof", tag: tag,
		summary: "Prove that one record is in the journal"}, status: 200, answers: "text/plain", handle: a.proveRecord})
	read(a, route{id: "audit.anchors", verb: "audit.view", method: "GET", path: "/v1/audit/anchors", tag: tag,
		summary: "List where records and checkpoints leave the host, and how far that is"},
		func(ctx context.Context, _ *struct{}) (*body[wire.Page[wire.AuditAnchor]], error) {
			if err := a.journal(ctx, "audit.view"); err != nil {
				return nil, err
			}
			all, err := a.Proofs.Anchors(ctx)
			return page(all, func(w wire.AuditAnchor) wire.AuditAnchor { return w }), err
		})
	a.raw(raw{route: route{id: "audit.checkpoint", verb: "audit.view", method: "GET", path: "/v1/audit/checkpoint", tag: tag,
		summary: "Show the newest checkpoint, to be kept elsewhere"}, status: 200, answers: "text/plain", handle: a.checkpoint})
}

func (a *API) exportJournal(w http.ResponseWriter, r *http.Request) error {
	if err := a.journal(r.Context(), "audit.export"); err != nil {
		return err
	}
	from, to, err := period(r)
	if err != nil {
		return err
	}
	write, err := a.Proofs.Export(r.Context(), from, to)
	if err != nil {
		return err
	}
	return a.archive(w, write)
}

// exportEvidence passes no container to the gate: it may have been purged long ago.
func (a *API) exportEvidence(w http.ResponseWriter, r *http.Request) error {
	if a.Evidence == nil {
		return missing("evidence")
	}
	if err := a.enter(r.Context(), "evidence.export"); err != nil {
		return err
	}
	from, to, err := period(r)
	if err != nil {
		return err
	}
	write, err := a.Evidence.Evidence(r.Context(), refOf(r), from, to)
	if err != nil {
		return err
	}
	return a.archive(w, write)
}

// archive sends a tar file. One that breaks off ends the connection, so that nobody takes it for whole.
func (a *API) archive(w http.ResponseWriter, write func(io.Writer) error) error {
	w.Header().Set("Content-Type", "application/x-tar")
	if err := write(w); err != nil {
		a.Log.Error("an export of the audit journal broke off", "error", err)
		panic(http.ErrAbortHandler)
	}
	return nil
}

// period reads the query parameters from and to; zero for one that is not there.
func period(r *http.Request) (from, to time.Time, err error) {
	for name, at := range map[string]*time.Time{"from": &from, "to": &to} {
		text := r.URL.Query().Get(name)
		if text == "" {
			continue
		}
		if *at, err = time.Parse(time.RFC3339Nano, text); err != nil {
			return from, to, inventory.Errorf(inventory.ErrInvalid, "%s is no time as in RFC 3339: %q", name, text)
		}
	}
	return from, to, nil
}

func (a *API) proveRecord(w http.ResponseWriter, r *http.Request) error {
	seq, err := strconv.ParseInt(r.PathValue("seq"), 10, 64)
	if err != nil {
		return inventory.Errorf(inventory.ErrInvalid, "%q is no number of a record", r.PathValue("seq"))
	}
	return a.proofText(w, r, func(ctx context.Context) ([]byte, error) { return a.Proofs.Prove(ctx, seq) })
}

func (a *API) checkpoint(w http.ResponseWriter, r *http.Request) error {
	return a.proofText(w, r, a.Proofs.Checkpoint)
}

func (a *API) proofText(w http.ResponseWriter, r *http.Request, text func(context.Context) ([]byte, error)) error {
	if err := a.journal(r.Context(), "audit.view"); err != nil {
		return err
	}
	out, err := text(r.Context())
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, err = w.Write(out)
	return err
}
