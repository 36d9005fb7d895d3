package api

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"lodge/inventory"
	"lodge/manager/gate"
	"lodge/web/wire"
)

// A Target is the container a route is about.
type Target struct {
	Name    string `path:"name" maxLength:"63" doc:"Name or id of the container."`
	Project string `query:"project" default:"default" doc:"Project of the container."`
}

func (t Target) ref() inventory.Ref { return inventory.Ref{Project: t.Project, Name: t.Name} }

// A route is one row of the API.
type route struct {
	id      string // operationId; a mutation's is its verb
	verb    string // what it passes the gate under; "" for lists that are filtered item by item
	method  string
	path    string
	summary string
	tag     string
	bytes   int64 // most of a body; 0 for maxBody
}

// routesBelow makes routes of one tag whose paths begin alike.
func routesBelow(base, tag string) func(id, verb, method, rest, summary string) route {
	return func(id, verb, method, rest, summary string) route {
		return route{id: id, verb: verb, method: method, path: base + rest, summary: summary, tag: tag}
	}
}

func (r route) operation() huma.Operation {
	op := huma.Operation{OperationID: r.id, Method: r.method, Path: r.path, Summary: r.summary,
		MaxBodyBytes: cmp.Or(r.bytes, maxBody), Responses: map[string]*huma.Response{}, Tags: []string{r.tag}}
	if r.verb != "" {
		op.Extensions = map[string]any{"x-lodge-verb": r.verb}
	}
	return op
}

// A body is the answer of most reads.
type body[T any] struct {
	Body T
}

// read registers a route that looks at something. Errors become problems here, so huma never sees
// one it would have to judge.
func read[I, O any](a *API, r route, handle func(context.Context, *I) (*O, error)) {
	op := r.operation()
	op.Responses["default"] = a.problemResponse()
	huma.Register(a.huma, op, func(ctx context.Context, in *I) (*O, error) {
		bodyIsRead(ctx)
		out, err := handle(ctx, in)
		if err != nil {
			return nil, a.problem(err)
		}
		return out, nil
	})
}

// enter passes a read that is on no container through the gate.
func (a *API) enter(ctx context.Context, verb string) error {
	_, err := a.Gate.Enter(ctx, gate.Request{Verb: verb})
	return err
}

// container passes a read of one container through the gate and returns it.
func (a *API) container(ctx context.Context, verb string, t Target) (*inventory.Container, error) {
	e, err := a.Gate.Enter(ctx, gate.Request{Verb: verb, Ref: t.ref()})
	if err != nil {
		return nil, err
	}
	return e.Container, nil
}

// page makes the answer of a list that came whole.
func page[T, W any](items []T, write func(T) W) *body[wire.Page[W]] {
	out := make([]W, len(items))
	for i, item := range items {
		out[i] = write(item)
	}
	return &body[wire.Page[W]]{Body: wire.Page[W]{Items: out}}
}

func (a *API) problemResponse() *huma.Response {
	return &huma.Response{Description: "A problem (RFC 9457): its type is the error kind, its detail one sentence.",
		Content: map[string]*huma.MediaType{"application/problem+json": {Schema: a.schema(wire.Problem{})}}}
}

// writeJSON answers a plain handler's request.
func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(v) // an error means that the caller is gone
}
