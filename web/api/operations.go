package api

import (
	"context"

	"lodge/inventory"
	"lodge/web/wire"
)

type operationsInput struct {
	Paging
	Project   string `query:"project" maxLength:"63"`
	Container string `query:"container" maxLength:"64" doc:"Id of a container."`
	State     string `query:"state" enum:"running,undoing,done,failed,cancelled"`
	Verb      string `query:"verb" maxLength:"64"`
}

// OperationPath names an operation.
type OperationPath struct {
	ID string `path:"id" maxLength:"64" doc:"Id of the operation."`
}

type waitInput struct {
	OperationPath
	Timeout string `query:"timeout" default:"30s" maxLength:"32" doc:"Answer after this long even if it goes on; at most 10m."`
}

type deadlinesInput struct {
	Container string `query:"container" maxLength:"64" doc:"Id of a container."`
	Done      bool   `query:"done" doc:"Those that are over, instead of those that wait."`
	Paging
}

func (a *API) operationRoutes() {
	tag := "operations"
	read(a, route{id: "operation.list", verb: "operation.view", method: "GET", path: "/v1/operations", tag: tag,
		summary: "List operations, newest first"}, a.listOperations)
	read(a, route{id: "operation.show", verb: "operation.view", method: "GET", path: "/v1/operations/{id}", tag: tag,
		summary: "Show an operation with its live progress"},
		func(ctx context.Context, in *OperationPath) (*body[wire.Operation], error) {
			op, err := a.operation(ctx, in.ID)
			return &body[wire.Operation]{Body: a.live(op)}, err
		})
	read(a, route{id: "operation.wait", verb: "operation.view", method: "GET", path: "/v1/operations/{id}/wait", tag: tag,
		summary: "Wait for an operation to end"}, a.waitOperation)
	read(a, route{id: "operation.cancel", verb: "operation.cancel", method: "POST",
		path: "/v1/operations/{id}/cancel", tag: tag,
		summary: "Ask a running operation to stop; what it did is undone"},
		func(ctx context.Context, in *OperationPath) (*body[wire.Operation], error) {
			op, err := a.operation(ctx, in.ID)
			if err != nil {
				return nil, err
			}
			if err := a.Gate.Cancel(ctx, op.ID); err != nil {
				return nil, err
			}
			op, err = a.Reads.Operation(ctx, op.ID)
			return &body[wire.Operation]{Body: a.live(op)}, err
		})
	read(a, route{id: "deadline.list", verb: "deadline.view", method: "GET", path: "/v1/deadlines",
		tag:     tag,
		summary: "List what is due later, soonest first"}, a.listDeadlines)
}

// operation finds one the caller may see; what they may not see does not exist for them.
func (a *API) operation(ctx context.Context, id string) (inventory.Operation, error) {
	op, err := a.Reads.Operation(ctx, inventory.OperationID(id))
	if err == nil && !a.sight().operation(ctx, op) {
		err = inventory.Errorf(inventory.ErrNotFound, "there is no operation %s", id)
	}
	return op, err
}

// operation reports whether the caller began it or may see what it works on, as that is now: who owned a
// container then need not be who does.
func (s *sight) operation(ctx context.Context, op inventory.Operation) bool {
	return isBy(ctx, op.Principal) || s.of(ctx, op.Container, op.Project)
}

func (a *API) listOperations(ctx context.Context,
	in *operationsInput) (*body[wire.Page[wire.Operation]], error) {
	before, err := in.decode(1)
	if err != nil {
		return nil, err
	}
	q := OperationQuery{Project: in.Project, Container: inventory.ContainerID(in.Container), Verb: in.Verb,
		State: inventory.OperationState(in.State), Before: inventory.OperationID(before[0])}
	sight := a.sight()
	return listPage(in.limit(defaultPage), func(limit int,
		last inventory.Operation) ([]inventory.Operation, error) {
		if q.Limit = limit; last.ID != "" {
			q.Before = last.ID
		}
		return a.Reads.Operations(ctx, q)
	}, func(op inventory.Operation) bool { return sight.operation(ctx, op) },
		a.live, func(op inventory.Operation) string { return encodeCursor(string(op.ID)) })
}

func (a *API) waitOperation(ctx context.Context, in *waitInput) (*body[wire.Operation], error) {
	patience, err := waiting(in.Timeout)
	if err != nil {
		return nil, err
	}
	op, err := a.operation(ctx, in.ID)
	if err == nil && !op.State.IsEnded() {
		op, err = a.await(ctx, op.ID, patience)
	}
	return &body[wire.Operation]{Body: a.live(op)}, err
}

func (a *API) listDeadlines(ctx context.Context,
	in *deadlinesInput) (*body[wire.Page[wire.Deadline]], error) {
	if err := a.enter(ctx, "deadline.view"); err != nil {
		return nil, err
	}
	skip, err := in.decodeNumber()
	if err != nil {
		return nil, err
	}
	all, err := a.Reads.Deadlines(ctx, DeadlineQuery{Container: inventory.ContainerID(in.Container),
		Done: in.Done})
	sight := a.sight()
	all = only(all, func(d inventory.Deadline) bool { return sight.of(ctx, d.Container, "") })
	return cut(all, int(skip), in.limit(defaultPage), wire.FromDeadline), err
}

// listPage fills a page from a list that is read in parts: fetch returns up to limit items after
// last, keep drops what the caller may not see.
func listPage[T, W any](limit int, fetch func(limit int, last T) ([]T, error), keep func(T) bool,
	write func(T) W, cursor func(T) string) (*body[wire.Page[W]], error) {
	out := wire.Page[W]{Items: []W{}}
	var last, kept T
	for {
		batch, err := fetch(limit+1, last)
		if err != nil {
			return nil, err
		}
		for _, item := range batch {
			if !keep(item) {
				continue
			}
			if len(out.Items) == limit {
				out.Next = cursor(kept)
				return &body[wire.Page[W]]{Body: out}, nil
			}
			out.Items, kept = append(out.Items, write(item)), item
		}
		if len(batch) <= limit {
			return &body[wire.Page[W]]{Body: out}, nil
		}
		last = batch[len(batch)-1]
	}
}

// cut makes a page of a list that came whole: its cursor is a number of items.
func cut[T, W any](all []T, skip, limit int, write func(T) W) *body[wire.Page[W]] {
	all = all[min(skip, len(all)):]
	out := page(all[:min(limit, len(all))], write)
	if len(all) > limit {
		out.Body.Next = encodeCursor(itoa(skip + limit))
	}
	return out
}
