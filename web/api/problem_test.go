package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"testing"

	"lodge/inventory"
	"lodge/manager/gate"
	"lodge/web/api/apitest"
	"lodge/web/client"
	"lodge/web/wire"
)

// failing is a world whose gate gives one answer.
type failing struct {
	*apitest.World
	err error
}

func (f failing) Begin(context.Context, gate.Request) (gate.Answer, error) {
	return gate.Answer{}, f.err
}

// TestKindsTravel takes every kind over a real socket: status, type and sentence out, kind and
// sentence back.
func TestKindsTravel(t *testing.T) {
	for _, kind := range inventory.ErrorKinds {
		t.Run(kind.Name, func(t *testing.T) {
			cfg := apitest.New().Config()
			said := inventory.Errorf(kind.Err, "web1 can't: that is why")
			cfg.Gate = failing{apitest.New(), fmt.Errorf("start: %w", said)}
			c, socket := open(t, cfg)
			resp, body := send(t, socket, "POST", "/v1/containers/web1/start", "")
			var p wire.Problem
			if err := json.Unmarshal([]byte(body), &p); err != nil {
				t.Fatal(err)
			}
			want := wire.Problem{Type: "urn:lodge:problem:" + kind.Name, Title: kind.Err.Error(), Status: kind.Status,
				Detail: "start: web1 can't: that is why"}
			if p != want || resp.StatusCode != kind.Status || resp.Header.Get("Content-Type") != "application/problem+json" {
				t.Errorf("on the wire: %d %s %+v", resp.StatusCode, resp.Header.Get("Content-Type"), p)
			}
			_, err := c.Start(t.Context(), ref("web1"), client.Options{})
			if !errors.Is(err, kind.Err) || err.Error() != want.Detail {
				t.Errorf("came back as %v", err)
			}
			for _, other := range inventory.ErrorKinds {
				if other.Err != kind.Err && errors.Is(err, other.Err) {
					t.Errorf("came back as %s too", other.Name)
				}
			}
		})
	}
}

// TestInternalErrorsStayInside: the text of an error without a kind is in the log, the caller gets
// the number to look for.
func TestInternalErrorsStayInside(t *testing.T) {
	var log bytes.Buffer
	cfg := apitest.New().Config()
	cfg.Log = slog.New(slog.NewTextHandler(&log, nil))
	cfg.Gate = failing{apitest.New(), errors.New("open /var/lib/lodge/keys/secret: no such file")}
	c, socket := open(t, cfg)
	resp, body := send(t, socket, "POST", "/v1/containers/web1/start", "")
	if resp.StatusCode != 500 || strings.Contains(body, "secret") {
		t.Fatalf("%d %s", resp.StatusCode, body)
	}
	id := regexp.MustCompile(`internal error, operation ([0-9a-f-]{36})`).FindStringSubmatch(body)
	if id == nil {
		t.Fatalf("no number in %s", body)
	}
	if !strings.Contains(log.String(), id[1]) || !strings.Contains(log.String(), "keys/secret") {
		t.Errorf("the log lacks the number or the cause: %s", log.String())
	}
	_, err := c.Start(t.Context(), ref("web1"), client.Options{})
	if _, kinded := inventory.Kind(err); kinded || !strings.HasPrefix(err.Error(), "internal error, operation ") {
		t.Errorf("came back as %v", err)
	}
}

// TestPanicIsAnAnswer: a mistake in a handler is an internal error, and the agent lives on.
func TestPanicIsAnAnswer(t *testing.T) {
	cfg := apitest.New().Config()
	cfg.Reads = nil
	_, socket := open(t, cfg)
	if resp, body := send(t, socket, "GET", "/v1/host", ""); resp.StatusCode != 500 || !strings.Contains(body, "internal error") {
		t.Errorf("%d %s", resp.StatusCode, body)
	}
	if resp, _ := send(t, socket, "GET", "/v1/version", ""); resp.StatusCode != 200 {
		t.Errorf("the next request got %d", resp.StatusCode)
	}
}

func TestWhatIsRefused(t *testing.T) {
	w := apitest.New()
	w.Add(inventory.Container{Name: "web1"}, inventory.StateStopped)
	cfg := w.Config()
	cfg.Sessions, cfg.Files = nil, nil
	_, socket := open(t, cfg)
	long := `{"image":"debian/12","purpose":"` + strings.Repeat("x", 1<<20) + `"}`
	for _, c := range []struct {
		what, method, path, body string
		status                   int
		says                     string
	}{
		{"unknown property", "POST", "/v1/containers", `{"image":"debian/12","purpose":"p","nmae":"web1"}`, 422, `there is no parameter \"nmae\"`},
		{"property in another case", "POST", "/v1/containers", `{"image":"debian/12","purpose":"p","Name":"web1"}`, 422, `there is no parameter \"Name\"`},
		{"missing property", "POST", "/v1/containers", `{"image":"debian/12"}`, 422, `\"purpose\" is missing`},
		{"wrong type", "POST", "/v1/containers/web1/revert", `{"revision":"one"}`, 422, "revision: expected integer"},
		{"no JSON", "POST", "/v1/containers", `{"image":`, 422, "the body is no JSON"},
		{"no object", "POST", "/v1/containers", `[]`, 422, "object of parameters"},
		{"no body", "POST", "/v1/containers", ``, 422, "body is required"},
		{"body for a verb without parameters", "POST", "/v1/containers/web1/start", `{"force":true}`, 422, `there is no parameter \"force\"`},
		{"too large", "POST", "/v1/containers", long, 422, "too large"},
		{"unknown query", "POST", "/v1/containers/web1/start?paln=true", ``, 422, `no query parameter \"paln\"`},
		{"unknown query of a plain handler", "GET", "/v1/events?form=1", ``, 422, `no query parameter \"form\"`},
		{"wrong type in a query", "GET", "/v1/containers?limit=many", ``, 422, "limit: invalid integer"},
		{"wrong type in a plain handler's query", "GET", "/v1/events?after=now", ``, 422, "integer"},
		{"a page too large", "GET", "/v1/containers?limit=100000", ``, 422, "limit: expected number"},
		{"bad duration", "POST", "/v1/containers/web1/start?wait=soon", ``, 422, "is no duration"},
		{"bad kind of session", "POST", "/v1/containers/web1/sessions", `{"kind":"telnet"}`, 422, "kind: expected value to be one of"},
		{"no such route", "GET", "/v1/nothing", ``, 404, "there is no GET /v1/nothing"},
		{"no such method", "PUT", "/v1/containers", ``, 404, "there is no PUT /v1/containers"},
		{"no such container", "POST", "/v1/containers/web9/start", ``, 404, "there is no container web9"},
		{"no such operation", "GET", "/v1/operations/x", ``, 404, "there is no operation x"},
		{"service that is not there", "GET", "/v1/sessions", ``, 503, "this agent has no session service"},
		{"files that are not there", "GET", "/v1/containers/web1/files?path=/etc", ``, 503, "this agent has no file service"},
	} {
		resp, body := send(t, socket, c.method, c.path, c.body, "Content-Type", "application/json")
		if resp.StatusCode != c.status || !strings.Contains(body, c.says) {
			t.Errorf("%s: %d %s", c.what, resp.StatusCode, body)
		}
		if ct := resp.Header.Get("Content-Type"); ct != "application/problem+json" {
			t.Errorf("%s: content type %s", c.what, ct)
		}
	}
}
