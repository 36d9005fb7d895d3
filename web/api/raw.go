package api

import (
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"lodge/inventory"
	"lodge/web/wire"
)

// A raw route is a plain handler: it streams, where huma would read bodies into memory. What it
// takes and gives is said here by hand, and checked as huma would.
type raw struct {
	route
	query    []field
	headers  []string // request headers that mean something
	accepts  string   // media type of the request's body, "" for none
	answers  string   // media type of the answer's body, "" for none
	status   int      // of a good answer
	mutation bool     // answered like any mutation; answers and status are not used
	handle   func(w http.ResponseWriter, r *http.Request) error
}

// A field is one query parameter of a raw route.
type field struct {
	name string
	kind string // string, integer, boolean
	doc  string
}

// raw registers a plain handler and describes it in the document.
func (a *API) raw(r raw) {
	a.mux.HandleFunc(r.method+" "+r.path, func(w http.ResponseWriter, req *http.Request) {
		err := r.check(req.URL.Query())
		if err == nil {
			err = r.handle(w, req)
		}
		if err != nil {
			a.write(w, err)
		}
	})
	op := r.operation()
	for _, name := range pathParameters(r.path) {
		op.Parameters = append(op.Parameters, parameter("path", field{name: name, kind: "string"}, true))
	}
	for _, f := range r.query {
		op.Parameters = append(op.Parameters, parameter("query", f, f.name == "path"))
	}
	for _, name := range r.headers {
		op.Parameters = append(op.Parameters, parameter("header", field{name: name, kind: "string"}, false))
	}
	if r.accepts != "" {
		op.RequestBody = &huma.RequestBody{Required: true,
			Content: map[string]*huma.MediaType{r.accepts: binary()}}
	}
	if r.mutation {
		op.Responses = a.mutationResponses()
	} else {
		good := &huma.Response{Description: http.StatusText(r.status)}
		if r.answers != "" {
			good.Content = map[string]*huma.MediaType{r.answers: binary()}
		}
		op.Responses = map[string]*huma.Response{strconv.Itoa(r.status): good,
			"default": a.problemResponse()}
	}
	a.huma.OpenAPI().AddOperation(&op)
}

// check refuses query parameters the route doesn't have, and values of another type.
func (r raw) check(q url.Values) error {
	for name := range q {
		i := slices.IndexFunc(r.query, func(f field) bool { return f.name == name })
		if i < 0 {
			return inventory.Errorf(inventory.ErrInvalid,
				"the request can't be used: there is no query parameter %q", name)
		}
		var err error
		switch value := q.Get(name); {
		case value == "":
		case r.query[i].kind == "integer":
			_, err = strconv.ParseInt(value, 10, 64)
		case r.query[i].kind == "boolean":
			_, err = strconv.ParseBool(value)
		}
		if err != nil {
			return inventory.Errorf(inventory.ErrInvalid,
				"the request can't be used: %s has to be of type %s", name, r.query[i].kind)
		}
	}
	return nil
}

// flag reads a boolean query parameter that check has let through.
func flag(q url.Values, name string) bool {
	set, _ := strconv.ParseBool(q.Get(name))
	return set
}

func parameter(in string, f field, required bool) *huma.Param {
	return &huma.Param{Name: f.name, In: in, Description: f.doc, Required: required,
		Schema: &huma.Schema{Type: f.kind}}
}

func pathParameters(path string) []string {
	var names []string
	for part := range strings.SplitSeq(path, "/") {
		if name, ok := strings.CutPrefix(part, "{"); ok {
			names = append(names, strings.TrimSuffix(name, "}"))
		}
	}
	return names
}

func binary() *huma.MediaType {
	return &huma.MediaType{Schema: &huma.Schema{Type: "string", Format: "binary"}}
}

// schema returns the reference to the schema of v's type.
func (a *API) schema(v any) *huma.Schema {
	return a.huma.OpenAPI().Components.Schemas.Schema(reflect.TypeOf(v), true, "")
}

// mutationResponses are the answers every mutation may give.
func (a *API) mutationResponses() map[string]*huma.Response {
	either := func(doc string, types ...any) *huma.Response {
		s := &huma.Schema{}
		for _, t := range types {
			s.OneOf = append(s.OneOf, a.schema(t))
		}
		return &huma.Response{Description: doc,
			Content: map[string]*huma.MediaType{"application/json": {Schema: s}}}
	}
	return map[string]*huma.Response{
		"200": either("The operation, which has ended; or with ?plan=true the plan.",
			wire.Operation{}, wire.Plan{}),
		"202":     either("The operation, which goes on; or the change that now waits for others (see Location).", wire.Operation{}, wire.Change{}),
		"default": a.problemResponse(),
	}
}

// operationsOf lists the operations of one path.
func operationsOf(item *huma.PathItem) []*huma.Operation {
	all := []*huma.Operation{item.Get, item.Post, item.Put, item.Patch, item.Delete}
	return slices.DeleteFunc(all, func(op *huma.Operation) bool { return op == nil })
}

// loosen lets answers grow: requests refuse properties they don't know, but a client that checks
// what it gets must not refuse an agent newer than itself.
func (a *API) loosen() {
	for name, s := range a.huma.OpenAPI().Components.Schemas.Map() {
		if !isRequest(name) && s.AdditionalProperties == false {
			s.AdditionalProperties = nil
		}
	}
}

func isRequest(schema string) bool {
	return strings.HasSuffix(schema, "Args") || slices.Contains([]string{"SessionRequest", "Note",
		"Nothing"}, schema)
}

// OpenAPI returns the OpenAPI 3.1 document in YAML.
func (a *API) OpenAPI() ([]byte, error) { return a.huma.OpenAPI().YAML() }
