package api

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"

	"lodge/inventory"
	"lodge/manager/gate"
	"lodge/web/wire"
)

type openInput struct {
	Target
	Reason string `query:"reason" maxLength:"1000" doc:"Kept in the audit journal."`
	Ticket string `query:"ticket" maxLength:"200" doc:"Kept in the audit journal."`
	Body   wire.SessionRequest
}

type sessionOutput struct {
	Status   int
	Location string `header:"Location"`
	Body     wire.Session
}

type sessionsInput struct {
	Paging
	Container string `query:"container" maxLength:"64" doc:"Id of a container."`
	Live      bool   `query:"live" doc:"Only those that run."`
}

// SessionPath names a session.
type SessionPath struct {
	ID string `path:"id" maxLength:"64" doc:"Id of the session."`
}

func (a *API) sessionRoutes() {
	tag := "sessions"
	read(a, route{id: "session.open", method: "POST", path: "/v1/containers/{name}/sessions", tag: tag,
		summary: "Open an exec, shell, console or sftp; attach to it with the session's stream"}, a.openSession)
	a.kinds("/v1/containers/{name}/sessions")
	read(a, route{id: "session.list", verb: "session.view", method: "GET",
		path: "/v1/sessions", tag: tag,
		summary: "List sessions, newest first"}, a.listSessions)
	read(a, route{id: "session.show", verb: "session.view", method: "GET",
		path: "/v1/sessions/{id}", tag: tag,
		summary: "Show a session"},
		func(ctx context.Context, in *SessionPath) (*body[wire.Session], error) {
			s, err := a.session(ctx, in.ID)
			return &body[wire.Session]{Body: wire.FromSession(s)}, err
		})
	read(a, route{id: "session.end", verb: "session.end", method: "POST",
		path: "/v1/sessions/{id}/end", tag: tag,
		summary: "End a session: its processes are killed"}, a.endSession)
	a.raw(raw{route: route{id: "session.stream", verb: "session.attach", method: "GET",
		path: "/v1/sessions/{id}/stream",
		tag:  tag, summary: "Turn the connection into the session's stream (Upgrade: " + wire.StreamProtocol + ")"},
		status: http.StatusSwitchingProtocols, headers: []string{"Upgrade", "Connection"},
		query: []field{{"read_only", "boolean", "Watch without typing."}}, handle: a.stream})
	a.watched("/v1/sessions/{id}/stream")
	a.raw(raw{route: route{id: "session.recording", verb: "session.recording", method: "GET", path: "/v1/sessions/{id}/recording", tag: tag,
		summary: "Fetch the recording of a session; each time is on record"}, status: 200,
		answers: wire.RecordingType, handle: a.recording})
}

// watched notes under which verb somebody only looks on.
func (a *API) watched(path string) {
	op := a.huma.OpenAPI().Paths[path].Get
	op.Extensions["x-lodge-verb-variants"] = map[string]string{"read_only=true": "session.watch"}
}

// recording gives a recording to who may have it, their own too: every look at one is on record. Of
// a container that is gone it takes the right on the host.
func (a *API) recording(w http.ResponseWriter, r *http.Request) error {
	if a.Recordings == nil {
		return missing("session service")
	}
	s, err := a.session(r.Context(), r.PathValue("id"))
	if err != nil {
		return err
	}
	request := gate.Request{Verb: "session.recording", Session: s.ID,
		Ref: inventory.Ref{Project: s.Project, Name: string(s.Container)}}
	e, err := a.Gate.Enter(r.Context(), request)
	if errors.Is(err, inventory.ErrNotFound) {
		request.Ref = inventory.Ref{}
		e, err = a.Gate.Enter(r.Context(), request)
	}
	if err != nil {
		return err
	}
	result := "done"
	if err = a.sendRecording(r.Context(), w, s.ID); err != nil {
		result = "failed: " + err.Error()
	}
	if failed := e.Leave(result, nil); failed != nil {
		a.log.Error("outcome not recorded", "verb", e.Verb, "session", s.ID, "error", failed)
	}
	return err
}

func (a *API) sendRecording(ctx context.Context, w http.ResponseWriter, id inventory.SessionID) error {
	f, err := a.Recordings.Recording(ctx, id)
	if err != nil {
		return err
	}
	defer f.Close()
	w.Header().Set("Content-Type", wire.RecordingType)
	if _, err := io.Copy(w, f); err != nil { // the client sees a recording without an end
		a.log.Warn("recording not sent to its end", "session", id, "error", err)
	}
	return nil
}

