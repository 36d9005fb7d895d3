package api

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"lodge/inventory"
	"lodge/manager/gate"
	"lodge/web/wire"
)

// maxWait bounds ?wait= and ?timeout=.
const maxWait = 10 * time.Minute

// Options are the query parameters and headers of every mutation; see the package doc.
type Options struct {
	Plan      bool   `query:"plan" doc:"Show what would change and stop."`
	Draft     bool   `query:"draft" doc:"Keep the plan as a draft change and stop."`
	Emergency bool   `query:"emergency" doc:"Run at once what policies hold, to be reviewed later; needs a reason and the right."`
	Wait      string `query:"wait" maxLength:"32" doc:"Wait that long for the operation to end." example:"30s"`
	Reason    string `query:"reason" maxLength:"1000" doc:"Kept in the operation and the audit journal."`
	Ticket    string `query:"ticket" maxLength:"200" doc:"Kept in the operation and the audit journal."`
	Match     string `header:"If-Match" maxLength:"64" doc:"The ETag of the container as the caller saw it."`
	// Glass is read by ServeHTTP, for whatever is asked; it is here for the document.
	Glass bool   `header:"Lodge-Break-Glass" doc:"Root asks to pass without what policies of the site ask for; needs a reason, and is flagged in the audit journal."`
	Key   string `header:"Idempotency-Key" maxLength:"200" doc:"The same key and verb give the same operation for 24 hours."`
}

// request makes what is asked of the gate.
func (o Options) request(verb string, ref inventory.Ref, args any) (gate.Request, error) {
	r := gate.Request{Verb: verb, Ref: ref, Reason: o.Reason, Ticket: o.Ticket, Key: o.Key,
		PlanOnly: o.Plan, Draft: o.Draft, Emergency: o.Emergency}
	var err error
	if r.Revision, err = revision(o.Match); err != nil {
		return r, err
	}
	r.Args, err = json.Marshal(args)
	return r, err
}

// revision reads If-Match (RFC 9110, 13.1.1): the ETag of a container is its revision.
func revision(match string) (int64, error) {
	match = strings.TrimSpace(match)
	if match == "" || match == "*" {
		return 0, nil
	}
	n, err := strconv.ParseInt(strings.Trim(strings.TrimPrefix(match, "W/"), `"`), 10, 64)
	if err != nil || n < 1 {
		return 0, inventory.Errorf(inventory.ErrInvalid,
			"If-Match %s is no revision; give the ETag of the container, like \"7\"", match)
	}
	return n, nil
}

func etag(revision int64) string { return strconv.Quote(strconv.FormatInt(revision, 10)) }

// asked is what one request wants.
type asked struct {
	verb    string // "": the route's
	ref     inventory.Ref
	args    any
	options Options
}

// mutation is the input of a route that changes something.
type mutation[I any] interface {
	*I
	asked() asked
}

// onContainer is the input of a verb on an existing container.
type onContainer[A any] struct {
	Target
	Options
	Body *A
}

func (in *onContainer[A]) asked() asked {
	return asked{ref: in.ref(), args: given(in.Body), options: in.Options}
}

// onHost is the input of a verb that is on no existing container.
type onHost[A any] struct {
	Options
	Body *A
}

func (in *onHost[A]) asked() asked { return asked{args: given(in.Body), options: in.Options} }

// Nothing is the body of a verb without parameters: absent, or an empty object.
type Nothing struct{}

// given returns the parameters, or the zero parameters when there was no body.
func given[A any](body *A) any {
	if body == nil {
		return new(A)
	}
	return body
}

// answer is what any mutation is answered with.
type answer struct {
	Status   int
	Location string `header:"Location"`
	Body     any
}

// mutate registers a verb. body says whether a body is required.
func mutate[I any, P mutation[I]](a *API, r route, body bool, variants map[string]string) {
	r.id, r.verb = orString(r.id, r.verb), orString(r.verb, r.id)
	op := r.operation()
	op.DefaultStatus = http.StatusAccepted
	op.RequestBody = &huma.RequestBody{Required: body}
	if variants != nil {
		op.Extensions["x-lodge-verb-variants"] = variants
	}
	op.Responses = a.mutationResponses()
	huma.Register(a.huma, op, func(ctx context.Context, in *I) (*answer, error) {
		bodyIsRead(ctx)
		want := P(in).asked()
		req, err := want.options.request(orString(want.verb, r.verb), want.ref, want.args)
		if err != nil {
			return nil, a.problem(err)
		}
		out, err := a.begin(ctx, req, want.options.Wait)
		if err != nil {
			return nil, a.problem(err)
		}
		return out, nil
	})
}

// begin hands a request to the gate and writes its answer.
func (a *API) begin(ctx context.Context, r gate.Request, wait string) (*answer, error) {
	patience, err := waiting(wait)
	if err != nil {
		return nil, err
	}
	got, err := a.Gate.Begin(ctx, r)
	if err != nil {
		return nil, err
	}
	return a.answer(ctx, got, patience)
}

func (a *API) answer(ctx context.Context, got gate.Answer, patience time.Duration) (*answer, error) {
	switch {
	case got.Plan != nil:
		return &answer{Status: http.StatusOK, Body: wire.FromPlan(*got.Plan)}, nil
	case got.Change != nil:
		return &answer{Status: http.StatusAccepted, Location: "/v1/changes/" + string(got.Change.ID),
			Body: wire.FromChange(*got.Change)}, nil
	}
	op := *got.Operation
	if patience > 0 && !op.State.IsEnded() {
		var err error
		if op, err = a.await(ctx, op.ID, patience); err != nil {
			return nil, err
		}
	}
	out := &answer{Status: http.StatusAccepted, Location: "/v1/operations/" + string(op.ID),
		Body: a.live(op)}
	if op.State.IsEnded() {
		out.Status = http.StatusOK
	}
	return out, nil
}

// await returns the operation when it has ended, or as it is when patience or the caller has.
func (a *API) await(ctx context.Context, id inventory.OperationID,
	patience time.Duration) (inventory.Operation, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return a.Gate.Wait(ctx, id)
}

// live writes an operation with the progress of this instant, which rows lag behind.
func (a *API) live(op inventory.Operation) wire.Operation {
	w := wire.FromOperation(op)
	if op.State.IsEnded() {
		return w
	}
	if percent, text, ok := a.Gate.Live(op.ID); ok {
		w.Percent, w.Progress = percent, text
	}
	return w
}

func waiting(s string) (time.Duration, error) {
	if s == "" {
		return 0, nil
	}
	d, err := inventory.ParseDuration(s)
	return min(d, maxWait), err
}

func orString(s, or string) string {
	if s == "" {
		return or
	}
	return s
}
