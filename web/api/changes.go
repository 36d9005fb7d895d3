package api

import (
	"context"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"lodge/inventory"
	"lodge/web/wire"
)

type changesInput struct {
	Paging
	State string `query:"state" enum:"waiting,draft,submitted,approved,scheduled,running,done,failed,rolled-back,closed,rejected,cancelled,expired,void" doc:"waiting: submitted, approved, scheduled, or with an open review."`
	Class string `query:"class" enum:"standard,normal,emergency"`
}

// ChangePath names a change.
type ChangePath struct {
	ID string `path:"id" maxLength:"64" doc:"Number or id of the change."`
}

type decisionInput struct {
	ChangePath
	Body *wire.Note
}

type approveInput struct {
	ChangePath
	Wait string `query:"wait" maxLength:"32" doc:"Wait that long for the released operation to end."`
	Body *inventory.ApproveArgs
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
	read(a, route{id: "change.diff", verb: "change.view", method: "GET", path: "/v1/changes/{id}/diff", tag: "changes",
		summary: "What a change was planned as, beside what it would be now"}, a.changeDiff)
	read(a, route{id: "change.message", verb: "change.view", method: "GET", path: "/v1/changes/{id}/message", tag: "changes",
		summary: "What the caller signs to approve a change"},
		func(ctx context.Context, in *ChangePath) (*body[inventory.ApprovalRequest], error) {
			c, err := a.change(ctx, in.ID)
			if err != nil {
				return nil, err
			}
			m, err := a.Changes.Message(ctx, c.ID)
			return &body[inventory.ApprovalRequest]{Body: m}, err
		})
	a.approveRoute(at("change.approve", "POST", "/{id}/approve",
		"Agree to a change; releases it when nothing else is asked for"))
	for _, d := range []struct{ verb, summary string }{
		{"change.reject", "End a change with a reason"},
		{"change.withdraw", "Take back one's approval of a change that has not begun"},
		{"change.cancel", "Take a change back"},
		{"change.review", "Say what one makes of an emergency change, and close it"},
		{"change.close", "Say that one has seen how a change ended"},
	} {
		a.decisionRoute(at(d.verb, "POST", "/{id}/"+strings.TrimPrefix(d.verb, "change."), d.summary))
	}
	mutate[changeMutation](a, at("change.release", "POST", "/{id}/release",
		"Ask for a draft, or let a change begin that has all it waited for"), false, nil)
}

type changeMutation struct {
	ChangePath
	Options
	Body *Nothing
}

func (in *changeMutation) asked() asked {
	return asked{args: inventory.ChangeArgs{Change: in.ID}, options: in.Options}
}

func (a *API) listChanges(ctx context.Context, in *changesInput) (*body[wire.Page[wire.Change]], error) {
	before, err := in.decode(1)
	if err != nil {
		return nil, err
	}
	q := ChangeQuery{Class: inventory.ChangeClass(in.Class), Before: inventory.ChangeID(before[0])}
	switch in.State {
	case "":
	case "waiting":
		q.Reviews = true
		q.States = []inventory.ChangeState{inventory.ChangeSubmitted, inventory.ChangeApproved, inventory.ChangeScheduled}
	default:
		q.States = []inventory.ChangeState{inventory.ChangeState(in.State)}
	}
	return listPage(in.limit(defaultPage), func(limit int,
		last inventory.Change) ([]inventory.Change, error) {
		if q.Limit = limit; last.ID != "" {
			q.Before = last.ID
		}
		return a.Reads.Changes(ctx, q)
	}, func(c inventory.Change) bool { return a.Changes.Sees(ctx, c) },
		wire.FromChange, func(c inventory.Change) string { return encodeCursor(string(c.ID)) })
}

// change finds one the caller may see: their own, or any for those who see the host.
func (a *API) change(ctx context.Context, id string) (inventory.Change, error) {
	c, err := a.Reads.Change(ctx, inventory.ChangeID(id))
	if err == nil && !a.Changes.Sees(ctx, c) {
		err = inventory.Errorf(inventory.ErrNotFound, "there is no change %s", id)
	}
	return c, err
}

func (a *API) changeDiff(ctx context.Context, in *ChangePath) (*body[wire.ChangeDiff], error) {
	c, err := a.change(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	d := wire.ChangeDiff{Planned: wire.FromPlan(c.Plan)}
	now, err := a.Changes.Replan(ctx, c)
	if _, known := inventory.Kind(err); err != nil && !known {
		return nil, err
	} else if err != nil {
		d.Moved, d.Why = true, err.Error()
		return &body[wire.ChangeDiff]{Body: d}, nil
	}
	p := wire.FromPlan(*now)
	d.Now, d.Moved = &p, now.Digest != c.Plan.Digest
	return &body[wire.ChangeDiff]{Body: d}, nil
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
	c, err := a.change(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	var args inventory.ApproveArgs
	if in.Body != nil {
		args = *in.Body
	}
	got, err := a.Changes.Approve(ctx, c.ID, args)
	if err != nil {
		return nil, err
	}
	return a.answer(ctx, got, patience)
}

func (a *API) decisionRoute(r route) {
	read(a, r, func(ctx context.Context, in *decisionInput) (*body[wire.Change], error) {
		c, err := a.change(ctx, in.ID)
		if err != nil {
			return nil, err
		}
		c, err = a.Changes.Decide(ctx, r.verb, c.ID, note(in.Body))
		return &body[wire.Change]{Body: wire.FromChange(c)}, err
	})
}

func note(n *wire.Note) string {
	if n == nil {
		return ""
	}
	return n.Note
}