// kinds notes which verb each kind of session passes the gate under.
func (a *API) kinds(path string) {
	op := a.huma.OpenAPI().Paths[path].Post
	op.Extensions = map[string]any{"x-lodge-verb": "container.exec",
		"x-lodge-verb-variants": map[string]string{
			"kind=exec": "container.exec", "kind=shell": "container.shell", "kind=console": "container.console",
			"kind=sftp": "container.sftp"}}
	op.Responses["201"], op.Responses["200"] = op.Responses["200"], nil
	op.Responses["201"].Description = http.StatusText(http.StatusCreated)
	delete(op.Responses, "200")
}

func (a *API) openSession(ctx context.Context, in *openInput) (*sessionOutput, error) {
	if a.Sessions == nil {
		return nil, missing("session service")
	}
	args, err := json.Marshal(in.Body.SessionArgs)
	if err != nil {
		return nil, err
	}
	s, err := a.Sessions.Open(ctx, gate.Request{Verb: "container." + string(in.Body.Kind),
		Ref: in.ref(), Args: args,
		Reason: in.Reason, Ticket: in.Ticket})
	return &sessionOutput{Status: http.StatusCreated, Location: "/v1/sessions/" + string(s.ID),
		Body: wire.FromSession(s)}, err
}

func (a *API) listSessions(ctx context.Context, in *sessionsInput) (*body[wire.Page[wire.Session]], error) {
	if a.Sessions == nil {
		return nil, missing("session service")
	}
	skip, err := in.decodeNumber()
	if err != nil {
		return nil, err
	}
	all, err := a.Sessions.List(ctx,
		inventory.SessionQuery{Container: inventory.ContainerID(in.Container), Live: in.Live})
	if err != nil {
		return nil, err
	}
	sight := a.sight()
	seen := only(all, func(s inventory.Session) bool { return sight.session(ctx, s) })
	return cut(seen, int(skip), in.limit(defaultPage), wire.FromSession), nil
}

// session finds one the caller may see; what they may not see does not exist for them.
func (a *API) session(ctx context.Context, id string) (inventory.Session, error) {
	if a.Sessions == nil {
		return inventory.Session{}, missing("session service")
	}
	all, err := a.Sessions.List(ctx, inventory.SessionQuery{ID: inventory.SessionID(id)})
	if err != nil {
		return inventory.Session{}, err
	}
	for _, s := range all {
		if s.ID == inventory.SessionID(id) && a.sight().session(ctx, s) {
			return s, nil
		}
	}
	return inventory.Session{}, inventory.Errorf(inventory.ErrNotFound, "there is no session %s", id)
}

// session reports whether the caller opened it or may see the container it is in.
func (s *sight) session(ctx context.Context, of inventory.Session) bool {
	return isBy(ctx, of.Principal) || s.of(ctx, of.Container, of.Project)
}

// reach lets the caller at a session: one's own freely, since opening it passed the gate; another's
// through the gate, which records it. leave has to be called at the end.
func (a *API) reach(ctx context.Context, verb, id string) (s inventory.Session,
	leave func(result string), err error) {
	s, err = a.session(ctx, id)
	if err != nil || isBy(ctx, s.Principal) {
		return s, func(string) {}, err
	}
	e, err := a.Gate.Enter(ctx, gate.Request{Verb: verb,
		Ref: inventory.Ref{Project: s.Project, Name: string(s.Container)}, Session: s.ID})
	if err != nil {
		return s, nil, err
	}
	return s, func(result string) {
		if err := e.Leave(result, nil); err != nil {
			a.log.Error("outcome not recorded", "verb", verb, "session", s.ID, "error", err)
		}
	}, nil
}

func (a *API) endSession(ctx context.Context, in *SessionPath) (*body[wire.Session], error) {
	s, leave, err := a.reach(ctx, "session.end", in.ID)
	if err != nil {
		return nil, err
	}
	if err := a.Sessions.End(ctx, s.ID); err != nil {
		leave("failed: " + err.Error())
		return nil, err
	}
	leave("done")
	s, err = a.session(ctx, in.ID)
	return &body[wire.Session]{Body: wire.FromSession(s)}, err
}
