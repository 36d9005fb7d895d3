package api

import (
	"context"
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
	return a.follow(w, r, after, func(ctx context.Context, s *eventStream) error {
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
