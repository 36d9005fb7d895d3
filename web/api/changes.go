package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"lodge/inventory"
	"lodge/web/wire"
)

type changesInput struct {
	Paging
	State string `query:"state" enum:"submitted,approved,rejected,cancelled,expired,void,released"`
}

// ChangePath names a change.
type ChangePath struct {
	ID string `path:"id" maxLength:"64" doc:"Id of the change."`
}

type decisionInput struct {
	ChangePath
	Body *wire.Note
}

type approveInput struct {
	ChangePath
	Wait string `query:"wait" maxLength:"32" doc:"Wait that long for the released operation to end."`
	Body *wire.Note
}

func (a *API) changeRoutes() {
	at := func(id, method, rest, summary string) route {
		r := route{id: id, verb: id, method: method, path: "/v1/changes" + rest, summary: summary, tag: "changes"}
		if method == "GET" {
			r.verb = "change.view"
		}
		return r
	}
	read(a, at("change.list", "GET", "", "List changes, newest first"), a.listChanges)
	read(a, at("change.show", "GET", "/{id}", "Show a change"),
		func(ctx context.Context, in *ChangePath) (*body[wire.Change], error) {
			c, err := a.change(ctx, in.ID)
			return &body[wire.Change]{Body: wire.FromChange(c)}, err
		})
	a.approveRoute(at("change.approve", "POST", "/{id}/approve",
		"Agree to a change; releases it when nothing else is asked for"))
	read(a, at("change.reject", "POST", "/{id}/reject", "End a change with a reason"), a.decided(
		func(ctx context.Context, id inventory.ChangeID, note string) (inventory.Change, error) {
			return a.Gate.Reject(ctx, id, note)
		}))
	read(a, at("change.cancel", "POST", "/{id}/cancel", "Withdraw a change"), a.decided(
		func(ctx context.Context, id inventory.ChangeID, note string) (inventory.Change, error) {
			return a.Gate.CancelChange(ctx, id, note)
		}))
}

func (a *API) listChanges(ctx context.Context, in *changesInput) (*body[wire.Page[wire.Change]], error) {
	before, err := in.decode(1)
	if err != nil {
		return nil, err
	}
	q := ChangeQuery{State: inventory.ChangeState(in.State), Before: inventory.ChangeID(before[0])}
	return listPage(in.limit(defaultPage), func(limit int,
		last inventory.Change) ([]inventory.Change, error) {
		if q.Limit = limit; last.ID != "" {
			q.Before = last.ID
		}
		return a.Reads.Changes(ctx, q)
	}, func(c inventory.Change) bool { return a.seesChange(ctx, c) },
		wire.FromChange, func(c inventory.Change) string { return encodeCursor(string(c.ID)) })
}

// change finds one the caller may see: their own, or any for those who see the host.
func (a *API) change(ctx context.Context, id string) (inventory.Change, error) {
	c, err := a.Reads.Change(ctx, inventory.ChangeID(id))
	if err == nil && !a.seesChange(ctx, c) {
		err = inventory.Errorf(inventory.ErrNotFound, "there is no change %s", id)
	}
	return c, err
}

func (a *API) seesChange(ctx context.Context, c inventory.Change) bool {
	p, ok := inventory.PrincipalFrom(ctx)
	return ok && (p.Name == c.Requester.Name || a.sees(ctx, nil) || a.Rights.Allowed(p,
		inventory.RightApprove, nil))
}

// approveRoute stands apart: an approval may release the change and then answers like a mutation.
func (a *API) approveRoute(r route) {
	op := r.operation()
	op.DefaultStatus = http.StatusAccepted
	op.Responses = a.mutationResponses()
	huma.Register(a.huma, op, func(ctx context.Context, in *approveInput) (*answer, error) {
		bodyIsRead(ctx)
		out, err := a.approve(ctx, in)
		if err != nil {
			return nil, a.problem(err)
		}
		return out, nil
	})
}

func (a *API) approve(ctx context.Context, in *approveInput) (*answer, error) {
	patience, err := waiting(in.Wait)
	if err != nil {
		return nil, err
	}
	if _, err := a.change(ctx, in.ID); err != nil {
		return nil, err
	}
	got, err := a.Gate.Approve(ctx, inventory.ChangeID(in.ID), note(in.Body))
	if err != nil {
		return nil, err
	}
	return a.answer(ctx, got, patience)
}

func (a *API) decided(decide func(context.Context, inventory.ChangeID, string) (inventory.Change,
	error)) func(context.Context, *decisionInput) (*body[wire.Change], error) {
	return func(ctx context.Context, in *decisionInput) (*body[wire.Change], error) {
		if _, err := a.change(ctx, in.ID); err != nil {
			return nil, err
		}
		c, err := decide(ctx, inventory.ChangeID(in.ID), note(in.Body))
		return &body[wire.Change]{Body: wire.FromChange(c)}, err
	}
}

func note(n *wire.Note) string {
	if n == nil {
		return ""
	}
	return n.Note
}
