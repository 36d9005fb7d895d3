package api

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/validation"

	"lodge/inventory"
	"lodge/web/wire"
)

func init() {
	// Both are variables of huma's package, meant to be replaced once before any API is made. What
	// reaches them is huma's own: errors of handlers have been turned into problems by then.
	huma.NewError = refused
	huma.NewErrorWithContext = func(_ huma.Context, status int, msg string,
		errs ...error) huma.StatusError {
		return refused(status, msg, errs...)
	}
	// A list is [] and never null (wire's package doc), so its schema has one type.
	huma.DefaultArrayNullable = false
	// "Name" is not "name": encoding/json would take one for the other.
	huma.ValidateStrictCasing = true
}

// problem turns any error into what the caller sees of it. One without a kind was not written for
// them: it is logged under an id, and the id is all they see.
func (a *API) problem(err error) *wire.Problem {
	if p, ok := wire.FromError(err); ok {
		return &p
	}
	var already *wire.Problem
	if errors.As(err, &already) {
		return already
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		p, _ := wire.FromError(inventory.Errorf(inventory.ErrUnavailable,
			"the request was given up before it was answered"))
		return &p
	}
	id := inventory.NewID(a.now())
	a.log.Error("internal error", "operation", id, "error", err)
	p := wire.Internal(id)
	return &p
}

// write answers a plain handler's request with a problem.
func (a *API) write(w http.ResponseWriter, err error) {
	writeProblem(w, a.problem(err), a.log)
}

func writeProblem(w http.ResponseWriter, p *wire.Problem, log *slog.Logger) {
	w.Header().Set("Content-Type", p.ContentType(""))
	w.WriteHeader(p.Status)
	if err := json.NewEncoder(w).Encode(p); err != nil {
		log.Debug("problem not written", "detail", p.Detail, "error", err) // the caller is gone
	}
}

// refused makes the problem of a request huma did not let through: wrong or missing parameters,
// a body that is no JSON or too large. All of them are ErrInvalid with one sentence.
func refused(_ int, msg string, errs ...error) huma.StatusError {
	var said []string
	for _, err := range errs {
		var detail huma.ErrorDetailer
		switch {
		case err == nil:
		case errors.As(err, &detail):
			said = append(said, sentence(detail.ErrorDetail()))
		default:
			said = append(said, err.Error())
		}
	}
	text := strings.Join(said, "; ")
	if text == "" {
		text = msg
	}
	p, _ := wire.FromError(inventory.Errorf(inventory.ErrInvalid, "the request can't be used: %s", text))
	return &p
}

// sentence says in words what is wrong at one place of a request.
func sentence(d *huma.ErrorDetail) string {
	where, name, _ := strings.Cut(d.Location, ".")
	if name == "" {
		name = where
	}
	switch {
	case d.Message == validation.MsgUnexpectedProperty:
		return "there is no parameter \"" + name + "\""
	case d.Message == "unknown query parameter":
		return "there is no query parameter \"" + name + "\""
	case strings.HasPrefix(d.Message, "expected required property "):
		missing, _, _ := strings.Cut(strings.TrimPrefix(d.Message, "expected required property "), " ")
		return "the parameter \"" + missing + "\" is missing"
	case strings.HasPrefix(d.Message, "required "):
		return "the " + where + " parameter \"" + name + "\" is missing"
	case name == "body" && strings.HasPrefix(d.Message, "expected "):
		return "the body has to be an object of parameters"
	case name == "body":
		return "the body is no JSON: " + d.Message
	}
	return name + ": " + d.Message
}
