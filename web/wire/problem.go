package wire

import (
	"errors"
	"net/http"
	"strings"

	"lodge/inventory"
)

// ProblemType is the prefix of every problem type; the name of the error kind follows.
const ProblemType = "urn:lodge:problem:"

// InternalProblem is the name of the problem of an error that has no kind.
const InternalProblem = "internal"

// A Problem is an error on the wire (RFC 9457, application/problem+json). Type says which kind it
// is, Detail is a sentence for people.
type Problem struct {
	Type   string `json:"type" example:"urn:lodge:problem:not-found"`
	Title  string `json:"title" example:"not found"`
	Status int    `json:"status" example:"404"`
	Detail string `json:"detail" example:"there is no container web1 in project default"`
	// Operation is the one that failed; for an internal error, what to look for in the agent's log.
	Operation string `json:"operation,omitempty"`
}

// FromError writes an error that has a kind; ok is false for any other, whose text must not leave
// the agent.
func FromError(err error) (p Problem, ok bool) {
	kind, ok := inventory.Kind(err)
	if !ok {
		return Problem{}, false
	}
	return Problem{Type: ProblemType + kind.Name, Title: kind.Err.Error(), Status: kind.Status,
		Detail: err.Error()}, true
}

// Internal is the problem of an error without a kind, that was logged under id.
func Internal(id string) Problem {
	return Problem{Type: ProblemType + InternalProblem, Title: "internal error",
		Status: http.StatusInternalServerError, Detail: "internal error, operation " + id, Operation: id}
}

// Err reads a problem back: an error with the kind and the sentence of the one that was written.
func (p Problem) Err() error {
	text := p.Detail
	if text == "" {
		text = p.Title
	}
	if kind, ok := inventory.KindNamed(strings.TrimPrefix(p.Type, ProblemType)); ok {
		return inventory.Errorf(kind.Err, "%s", text)
	}
	return errors.New(text)
}

// Error makes a problem an error itself, for servers that pass one on.
func (p *Problem) Error() string { return p.Detail }

// GetStatus and ContentType are how huma learns the status and the media type.
func (p *Problem) GetStatus() int { return p.Status }

// ContentType replaces application/json by the media type of RFC 9457, 3.
func (p *Problem) ContentType(string) string { return "application/problem+json" }
